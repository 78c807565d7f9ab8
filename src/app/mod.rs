//! The composition root: makes everything, hands it to everything, and changes it on reload. The only place that knows
//! all of it.

mod certificates;
mod connections;
mod descriptors;
mod drain;
mod keys;
mod lifecycle;
mod metrics_page;
mod serve;
mod sockets;
mod start;
mod start_error;
mod target;
mod upgrade;
mod watch;

pub use lifecycle::Reload;
pub use serve::{AddService, run};
pub use start::{Started, check, start};
pub use start_error::StartError;
pub use watch::Watch;

use crate::api::{Api, Readiness};
use crate::clock::Clock;
use crate::config::{Config, Live, LogFormat, OnStoreFailure};
use crate::gate::Gate;
use crate::limit::Limiter;
use crate::page::Page;
use crate::proxy::{Door, Origins};
use crate::queue::Settings;
use crate::rooms::{CountedStore, RoomSpec, Rooms, StoreClock};
use crate::store::fallback::Fallback;
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::store::{Store, Takes};
use crate::telemetry::access_log::{AccessLog, Format};
use crate::telemetry::metrics::{Metrics, RoomMetrics};
use crate::telemetry::words::ReloadResult;
use arc_swap::ArcSwap;
use certificates::Certificates;
use lifecycle::Leaving;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything that is running.
pub struct App {
    pub live: Arc<Live>,
    pub gate: Arc<Gate>,
    pub rooms: Arc<Rooms>,
    pub origins: Arc<Origins>,
    pub metrics: Arc<Metrics>,
    pub redis: Option<Arc<RedisStore>>,
    memory: Option<Arc<MemoryStore>>,
    pub state: Arc<State>,
    /// Whether this process took over, or is about to, from one that still runs.
    pub successor: bool,
    certificates: Certificates,
    pages: Arc<ArcSwap<Vec<Arc<Page>>>>,
    room_metrics: Arc<ArcSwap<HashMap<String, RoomMetrics>>>,
    access_log: Option<Arc<AccessLog>>,
}

/// Whether this instance should get traffic.
#[derive(Debug, Default)]
pub struct State {
    leaving: OnceLock<Leaving>,
    /// Every site has an origin that answers.
    pub origins_up: AtomicBool,
    /// What makes the store unfit, for operators.
    pub store_problem: ArcSwap<Option<String>>,
}

impl State {
    /// Why the process is about to end; `None` while it serves.
    pub fn leaving(&self) -> Option<Leaving> {
        self.leaving.get().copied()
    }

    /// From now on it leaves. The first reason stays.
    fn leave(&self, leaving: Leaving) {
        let _ = self.leaving.set(leaving);
    }
}

impl Readiness for State {
    fn check(&self) -> Result<(), String> {
        if self.leaving().is_some() {
            return Err("draining".to_owned());
        }
        if let Some(problem) = self.store_problem.load().as_ref() {
            return Err(problem.clone());
        }
        if !self.origins_up.load(Ordering::Relaxed) {
            return Err("no healthy origin".to_owned());
        }
        Ok(())
    }
}

