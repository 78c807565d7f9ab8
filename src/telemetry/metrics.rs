//! What the house counts, for Prometheus. Each name stands once, with its meaning in one sentence; `docs/metrics.md`
//! repeats them and a test compares the two.
//!
//! Promises: label values are configured names or fixed words ([`super::words`]), so the number of series is bounded;
//! handles are resolved when a room or site is configured, so a request takes no look-up and no lock. To add one: a field
//! of a struct below, its line in the constructor beside it, its row in `docs/metrics.md`.

use super::closings::Closings;
use super::registry::{Definition, Make};
use super::words::{OriginError, PollResult, Reason, ReloadResult, StoreCall, StoreResult};
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, Result, TextEncoder,
};

/// Seconds; from a cached page to a slow checkout.
const ORIGIN_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds; a call is given up after 0.25.
const STORE_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5];

/// Every metric of the process. Made once, shared; the counters in it may be cloned freely.
pub struct Metrics {
    registry: Registry,
    definitions: Vec<Definition>,
    rooms: RoomVecs,
    sites: SiteVecs,
    pub store: StoreMetrics,
    pub in_flight: InFlight,
    pub connections: InFlight,
    pub closings: Closings,
    pub cut: IntCounter,
    pub store_up: IntGauge,
    pub panics: IntCounter,
    pub tokens_signed: IntCounter,
    pub access_log_dropped: IntCounter,
    pub config_version: IntGauge,
    config_reloads: Vec<IntCounter>,
    refused: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Two metrics of one name, or a name that Prometheus won't take: a mistake in this file.
    pub fn new(version: &str) -> Result<Self> {
        let mut make = Make::default();
        make.process_metrics()?;
        let build = make.gauges("build_info", &["version"], "Always 1; the label names the running version.")?;
        build.with_label_values(&[version]).set(1);
        let reloads = make.counters(
            "config_reloads_total",
            &["result"],
            "Reloads of the configuration: taken over (ok) or left out because of errors (refused).",
        )?;
        Ok(Self {
            rooms: RoomVecs::new(&mut make)?,
            sites: SiteVecs::new(&mut make)?,
            store: StoreMetrics::new(&mut make)?,
            in_flight: InFlight(make.gauge("in_flight", "Requests that are being worked on now.")?),
            connections: InFlight(
                make.gauge("connections", "Clients' connections that are open now, idle ones included.")?,
            ),
            closings: Closings::new(&mut make)?,
            cut: make.counter(
                "cut_total",
                "Requests and WebSockets cut at the end of a drain, as told to the next process on the same state_dir.",
            )?,
            store_up: make.gauge("store_up", "1 while the store answers, 0 while it is away.")?,
            panics: make.counter("panics_total", "Panics caught anywhere in the process; anything but 0 is a bug.")?,
            tokens_signed: make.counter("tokens_signed_total", "Tokens signed, new and renewed ones.")?,
            access_log_dropped: make.counter(
                "access_log_dropped_total",
                "Access-log lines lost because the log was not read fast enough.",
            )?,
            config_version: make.gauge(
                "config_version",
                "Number of the running configuration: 1 at the start, +1 with every reload that was taken over.",
            )?,
            config_reloads: ReloadResult::ALL.iter().map(|r| reloads.with_label_values(&[r.name()])).collect(),
            refused: make.counters(
                "refused_total",
                &["reason"],
                "Requests answered with a problem, by its code (API.md).",
            )?,
            registry: make.registry,
            definitions: make.definitions,
        })
    }

    /// The text that `/metrics` answers with (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Every metric there is.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The handles of a room; `""` for requests that belong to none. Makes its series, so call it when a room is
    /// configured, not when one is asked for.
    pub fn room(&self, name: &str) -> RoomMetrics {
        RoomMetrics::new(&self.rooms, name)
    }

    /// Takes a room's gauges away when its configuration goes; its counters stay.
    pub fn forget_room(&self, name: &str) {
        // An error says that it wasn't there.
        let _ = self.rooms.waiting.remove_label_values(&[name]);
        let _ = self.rooms.ready.remove_label_values(&[name]);
        let _ = self.rooms.alone.remove_label_values(&[name]);
    }

    /// The handles of a site.
    pub fn site(&self, name: &str) -> SiteMetrics {
        let errors = &self.sites.errors;
        SiteMetrics {
            errors: OriginError::ALL.iter().map(|kind| errors.with_label_values(&[name, kind.name()])).collect(),
        }
    }

    /// Whether an origin passes its health checks: 1 or 0.
    pub fn origin_up(&self, site: &str, origin: &str) -> IntGauge {
        self.sites.up.with_label_values(&[site, origin])
    }

    /// Takes an origin's gauge away when its configuration goes.
    pub fn forget_origin(&self, site: &str, origin: &str) {
        let _ = self.sites.up.remove_label_values(&[site, origin]); // an error says that it wasn't there
    }

    /// A problem was answered; `code` is the problem's.
    pub fn refused(&self, code: &'static str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// The configuration was reloaded, or not.
    pub fn reloaded(&self, result: ReloadResult) {
        count(&self.config_reloads, result as usize);
    }
}

fn count(counters: &[IntCounter], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.inc();
    }
}

