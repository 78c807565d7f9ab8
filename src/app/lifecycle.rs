//! Signals: SIGTERM drains, SIGINT stops at once, SIGQUIT hands the listeners over, SIGHUP reloads. Nothing else knows
//! signals.

use super::{App, StartError, State};
use crate::config::Config;
use async_trait::async_trait;
use pingora::server::{ExecutionPhase, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::background::BackgroundService;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, watch};

/// How often the gauges are brought up to date.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How often a draining process looks whether it is idle.
const IDLE_EVERY: Duration = Duration::from_millis(50);
/// How often the store is inspected.
const INSPECT_EVERY: Duration = Duration::from_secs(10);

/// Reads the configuration again.
pub type Reload = Box<dyn Fn() -> Result<Config, StartError> + Send + Sync>;

/// Waits for the signal to stop; readiness fails first, and listeners close `delay` later.
pub struct Stop {
    pub state: Arc<State>,
    pub delay: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let (mut term, mut int, mut quit) =
            (on(SignalKind::terminate()), on(SignalKind::interrupt()), on(SignalKind::quit()));
        let signal = tokio::select! {
            () = next(&mut term) => ShutdownSignal::GracefulTerminate,
            () = next(&mut int) => ShutdownSignal::FastShutdown,
            () = next(&mut quit) => ShutdownSignal::GracefulUpgrade,
        };
        if matches!(signal, ShutdownSignal::GracefulTerminate) {
            self.state.draining.store(true, Ordering::Relaxed);
            tracing::info!("draining");
            tokio::time::sleep(self.delay).await;
        }
        signal
    }
}

/// Everything that runs beside the requests: syncs, health checks, gauges, reloads, the end of the drain.
pub struct Beside {
    pub app: Arc<App>,
    pub phase: std::sync::Mutex<Option<broadcast::Receiver<ExecutionPhase>>>,
    pub reload: Reload,
}

#[async_trait]
impl BackgroundService for Beside {
    /// `shutdown` fires before the drain, and requests still need all this: so it goes on until the process ends.
    async fn start(&self, _shutdown: ShutdownWatch) {
        let (stop, stopped) = watch::channel(false);
        let phase = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        tokio::spawn(crate::rooms::run(Arc::clone(&self.app.rooms), stopped.clone()));
        let origins = Arc::clone(&self.app.origins);
        tokio::spawn(async move { origins.keep(stopped).await });
        tokio::spawn(inspect(Arc::clone(&self.app)));
        let mut hangup = on(SignalKind::hangup());
        let mut report = tokio::time::interval(REPORT_EVERY);
        let end = end_of_drain(&self.app, phase);
        tokio::pin!(end);
        loop {
            tokio::select! {
                _ = report.tick() => self.app.report(),
                () = next(&mut hangup) => self.app.reload((self.reload)()),
                () = &mut end => break,
            }
        }
        let _ = stop.send(true);
        // pingora would sleep through the rest of the grace period.
        std::process::exit(0);
    }
}

/// Returns when the process drains and nothing is in flight any more.
async fn end_of_drain(app: &App, phase: Option<broadcast::Receiver<ExecutionPhase>>) {
    let Some(mut phase) = phase else { return pending().await };
    loop {
        match phase.recv().await {
            Ok(ExecutionPhase::ShutdownGracePeriod) => break,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return pending().await,
        }
    }
    // An answer that was just sent may still be on its way out: two looks in a row.
    let mut idle = 0;
    while idle < 2 {
        tokio::time::sleep(IDLE_EVERY).await;
        idle = if app.metrics.in_flight.now() == 0 { idle + 1 } else { 0 };
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
