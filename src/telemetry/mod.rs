//! What the house says about itself: log lines, metrics, access log.
//!
//! Imports nothing of ours, so that everything may use it. Promises: no line holds a token, a key or a query; nothing
//! here blocks a request. Other crates say too much at their lower levels (pingora logs whole request heads at DEBUG), so
//! they are capped whatever the operator's level is.

pub mod access_log;
pub mod closings;
pub mod in_flight;
mod lines;
pub mod metrics;
mod registry;
pub mod words;

pub use registry::Definition;

use prometheus::IntCounter;
use std::io;
use time::OffsetDateTime;
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Log lines that may wait for standard error.
const WAITING_LINES: usize = 8192;

/// Keeps the log going; what waits is written when it goes.
#[derive(Debug)]
#[must_use = "the log ends when this goes"]
pub struct Guards {
    _log: WorkerGuard,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("the log level can't be read: {0}; right would be \"info\" or \"info,gatekeeper=debug\"")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("a log is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Sends log lines, from `tracing` and from `log`, to standard error, without ever waiting for it.
///
/// `level` is a list of directives: `info`, or `warn,gatekeeper::proxy=debug`.
///
/// # Errors
/// The level can't be read, or the process has a log already.
pub fn init(json: bool, level: &str) -> Result<Guards, InitError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(io::stderr());
    subscriber(json, level, writer)?.try_init()?;
    Ok(Guards { _log: guard })
}

/// Counts panics and logs one line for each: where, never what (the message may hold what a visitor sent). In place of
/// the usual hook, which prints the message.
pub fn install_panic_hook(panics: IntCounter) {
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let place = panic.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(%place, thread = thread.name().unwrap_or("unnamed"), "panic");
    }));
}

/// A moment in RFC 3339, UTC, to the millisecond: `2023-11-14T22:13:20.120Z`. Takes milliseconds since the Unix epoch;
/// what lies beyond the year 9999 is shown as the epoch.
pub fn rfc3339(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    let t = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = u32::from(u8::from(t.month()));
    let mut text = String::with_capacity(24);
    // By hand: each request has such a line, and `format!` takes half a microsecond for this.
    digits(&mut text, t.year().unsigned_abs(), 1000, '-');
    digits(&mut text, month, 10, '-');
    digits(&mut text, t.day().into(), 10, 'T');
    digits(&mut text, t.hour().into(), 10, ':');
    digits(&mut text, t.minute().into(), 10, ':');
    digits(&mut text, t.second().into(), 10, '.');
    digits(&mut text, t.millisecond().into(), 100, 'Z');
    text
}

/// The digits from the one worth `first` on, and what stands behind them.
fn digits(text: &mut String, number: u32, first: u32, end: char) {
    let mut worth = first;
    while worth > 0 {
        text.push(char::from_digit(number / worth % 10, 10).unwrap_or('0'));
        worth /= 10;
    }
    text.push(end);
}

type Lines = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn subscriber(json: bool, level: &str, writer: NonBlocking) -> Result<impl Subscriber + Send + Sync, InitError> {
    let filter = EnvFilter::try_new(level)?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    let lines: Lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    Ok(tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(is_harmless)))
}

/// Whether a line of this kind may be written at any level setting.
fn is_harmless(line: &Metadata<'_>) -> bool {
    let is_told_elsewhere = line.target().starts_with(HAND_OVER) || line.target() == REQUESTS;
    !is_told_elsewhere && *line.level() <= loudest(line.target())
}

/// One failure, one line: the access log and the counters tell of requests. Here each client that leaves within its header, or
/// is cut in it, would write an error.
const REQUESTS: &str = "pingora_proxy";
/// pingora calls each second in which a successor waits an error; `app` says itself how a hand-over went.
const HAND_OVER: &str = "pingora_core::server::transfer_fd";

/// The chattiest level that a crate may use.
fn loudest(target: &str) -> Level {
    let krate = target.split("::").next().unwrap_or_default();
    match krate {
        "gatekeeper" => Level::TRACE,
        // `log` lines pass a second time, under this name, after their true target was judged.
        "log" => Level::TRACE,
        _ if krate.starts_with("pingora") => Level::WARN,
        _ => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at that level while `work` runs.
    fn logged(json: bool, level: &str, work: impl FnOnce()) -> String {
        let memory = Memory::default();
        let (writer, guard) = NonBlocking::new(memory.clone());
        let default = subscriber(json, level, writer).unwrap().set_default();
        work();
        drop(default);
        drop(guard);
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn pingora_is_never_heard_below_warn() {
        for level in ["trace", "debug,pingora_proxy=trace", "pingora_core=debug,pingora=debug", "info"] {
            let lines = logged(false, level, || {
                log::debug!(target: "pingora_proxy::proxy_h1", "jwt: secret");
                log::info!(target: "pingora_core::server", "GET /?jwt=secret");
                tracing::debug!(target: "pingora", "secret");
                log::debug!(target: "h2::codec", "secret");
            });
            assert!(!lines.contains("secret"), "{level}: {lines}");
        }
        let lines = logged(false, "info", || log::warn!(target: "pingora_core::server", "listener closed"));
        assert!(lines.contains("listener closed") && lines.contains("pingora_core::server"), "{lines}");
        let lines = logged(false, "trace", || log::error!(target: "pingora_proxy", "Fail to proxy"));
        assert!(!lines.contains("Fail to proxy"), "{lines}");
        let lines = logged(false, "trace", || log::error!(target: "pingora_core::server::transfer_fd", "no socket"));
        assert_eq!(lines, "");
    }

    #[test]
    fn our_own_lines_follow_the_level() {
        let say = || {
            tracing::debug!(target: "gatekeeper::rooms", "fine");
            tracing::info!(target: "gatekeeper::rooms", "coarse");
            tracing::info!(target: "redis", "foreign");
        };
        let lines = logged(false, "warn,gatekeeper=debug", say);
        assert!(lines.contains("fine") && lines.contains("coarse") && !lines.contains("foreign"), "{lines}");
        let lines = logged(true, "info", say);
        assert!(!lines.contains("fine"), "{lines}");
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["level"], "INFO");
        }
    }

    #[test]
    fn a_level_that_cannot_be_read_is_an_error() {
        let (writer, _guard) = NonBlocking::new(io::sink());
        assert!(matches!(subscriber(false, "gatekeeper=loud", writer), Err(InitError::Level(_))));
    }

    #[test]
    fn a_panic_is_counted_and_its_message_kept_back() {
        let panics = IntCounter::new("panics", "panics").unwrap();
        let lines = logged(false, "info", || {
            let usual = std::panic::take_hook();
            install_panic_hook(panics.clone());
            let panicked = std::panic::catch_unwind(|| panic!("secret"));
            std::panic::set_hook(usual);
            assert!(panicked.is_err());
        });
        assert_eq!(panics.get(), 1);
        assert!(lines.contains("src/telemetry/mod.rs") && !lines.contains("secret"), "{lines}");
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(u64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