/// What is counted by room, before the room is known.
struct RoomVecs {
    requests: IntCounterVec,
    origin_seconds: HistogramVec,
    admitted: IntCounterVec,
    finished: IntCounterVec,
    polls: IntCounterVec,
    heartbeats: IntCounterVec,
    renewals: IntCounterVec,
    would_have_waited: IntCounterVec,
    waiting: IntGaugeVec,
    ready: IntGaugeVec,
    alone: IntGaugeVec,
}

impl RoomVecs {
    fn new(make: &mut Make) -> Result<Self> {
        let room = &["room"];
        Ok(Self {
            requests: make.counters(
                "requests_total",
                &["room", "decision", "reason"],
                "Requests that this instance answered, by what became of them and why.",
            )?,
            origin_seconds: make.histograms(
                "origin_seconds",
                room,
                ORIGIN_BUCKETS,
                "Seconds from handing a request to the origin until its response header.",
            )?,
            admitted: make.counters("admitted_total", room, "Turns taken through this instance, walk-ins included.")?,
            finished: make.counters(
                "finished_total",
                room,
                "Turns ended early by a finish that this instance took.",
            )?,
            polls: make.counters("polls_total", &["room", "result"], "Status calls, by what they were told.")?,
            heartbeats: make.counters("heartbeats_total", room, "Signs of life handed up to the store.")?,
            renewals: make.counters("renewals_total", room, "Ready times that a forwarded request extended.")?,
            would_have_waited: make.counters(
                "would_have_waited_total",
                room,
                "Requests forwarded in mode observe that mode auto would have let wait.",
            )?,
            waiting: make.gauges(
                "waiting",
                room,
                "People present in the line, over all instances, as of the last sync; take the maximum, not the sum.",
            )?,
            ready: make.gauges(
                "ready",
                room,
                "People who may pass, over all instances, as of the last sync; take the maximum, not the sum.",
            )?,
            alone: make.gauges(
                "alone",
                room,
                "1 while the store is away and this instance admits its share by itself, else 0.",
            )?,
        })
    }
}

/// The handles of one room.
#[derive(Clone, Debug)]
pub struct RoomMetrics {
    requests: Vec<IntCounter>,
    polls: Vec<IntCounter>,
    /// Seconds until the origin's response header.
    pub origin_seconds: Histogram,
    pub admitted: IntCounter,
    pub finished: IntCounter,
    pub heartbeats: IntCounter,
    pub renewals: IntCounter,
    pub would_have_waited: IntCounter,
    pub waiting: IntGauge,
    pub ready: IntGauge,
    pub alone: IntGauge,
}

impl RoomMetrics {
    fn new(vecs: &RoomVecs, room: &str) -> Self {
        let request = |r: &Reason| vecs.requests.with_label_values(&[room, r.decision().name(), r.name()]);
        Self {
            requests: Reason::ALL.iter().map(request).collect(),
            polls: PollResult::ALL.iter().map(|r| vecs.polls.with_label_values(&[room, r.name()])).collect(),
            origin_seconds: vecs.origin_seconds.with_label_values(&[room]),
            admitted: vecs.admitted.with_label_values(&[room]),
            finished: vecs.finished.with_label_values(&[room]),
            heartbeats: vecs.heartbeats.with_label_values(&[room]),
            renewals: vecs.renewals.with_label_values(&[room]),
            would_have_waited: vecs.would_have_waited.with_label_values(&[room]),
            waiting: vecs.waiting.with_label_values(&[room]),
            ready: vecs.ready.with_label_values(&[room]),
            alone: vecs.alone.with_label_values(&[room]),
        }
    }

    /// A request was answered.
    pub fn request(&self, reason: Reason) {
        count(&self.requests, reason as usize);
    }

    /// A status call was answered.
    pub fn poll(&self, result: PollResult) {
        count(&self.polls, result as usize);
    }
}

struct SiteVecs {
    errors: IntCounterVec,
    up: IntGaugeVec,
}

impl SiteVecs {
    fn new(make: &mut Make) -> Result<Self> {
        Ok(Self {
            errors: make.counters(
                "origin_errors_total",
                &["site", "kind"],
                "Attempts to reach an origin that failed, by how.",
            )?,
            up: make.gauges(
                "origin_up",
                &["site", "origin"],
                "1 while the origin passes its health checks, else 0.",
            )?,
        })
    }
}

/// The handles of one site.
#[derive(Clone, Debug)]
pub struct SiteMetrics {
    errors: Vec<IntCounter>,
}

impl SiteMetrics {
    pub fn origin_error(&self, kind: OriginError) {
        count(&self.errors, kind as usize);
    }
}

/// The calls to the store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// By call and, within it, by result.
    calls: Vec<IntCounter>,
    seconds: Vec<Histogram>,
}

