//! What a crowd costs the store: microseconds of Redis's own CPU, bytes, calls. `dev/bench-store` prints the figures for
//! as many people as are asked for; `cargo test` runs it with few, and holds it to what doesn't depend on the machine.
//!
//! Redis's CPU is what its main thread says of itself (`INFO cpu`), so another busy process makes it hardly worse; the
//! shares of a script are `INFO commandstats`. To add a figure: a field of [`Costs`] and its column in [`table`].

use crate::support::chance::Chance;
use crate::support::client::Browser;
use crate::support::eventually;
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::metrics::Metrics;
use crate::support::origin::Origin;
use crate::support::process::Process;
use crate::support::redis::Redis;
use gatekeeper::clock::SystemClock;
use gatekeeper::queue::{
    AddressKey, Estimate, Heartbeat, Known, Mode, Pace, Report, Settings, Snapshot, Speed, Synced, Ticket, Visitor,
    next_poll,
};
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::redis::{RedisStore, Target};
use gatekeeper::store::{RoomRef, Store};
use redis::aio::MultiplexedConnection;
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls of which a mean is taken.
const SYNCS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(20);
/// Turns given by the call that is measured: the most that one call gives.
const TURNS: u64 = 2000;

/// µs of Redis's CPU, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    waiting: usize,
    registration: f64,
    heartbeat: f64,
    /// A call that carries nothing.
    sync: f64,
    /// A call that carries as many heartbeats as fit, with whatever it brings down.
    full_call: f64,
    admission: f64,
    /// Bytes per waiting visitor.
    bytes: f64,
}

fn visitor(n: usize) -> Visitor {
    // As a keyed hash is: no two alike in their first bytes.
    let mixed = (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    Visitor(mixed.to_be_bytes())
}

/// They came a millisecond apart, some time ago.
fn ticket(n: usize) -> Ticket {
    Ticket(1_700_000_000_000_000 + n as u64 * 1000)
}

fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        admission_limit: TURNS,
        admission_frequency: 3600,
        presence_seconds: 600,
        ip_enqueue_limit: 1_000_000,
        ip_enqueue_limit_interval: 3600,
        ..Settings::default()
    }
}

struct Bench {
    store: Arc<dyn Store>,
    settings: Settings,
    known: Known,
}

impl Bench {
    async fn sync(&mut self, heartbeats: Vec<Heartbeat>) -> Snapshot {
        let report = Report { instance: 7, known: self.known, heartbeats, ..Report::default() };
        let room = RoomRef { name: "sale", defaults: &self.settings };
        let Synced { snapshot, .. } = self.store.sync(room, &report).await.unwrap();
        self.known = Known { epoch: snapshot.epoch, seq: snapshot.seq, watermark: snapshot.watermark, ..self.known };
        snapshot
    }

