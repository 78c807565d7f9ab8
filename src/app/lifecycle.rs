//! Signals: SIGTERM drains, SIGINT stops at once, SIGQUIT hands the listeners over, SIGHUP reloads. Nothing else knows
//! signals.

use super::drain;
use super::sockets::Table;
use super::upgrade::{self, Rendezvous};
use super::watch::Watch;
use super::{App, StartError};
use crate::config::Config;
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often the gauges are brought up to date.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How often the configuration's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the store is inspected.
const INSPECT_EVERY: Duration = Duration::from_secs(10);

/// The configuration, to be read again.
pub struct Reload {
    pub load: Box<dyn Fn() -> Result<Config, StartError> + Send + Sync>,
    /// Made before the configuration was read first, so that no change is missed.
    pub watch: Watch,
}

/// Why a process leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It was told to stop.
    Stopped,
    /// A successor has its listeners.
    Replaced,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Stop,
    End,
    Upgrade,
}

/// The signals that end a process.
#[derive(Debug)]
pub struct Signals {
    term: Option<Signal>,
    int: Option<Signal>,
    quit: Option<Signal>,
}

impl Signals {
    fn listen() -> Self {
        Self { term: on(SignalKind::terminate()), int: on(SignalKind::interrupt()), quit: on(SignalKind::quit()) }
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            () = next(&mut self.term) => Asked::Stop,
            () = next(&mut self.int) => Asked::End,
            () = next(&mut self.quit) => Asked::Upgrade,
        }
    }
}

/// Waits for the end: readiness fails first, and listeners close `shutdown_delay_seconds` later, or once a successor has
/// them.
pub struct Stop {
    pub app: Arc<App>,
    /// The listeners, once they are open.
    pub table: Table,
    /// Where a successor would wait.
    pub place: Option<Rendezvous>,
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    /// pingora's own upgrade is never asked for: it would close the listeners whether the successor lives or not.
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = Signals::listen();
        let mut asked = signals.next().await;
        while asked == Asked::Upgrade {
            tokio::select! {
                handed_over = self.hand_over() => {
                    if handed_over {
                        return self.leave(Leaving::Replaced, signals);
                    }
                    asked = signals.next().await;
                }
                other = signals.next() => asked = other,
            }
        }
        if asked == Asked::End {
            return ShutdownSignal::FastShutdown;
        }
        self.app.state.leave(Leaving::Stopped);
        tracing::info!("draining");
        tokio::time::sleep(Duration::from_secs(self.app.live.pin().server.shutdown_delay_seconds)).await;
        self.leave(Leaving::Stopped, signals)
    }
}

impl Stop {
    /// Whether a successor serves now; else everything is as it was.
    async fn hand_over(&self) -> bool {
        let (Some(place), Some(listeners)) = (&self.place, self.table.copy()) else {
            tracing::error!("SIGQUIT: there is no upgrade without server.state_dir; going on");
            return false;
        };
        match upgrade::hand_over(place, listeners, &self.app).await {
            Ok(()) => {
                tracing::info!("a successor has the listeners; draining");
                true
            }
            Err(error) => {
                tracing::error!(%error, "SIGQUIT: the listeners were not handed over; going on");
                false
            }
        }
    }

    /// The listeners close when this returns; the process ends by itself when it is drained.
    fn leave(&self, leaving: Leaving, signals: Signals) -> ShutdownSignal {
        self.app.state.leave(leaving);
        tokio::spawn(drain::leave(Arc::clone(&self.app), leaving, signals, self.place.clone()));
        ShutdownSignal::GracefulTerminate
    }
}

/// Everything that runs beside the requests: syncs, health checks, gauges, reloads.
pub struct Beside {
    pub app: Arc<App>,
    pub reload: tokio::sync::Mutex<Reload>,
    pub place: Option<Rendezvous>,
}

#[async_trait]
impl BackgroundService for Beside {
    /// `shutdown` fires before the drain, and requests still need all this: so it goes on until the process ends.
    async fn start(&self, _shutdown: ShutdownWatch) {
        let (_until_the_end, stopped) = watch::channel(false);
        tokio::spawn(crate::rooms::run(Arc::clone(&self.app.rooms), stopped.clone()));
        let origins = Arc::clone(&self.app.origins);
        tokio::spawn(async move { origins.keep(stopped).await });
        tokio::spawn(inspect(Arc::clone(&self.app)));
        let mut hangup = on(SignalKind::hangup());
        let mut report = tokio::time::interval(REPORT_EVERY);
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut reload = self.reload.lock().await;
        loop {
            tokio::select! {
                _ = report.tick() => self.report(),
                _ = look.tick() => {
                    if reload.watch.has_changed(self.app.page_files()) {
                        self.app.reload((reload.load)()).await;
                    }
                }
                () = next(&mut hangup) => {
                    reload.watch.note_read(self.app.page_files());
                    self.app.reload((reload.load)()).await;
                }
            }
        }
    }
}

impl Beside {
    fn report(&self) {
        self.app.report();
        // What this process cuts itself is its successor's to count.
        if let (Some(place), None) = (&self.place, self.app.state.leaving()) {
            self.app.metrics.cut.inc_by(place.cut_by_predecessors());
        }
    }
}

/// Looks at the store now and then: one that would eat the line is said loudly, and fails readiness.
async fn inspect(app: Arc<App>) {
    let Some(redis) = app.redis.clone() else { return };
    let mut every = tokio::time::interval(INSPECT_EVERY);
    loop {
        every.tick().await;
        let Ok(health) = redis.inspect().await else { continue };
        let allowed = app.live.pin().store.allow_eviction;
        let problem = Some(health.problems.join("; ")).filter(|problem| !problem.is_empty());
        if **app.state.store_problem.load() != problem
            && let Some(problem) = &problem
        {
            tracing::error!(problem, "the store is unfit");
        }
        app.state.store_problem.store(Arc::new(problem.filter(|_| !allowed)));
    }
}

fn on(kind: SignalKind) -> Option<Signal> {
    signal(kind).map_err(|error| tracing::error!(%error, "can't listen for a signal")).ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}