impl StoreMetrics {
    fn new(make: &mut Make) -> Result<Self> {
        let calls =
            make.counters("store_calls_total", &["call", "result"], "Calls to the store, by how they ended.")?;
        let seconds =
            make.histograms("store_seconds", &["call"], STORE_BUCKETS, "Seconds that a call to the store took.")?;
        let all = StoreCall::ALL.iter().flat_map(|call| StoreResult::ALL.iter().map(move |result| (call, result)));
        Ok(Self {
            calls: all.map(|(call, result)| calls.with_label_values(&[call.name(), result.name()])).collect(),
            seconds: StoreCall::ALL.iter().map(|call| seconds.with_label_values(&[call.name()])).collect(),
        })
    }

    /// A call ended after so many seconds.
    pub fn called(&self, call: StoreCall, result: StoreResult, seconds: f64) {
        count(&self.calls, call as usize * StoreResult::ALL.len() + result as usize);
        if let Some(histogram) = self.seconds.get(call as usize) {
            histogram.observe(seconds);
        }
    }
}

/// Counts what is going on now.
#[derive(Clone, Debug)]
pub struct InFlight(IntGauge);

impl InFlight {
    /// Counts one until the guard goes, by whatever way (a panic in a filter skips pingora's `logging`).
    pub fn enter(&self) -> InFlightGuard {
        self.0.inc();
        InFlightGuard(self.0.clone())
    }

    /// How many there are.
    pub fn now(&self) -> i64 {
        self.0.get()
    }
}

#[derive(Debug)]
#[must_use = "it counts as long as it lives"]
pub struct InFlightGuard(IntGauge);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn metrics() -> Metrics {
        Metrics::new("1.2.3").unwrap()
    }

    #[test]
    fn a_request_is_counted_under_its_room_and_reason() {
        let metrics = metrics();
        let room = metrics.room("checkout");
        room.request(Reason::WalkIn);
        room.poll(PollResult::Paused);
        metrics.room("checkout").request(Reason::WalkIn);
        let text = metrics.render();
        let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line} not in:\n{text}");
        has("gatekeeper_requests_total{decision=\"pass\",reason=\"walk_in\",room=\"checkout\"} 2");
        has("gatekeeper_requests_total{decision=\"wait\",reason=\"in_line\",room=\"checkout\"} 0");
        has("gatekeeper_polls_total{result=\"paused\",room=\"checkout\"} 1");
        has("gatekeeper_build_info{version=\"1.2.3\"} 1");
        assert!(text.contains("process_resident_memory_bytes"));
    }

    #[test]
    fn a_store_call_meets_its_own_counter() {
        let metrics = metrics();
        for call in StoreCall::ALL {
            for (times, result) in StoreResult::ALL.iter().enumerate() {
                for _ in 0..=times {
                    metrics.store.called(*call, *result, 0.001);
                }
            }
        }
        let text = metrics.render();
        for call in StoreCall::ALL {
            for (times, result) in StoreResult::ALL.iter().enumerate() {
                let (call, result, times) = (call.name(), result.name(), times + 1);
                let line = format!("gatekeeper_store_calls_total{{call=\"{call}\",result=\"{result}\"}} {times}\n");
                assert!(text.contains(&line), "{line}");
            }
        }
        assert!(text.contains("gatekeeper_store_seconds_count{call=\"verify\"} 6\n"));
    }

    #[test]
    fn what_is_in_flight_is_given_back_by_a_panic_too() {
        let metrics = metrics();
        let guard = metrics.in_flight.enter();
        let counted = metrics.in_flight.clone();
        let panicked = std::thread::spawn(move || {
            let _guard = counted.enter();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert_eq!(metrics.in_flight.now(), 1);
        drop(guard);
        assert_eq!(metrics.in_flight.now(), 0);
    }

    #[test]
    fn what_left_the_configuration_leaves_the_gauges() {
        let metrics = metrics();
        metrics.room("old").waiting.set(7);
        metrics.origin_up("shop", "127.0.0.1:9000").set(1);
        metrics.forget_room("old");
        metrics.forget_origin("shop", "127.0.0.1:9000");
        let text = metrics.render();
        assert!(!text.contains("gatekeeper_waiting{"));
        assert!(!text.contains("gatekeeper_origin_up{"));
        assert!(text.contains("gatekeeper_admitted_total{room=\"old\"} 0"));
    }

    #[test]
    fn every_metric_stands_in_the_documentation_and_nothing_else_does() {
        let page = include_str!("../../docs/metrics.md");
        let documented: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `gatekeeper_")).collect();
        let metrics = metrics();
        let rows: Vec<String> = metrics
            .definitions()
            .iter()
            .map(|d| format!("| `{}` | {} | {} | {} |", d.name, d.kind, d.labels, d.help))
            .collect();
        let defined: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(documented, defined);
    }

    #[test]
    fn every_word_is_explained_in_the_documentation() {
        let page = include_str!("../../docs/metrics.md");
        let mut words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        words.extend(PollResult::ALL.iter().map(|result| result.name()));
        words.extend(OriginError::ALL.iter().map(|kind| kind.name()));
        words.extend(StoreCall::ALL.iter().map(|call| call.name()));
        words.extend(super::super::words::Closing::ALL.iter().map(|why| why.name()));
        for word in words {
            assert!(page.contains(&format!("`{word}`")), "{word}");
        }
    }
}