    async fn beat(&mut self, people: usize, first: bool) {
        // Scattered, as the crowd is.
        let step = (1..).map(|k| people * 618 / 1000 + k).find(|step| gcd(*step, people) == 1).unwrap();
        let order: Vec<usize> = (0..people).map(|n| n * step % people).collect();
        for chunk in order.chunks(Report::CHUNK) {
            let heartbeat = |n: &usize| Heartbeat {
                visitor: visitor(*n),
                ticket: ticket(*n),
                late: false,
                first: first.then_some(AddressKey(*n as u64 % 10)),
            };
            self.sync(chunk.iter().map(heartbeat).collect()).await;
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What Redis says of itself.
struct Meter(MultiplexedConnection);

impl Meter {
    async fn number(&mut self, section: &str, name: &str) -> f64 {
        let info: String = redis::cmd("INFO").arg(section).query_async(&mut self.0).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO {section} says nothing of {name}")).trim().parse().unwrap()
    }

    async fn micros(&mut self) -> f64 {
        let user = self.number("cpu", "used_cpu_user_main_thread").await;
        (user + self.number("cpu", "used_cpu_sys_main_thread").await) * 1_000_000.0
    }

    async fn bytes(&mut self) -> f64 {
        self.number("memory", "used_memory").await
    }
}

/// Per unit: what `work` took.
async fn cost(meter: &mut Meter, units: usize, work: impl AsyncFnOnce()) -> f64 {
    let before = meter.micros().await;
    work().await;
    (meter.micros().await - before) / units as f64
}

async fn measure(people: usize) -> Costs {
    let redis = Redis::start().await;
    let store = Arc::new(RedisStore::new(Target::parse(&redis.url(), None).unwrap(), PATIENCE));
    let mut bench = Bench { store, settings: settings(Mode::Pause), known: Known::default() };
    let mut meter = Meter(redis.connection().await);
    bench.sync(Vec::new()).await;
    let empty = meter.bytes().await;
    let registration = cost(&mut meter, people, async || bench.beat(people, true).await).await;
    let bytes = (meter.bytes().await - empty) / people as f64;
    let heartbeat = cost(&mut meter, people, async || bench.beat(people, false).await).await;
    let sync = cost(&mut meter, SYNCS, async || {
        for _ in 0..SYNCS {
            assert_eq!(bench.sync(Vec::new()).await.waiting(), people as u64);
        }
    })
    .await;
    bench.settings = settings(Mode::Auto);
    let given = TURNS.min(people as u64);
    let admission = cost(&mut meter, 1, async || assert_eq!(bench.sync(Vec::new()).await.admitted, given)).await;
    let full_call = heartbeat * Report::CHUNK.min(people) as f64;
    Costs { waiting: people, registration, heartbeat, sync, full_call, admission, bytes }
}

fn table(costs: &[Costs]) -> String {
    let mut text = String::from(
        "| waiting | µs per registration | µs per heartbeat | µs per empty sync | µs per full call | µs for 2,000 turns | bytes each |\n|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for Costs { waiting, registration, heartbeat, sync, full_call, admission, bytes } in costs {
        text += &format!(
            "| {waiting} | {registration:.2} | {heartbeat:.2} | {sync:.0} | {full_call:.0} | {admission:.0} | {bytes:.0} |\n"
        );
    }
    text
}

/// `COSTS_WAITING=1000,100000`: how many wait, in turn.
fn sizes() -> Vec<usize> {
    let asked = env::var("COSTS_WAITING").unwrap_or_else(|_| "2000".to_owned());
    asked.split(',').map(|number| number.trim().parse().expect("COSTS_WAITING: numbers, with commas")).collect()
}

#[tokio::test]
async fn redis_keeps_a_visitor_in_few_bytes() {
    let mut all = Vec::new();
    for people in sizes() {
        all.push(measure(people).await);
    }
    println!("{}", table(&all));
    for costs in &all {
        // Of few people each carries a share of what the calls themselves need. The times are for who reads the table.
        assert!((50.0..400.0).contains(&costs.bytes), "{costs:?}");
    }
}

/// What this process holds, from the kernel.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

#[tokio::test]
async fn the_embedded_store_keeps_a_visitor_in_few_bytes() {
    for people in sizes() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
        let mut bench = Bench { store, settings: settings(Mode::Pause), known: Known::default() };
        bench.sync(Vec::new()).await;
        let before = resident();
        bench.beat(people, true).await;
        bench.beat(people, false).await;
        let began = Instant::now();
        assert_eq!(bench.sync(Vec::new()).await.waiting(), people as u64);
        let (took, bytes) = (began.elapsed(), (resident() - before) / people as f64);
        println!("memory store, {people} waiting: {bytes:.0} bytes each, a sync takes {} µs", took.as_micros());
        // Other tests of this process grow and shrink beside it; with a crowd that is lost in the noise.
        assert!(people < 100_000 || bytes < 300.0, "{bytes} bytes each");
    }
}

/// What a crowd asks of instances and store, per second.
#[derive(Clone, Copy, Debug)]
struct Demand {
    polls: f64,
    heartbeats: f64,
}

/// Polls a second that one instance takes before it slows the crowd down: `gate/pace.rs`.
const BUDGET: f64 = 4000.0;
const INSTANCES: f64 = 2.0;
/// Of the crowd so many are looked at, spread over the line.
const SAMPLED: u64 = 2000;

/// Everybody polls as told for ten minutes, while the line moves as the limit says.
fn demand(waiting: u64, settings: &Settings, load: f64) -> Demand {
    const MINUTES: f64 = 10.0;
    let mut chance = Chance::of(7, 0, 1);
    let (end, speed) = (MINUTES * 60.0, settings.admission_limit as f64 / settings.admission_frequency as f64);
    let (mut polls, mut heartbeats, mut seconds) = (0.0, 0.0, 0.0);
    for k in 0..SAMPLED {
        let place = waiting as f64 * (k as f64 + 0.5) / SAMPLED as f64;
        let (mut now, mut heard) = (0.0, -chance.fraction() * 30.0);
        while now < end && place > now * speed {
            polls += 1.0;
            if now - heard >= settings.presence_seconds as f64 / 4.0 {
                (heartbeats, heard) = (heartbeats + 1.0, now);
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people ahead, not below 0")]
            let ahead = (place - now * speed) as u64;
            let estimate = Estimate::of(ahead, false, u64::MAX, Speed::default(), settings);
            now += next_poll(estimate, settings, Pace { jitter: chance.fraction(), load }) as f64 / 1000.0;
        }
        seconds += now.min(end);
    }
    let people = waiting as f64 / seconds;
    Demand { polls: polls * people, heartbeats: heartbeats * people }
}

/// The same once the instances have slowed the crowd down as far as they do.
fn settled_demand(waiting: u64, settings: &Settings) -> Demand {
    let mut load = 1.0;
    let mut found = demand(waiting, settings, load);
    for _ in 0..5 {
        load = (found.polls / INSTANCES / BUDGET).max(1.0);
        found = demand(waiting, settings, load);
    }
    found
}

#[test]
fn what_everybody_polling_as_told_adds_up_to() {
    // A hundred a second go in.
    let settings = Settings { admission_limit: 500, admission_frequency: 5, ..Settings::default() };
    println!("| waiting | polls/s | heartbeats/s | one heartbeat per visitor every |\n|--:|--:|--:|--:|");
    for waiting in [1000, 100_000, 1_000_000] {
        let Demand { polls, heartbeats } = settled_demand(waiting, &settings);
        let every = waiting as f64 / heartbeats;
        println!("| {waiting} | {polls:.0} | {heartbeats:.0} | {every:.0} s |");
        assert!(every >= 30.0 * 0.99, "one per quarter of presence at most: {every}");
        assert!(waiting < 100_000 || polls <= waiting as f64 / 10.0, "{polls}");
    }
}

/// How many visitors before a gate, and whether that is a measurement.
fn crowd() -> (u64, bool) {
    match env::var("COSTS_CROWD") {
        Ok(number) => (number.parse().expect("COSTS_CROWD: a number"), true),
        Err(_) => (200, false),
    }
}

fn resident_of(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// Comes up to so many waiting, then goes on until everybody has polled about so many times more.
async fn before_a_gate(name: &str, gate: &Gatekeeper, (people, polls_each): (u64, f64), presence: f64) {
    // The one turn is taken before: of many who come for it at once, those with an earlier ticket than the one who gets it
    // would ask the store whether they missed theirs.
    assert_eq!(Browser::new(&gate.url("")).open("/first").await.status, 200);
    let resident = resident_of(gate.process().pid());
    let over = (people / 1500).max(2);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.args(["crowd", &gate.url("/"), "--json", "--for", "20m", "--visitors", &people.to_string()]);
    command.args(["--over", &format!("{over}s")]).env_clear();
    let process = Process::spawn("crowd", &mut command);
    let long = Duration::from_secs(600);
    let sum = |metrics: &Metrics, name: &str| metrics.sum(&format!("gatekeeper_{name}"), &[]);
    let before = eventually(long, async || {
        let metrics = gate.metrics().await;
        (sum(&metrics, "waiting") >= people as f64 - 1.0).then_some(metrics)
    })
    .await;
    let began = Instant::now();
    let after = eventually(long, async || {
        let metrics = gate.metrics().await;
        (sum(&metrics, "polls_total") - sum(&before, "polls_total") >= people as f64 * polls_each).then_some(metrics)
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    let grown = |name: &str| sum(&after, name) - sum(&before, name);
    let (polls, heartbeats, calls) = (grown("polls_total"), grown("heartbeats_total"), grown("store_calls_total"));
    let syncs = after.sum("gatekeeper_store_calls_total", &[("call", "sync")])
        - before.sum("gatekeeper_store_calls_total", &[("call", "sync")]);
    let cpu = after.sum("process_cpu_seconds_total", &[]) - before.sum("process_cpu_seconds_total", &[]);
    let bytes = (resident_of(gate.process().pid()) - resident) / people as f64;
    let (crowd_bytes, visitors) = (resident_of(process.pid()) / people as f64, people as f64);
    println!(
        "{name}, {people} waiting: {:.0} polls/s, one heartbeat per visitor every {:.0} s, {:.5} store calls per poll, \
         {:.0} us of CPU per poll, {bytes:.0} B of the gate and {crowd_bytes:.0} B of the crowd per visitor",
        polls / seconds,
        visitors * seconds / heartbeats,
        calls / polls,
        cpu * 1_000_000.0 / polls,
    );
    // The process counts whole hundredths of seconds, the first heartbeats may fall together.
    assert!(heartbeats <= visitors * (seconds / (presence / 4.0) + 1.0), "{heartbeats} in {seconds} s");
    assert_eq!(calls, syncs, "a poll makes no call");
    assert!(syncs <= 4.0 * seconds + 2.0 + heartbeats / 500.0, "{syncs} in {seconds} s");
    process.signal("INT");
    let status = process.wait_exit(Duration::from_secs(30)).await;
    assert!(status.success(), "{}", process.output());
    let report: serde_json::Value = serde_json::from_str(&process.output()).unwrap();
    assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_costs_the_gate_next_to_nothing() {
    let (people, is_measurement) = crowd();
    let (presence, polls_each) = if is_measurement { (120, 3.0) } else { (30, 1.0) };
    let crowd = (people, polls_each);
    let settings = format!(
        "admission_limit = 1, admission_frequency = 3600, presence_seconds = {presence}, ip_enqueue_limit = 1000000, \
         ip_status_polling_limit = 1000000"
    );
    let origin = Origin::start().await;
    let redis = Redis::start().await;
    let quiet = |setup: Setup| Setup { more: "[log]\naccess = false\n".to_owned(), ..setup };
    let gate = Gatekeeper::start(quiet(Setup::before(origin.addr()).settings(&settings).on_store(&redis.url()))).await;
    before_a_gate("with Redis", &gate, crowd, f64::from(presence)).await;
    drop(gate);
    let gate = Gatekeeper::start(quiet(Setup::before(origin.addr()).settings(&settings))).await;
    before_a_gate("with the memory store", &gate, crowd, f64::from(presence)).await;
}