impl App {
    /// Makes everything; nothing is connected and nothing listens yet. A `successor` has the listeners of a process that
    /// still serves, and that gave its store away just before ([`App::hand_over`]).
    pub fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        successor: bool,
    ) -> Result<Self, StartError> {
        let keyring = keys::keyring(&config)?;
        let pages = load_pages(&config)?;
        let certificates = Certificates::load(&config)?;
        let target = target::of(&config)?;
        let timeout = Duration::from_millis(config.store.timeout_ms);
        let directory = config.server.state_dir.as_deref();
        let takes = if successor { Takes::Over } else { Takes::Alone };
        let opened = crate::store::open(target, timeout, Arc::clone(&clock), directory, takes)?;
        let counted = Arc::new(CountedStore::new(opened.store, Arc::clone(&metrics), Arc::clone(&clock)));
        let store_clock = Arc::new(StoreClock::new(clock));
        let on_failure = config.store.on_store_failure;
        let store: Arc<dyn Store> = if opened.redis.is_some() {
            let stands_in = on_failure == OnStoreFailure::Local;
            Arc::new(Fallback::new(counted, Arc::clone(&store_clock) as Arc<dyn Clock>, timeout, stands_in))
        } else {
            counted
        };
        let opens = on_failure == OnStoreFailure::Open;
        let rooms = Arc::new(Rooms::new(crate::random::instance(), store, store_clock, opens));
        rooms.configure(&specs(&config, &metrics));
        let room_metrics = Arc::new(ArcSwap::from_pointee(metrics_of_rooms(&config, &metrics)));
        let format = if config.log.format == LogFormat::Json { Format::Json } else { Format::Text };
        let access_log = config.log.access.then(|| {
            let (log, guard) = AccessLog::new(format, std::io::stdout(), metrics.access_log_dropped.clone());
            // Lives as long as the process: what is buffered is written at exit.
            std::mem::forget(guard);
            Arc::new(log)
        });
        Ok(Self {
            origins: Arc::new(Origins::new(&config, Arc::clone(&metrics))),
            live: Arc::new(Live::new(config)),
            gate: Arc::new(Gate::new(keyring, metrics.tokens_signed.clone())),
            rooms,
            metrics,
            redis: opened.redis,
            memory: opened.memory,
            state: Arc::default(),
            successor,
            certificates,
            pages: Arc::new(ArcSwap::from_pointee(pages)),
            room_metrics,
            access_log,
        })
    }

    /// The front door to all of it.
    pub fn door(&self) -> Door {
        let api = Api {
            gate: Arc::clone(&self.gate),
            rooms: Arc::clone(&self.rooms),
            limiter: Arc::new(Limiter::default()),
            readiness: Arc::clone(&self.state) as Arc<dyn Readiness>,
        };
        Door {
            live: Arc::clone(&self.live),
            gate: Arc::clone(&self.gate),
            rooms: Arc::clone(&self.rooms),
            api: Arc::new(api),
            origins: Arc::clone(&self.origins),
            pages: Arc::clone(&self.pages),
            metrics: Arc::clone(&self.metrics),
            room_metrics: Arc::clone(&self.room_metrics),
            access_log: self.access_log.clone(),
        }
    }

    /// Whether it would answer as a process does that has run for a while: origins are known, and so is every line.
    pub fn is_settled(&self) -> bool {
        self.state.check().is_ok() && self.has_met_store() && self.is_caught_up()
    }

    /// Whether every line is known.
    pub fn has_met_store(&self) -> bool {
        self.rooms.all().iter().all(|room| room.view().is_connected())
    }

    /// Whether every finished stay is known too: of very many, one call tells a part.
    pub fn is_caught_up(&self) -> bool {
        self.rooms.all().iter().all(|room| room.is_caught_up())
    }

    /// How long an idle connection may stay, once the listeners are a successor's: after that it would have been closed
    /// anyway.
    pub fn idle_patience(&self) -> Duration {
        Duration::from_secs(self.live.pin().server.limits.keepalive_seconds + 1)
    }

    /// The files in use beside the configuration itself.
    fn files(&self) -> Vec<std::path::PathBuf> {
        let config = self.live.pin();
        let templates = config.sites.iter().filter_map(|site| site.template.clone());
        templates.chain(certificates::files(&config)).chain(config.tokens.signing_keys.clone()).collect()
    }

    /// Takes over another configuration, or nothing of it.
    pub async fn reload(&self, loaded: Result<Config, StartError>) {
        let result = match loaded {
            Ok(config) => self.take_over(config).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(changes) => {
                self.metrics.config_version.inc();
                self.metrics.reloaded(ReloadResult::Ok);
                tracing::info!(changes = %changes.join("; "), "configuration reloaded");
            }
            Err(error) => {
                self.metrics.reloaded(ReloadResult::Refused);
                tracing::error!(error = %error.lines.join("; "), "configuration not reloaded; the old one stays");
            }
        }
    }

    async fn take_over(&self, config: Config) -> Result<Vec<String>, StartError> {
        let old = self.live.pin();
        let mut fixed = crate::config::differing(&old, &config, &NEEDS_RESTART);
        if has_same_listeners(&old, &config) {
            fixed.retain(|(_, path)| !(path.contains(".tls.") || path.contains(".certificates[")));
        }
        if !fixed.is_empty() {
            let line = |(place, path)| format!("{place}{path}: takes a restart, or an upgrade (run --upgrade)");
            return Err(StartError::new(fixed.into_iter().map(line).collect()));
        }
        keys::refuse_other_identity(&old, &config)?;
        let keyring = keys::keyring(&config)?;
        let pages = load_pages(&config)?;
        let certificates = certificates::prepare(&config)?;
        let origins = self.origins.prepare(&config).await.map_err(StartError::one)?;
        // Everything is made; from here on nothing fails. The configuration goes last: who pins it finds the rest.
        self.rooms.configure(&specs(&config, &self.metrics));
        self.room_metrics.store(Arc::new(metrics_of_rooms(&config, &self.metrics)));
        self.gate.replace_keys(keyring);
        self.pages.store(Arc::new(pages));
        self.certificates.adopt(certificates);
        self.origins.adopt(origins);
        Ok(self.live.replace(config))
    }

    /// Brings readiness up to date.
    pub fn report(&self) {
        self.state.origins_up.store(self.origins.are_healthy(), Ordering::Relaxed);
    }
}

/// What a reload can't change.
const NEEDS_RESTART: [&str; 10] = [
    "server.limits.tcp_keepalive_seconds",
    "server.listen",
    "server.metrics_listen",
    "server.state_dir",
    "server.threads",
    "store.url",
    "store.ca_file",
    "store.timeout_ms",
    "store.on_store_failure",
    "log.",
];

/// Whether only their certificates can differ.
fn has_same_listeners(old: &Config, new: &Config) -> bool {
    let of = |config: &Config| -> Vec<_> {
        config.server.listeners.iter().map(|listener| (listener.addr, listener.tls.is_some())).collect()
    };
    of(old) == of(new)
}

fn specs(config: &Config, metrics: &Metrics) -> Vec<RoomSpec> {
    let spec = |room: &crate::config::RoomConfig| RoomSpec {
        name: room.name.clone(),
        defaults: Settings::with(&Settings::default(), &room.settings),
        metrics: metrics.room(&room.name),
    };
    config.rooms.iter().map(spec).collect()
}

/// The page of each site: its own template, or the built-in one.
fn load_pages(config: &Config) -> Result<Vec<Arc<Page>>, StartError> {
    let page = |site: &crate::config::Site| match &site.template {
        None => Page::built_in().map(Arc::new).map_err(|error| StartError::one(error.to_string())),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| StartError::one(format!("{}: {error}", path.display())))?;
            Page::load(&text).map(Arc::new).map_err(|error| StartError::one(format!("{}: {error}", path.display())))
        }
    };
    config.sites.iter().map(page).collect()
}

/// `""` stands for requests that belong to no room.
fn metrics_of_rooms(config: &Config, metrics: &Metrics) -> HashMap<String, RoomMetrics> {
    let names = config.rooms.iter().map(|room| room.name.clone()).chain([String::new()]);
    names.map(|name| (name.clone(), metrics.room(&name))).collect()
}
