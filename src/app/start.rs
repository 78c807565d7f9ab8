//! From a configuration to everything that is made and not yet serving.

use super::upgrade::{Inherited, Rendezvous};
use super::{App, StartError, certificates, keys, pages, target};
use crate::config::{Config, LogFormat};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;

/// Makes what a configuration asks for and throws it away: finds what only shows then, such as a broken template.
pub fn check(config: &Config) -> Result<(), StartError> {
    let mut errors = Vec::new();
    let results = [
        keys::configured(config),
        pages::load(config).map(|_| ()),
        certificates::prepare(config).map(|_| ()),
        target::of(config).map(|_| ()),
    ];
    for error in results.into_iter().filter_map(Result::err) {
        errors.extend(error.lines);
    }
    if errors.is_empty() { Ok(()) } else { Err(StartError::new(errors)) }
}

/// Made, and ready to [`super::run`].
pub struct Started {
    pub app: Arc<App>,
    pub(super) inherited: Option<Inherited>,
    /// Where listeners are handed over; `None` without a usable `state_dir`.
    pub(super) place: Option<Rendezvous>,
}

/// Logging, metrics and everything else, from a configuration. A `successor` waits for the listeners of the running
/// process first; a mistake that can be found before that is found before.
pub fn start(config: Config, successor: bool) -> Result<Started, StartError> {
    let wrong = |error: String| StartError::new(vec![error]);
    let guards = crate::telemetry::init(config.log.format == LogFormat::Json, config.log.level.name())
        .map_err(|error| wrong(error.to_string()))?;
    // The log lives as long as the process.
    std::mem::forget(guards);
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION")).map_err(|error| wrong(error.to_string()))?;
    crate::telemetry::install_panic_hook(metrics.panics.clone());
    metrics.config_version.set(1);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let place = match &config.server.state_dir {
        None if successor => return Err(wrong(NO_STATE_DIR.to_owned())),
        None => None,
        Some(directory) => match Rendezvous::within(directory) {
            Err(error) if successor => return Err(wrong(format!("--upgrade: server.state_dir: {error}"))),
            Err(error) => {
                tracing::warn!(%error, "server.state_dir: listeners can't be handed over there");
                None
            }
            Ok(place) => Some(place),
        },
    };
    let inherited = match place.as_ref().filter(|_| successor) {
        None => None,
        Some(place) => {
            check(&config)?;
            Some(Inherited::receive(place)?)
        }
    };
    let clock = Arc::new(crate::clock::SystemClock::new());
    let app = Arc::new(App::new(config, clock, Arc::new(metrics), successor)?);
    Ok(Started { app, inherited, place })
}

const NO_STATE_DIR: &str = "--upgrade: give server.state_dir, the same as that of the running process: the listeners are \
                            handed over in a private directory there";
