//! Random histories, played to the embedded store (the pure machine) and to Redis alike: every answer is the same.
//!
//! To add a verb or an argument: a [`Step`], its strategy in [`step`], its two calls in [`Game::play`].

use super::contract::{START, redis_store};
use super::support::redis::Redis;
use gatekeeper::clock::{Clock, ManualClock};
use gatekeeper::queue::{
    AddressKey, Alone, Arrival, Change, Entry, Heartbeat, Known, Life, Newcomer, Renewal, Report, Settings, Snapshot,
    Standing, Stay, Synced, Ticket, Time, Value, Visitor, Window,
};
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::redis::RedisStore;
use gatekeeper::store::{RoomRef, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};
use std::collections::HashMap;
use std::sync::Arc;

const HISTORIES: u32 = 200;
/// Of a history, on average; short ones are what a failing one shrinks to.
const STEPS: usize = 120;
const VISITORS: usize = 12;
const INSTANCES: usize = 3;
/// No turn is forgotten sooner, whatever the settings: the least of `Settings::memory_seconds`.
const MEMORY_SECONDS: u64 = 120;

#[derive(Clone, Debug)]
enum Step {
    Arrive {
        who: usize,
        ticket: Pick,
        address: u64,
        walks_in: bool,
        is_late: bool,
        /// What the caller knows of the room is that of this instance, and so many syncs more.
        met: Option<(usize, u64)>,
    },
    Claim {
        who: usize,
        ticket: Pick,
    },
    Finish {
        who: usize,
        ticket: Pick,
    },
    Sync(Sync),
    Put(Vec<(&'static str, Value)>),
    Pass {
        ms: u64,
    },
    /// Exactly as long as somebody silent is still present.
    Silence,
    /// The store loses everything.
    Wipe,
}

/// Which of a visitor's tickets.
#[derive(Clone, Copy, Debug)]
enum Pick {
    /// A new one; visitors who come in the same microsecond have equal ones.
    Fresh(u64),
    /// The `n`th last, or a new one where there is none.
    Old(usize),
}

#[derive(Clone, Debug)]
struct Sync {
    instance: usize,
    met: Met,
    heartbeats: Vec<(usize, Pick, bool, Option<u64>)>,
    /// Who, which ticket, claimed so many seconds ago, for so many seconds.
    renewals: Vec<(usize, Pick, u64, u64)>,
    finished: Vec<(usize, Pick)>,
    /// Comes back from a time without the store: a long one? so many turns given, so many ms ago.
    alone: Option<(bool, u64, u64)>,
    /// Brings the settings of this version.
    settings: Option<(u64, Vec<(&'static str, Value)>)>,
    is_late: bool,
}

/// What the instance knows of the store.
#[derive(Clone, Copy, Debug)]
enum Met {
    Never,
    /// Its last sync.
    Lately,
    /// More than the store does: that went back to an older state.
    Ahead(u64),
    /// Another epoch.
    Before,
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![2 => (0u64..3).prop_map(Pick::Fresh), 5 => (0usize..3).prop_map(Pick::Old)]
}

fn who() -> impl Strategy<Value = usize> {
    0..VISITORS
}

fn sync() -> impl Strategy<Value = Sync> {
    let met = prop_oneof![
        2 => Just(Met::Never),
        30 => Just(Met::Lately),
        1 => (0u64..6).prop_map(Met::Ahead),
        1 => Just(Met::Before)
    ];
    let heartbeat = (who(), pick(), prop::bool::weighted(0.3), prop::option::weighted(0.4, 0u64..3));
    (
        0..INSTANCES,
        met,
        prop::collection::vec(heartbeat, 0..8),
        prop::collection::vec((who(), pick(), 0u64..3000, 0u64..3000), 0..2),
        prop::collection::vec((who(), pick()), 0..2),
        prop::option::weighted(0.05, (any::<bool>(), 0u64..4, 0u64..20_000)),
        prop::option::weighted(0.03, (0u64..9, prop::collection::vec(setting(), 0..3))),
        prop::bool::weighted(0.03),
    )
        .prop_map(|(instance, met, heartbeats, renewals, finished, alone, settings, is_late)| Sync {
            instance,
            met,
            heartbeats,
            renewals,
            finished,
            alone,
            settings,
            is_late,
        })
}

fn setting() -> impl Strategy<Value = (&'static str, Value)> {
    let number = |name, numbers: std::ops::Range<u64>| numbers.prop_map(move |n| (name, Value::Int(n))).boxed();
    let mode = prop::sample::select(vec!["auto", "auto", "auto", "off", "pause", "closed", "observe"]);
    prop_oneof![
        4 => number("admission_limit", 1..6),
        2 => number("admission_frequency", 1..12),
        2 => number("max_active", 0..6),
        1 => number("presence_seconds", 30..90),
        1 => number("retention_seconds", 60..120),
        1 => number("ready_ttl_seconds", 60..120),
        1 => number("ready_max_seconds", 60..400),
        1 => number("ip_enqueue_limit", 1..6),
        1 => number("ip_enqueue_limit_interval", 1..90),
        2 => mode.prop_map(|mode| ("mode", Value::Text(mode.to_owned()))),
        1 => "[a-zäß🎟 \n]{0,9}".prop_map(|text| ("message", Value::Text(text))),
    ]
}

fn met() -> impl Strategy<Value = Option<(usize, u64)>> {
    prop::option::weighted(0.5, (0..INSTANCES, 0u64..2))
}

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![
        4 => 0u64..1500,
        4 => (0u64..15).prop_map(|seconds| seconds * 1000),
        1 => Just(60_000u64),
        2 => 15_000u64..150_000,
        1 => 150_000u64..20_000_000,
    ];
    prop_oneof![
        20 => (who(), pick(), 0u64..3, prop::bool::weighted(0.3), prop::bool::weighted(0.05), met()).prop_map(
            |(who, ticket, address, walks_in, is_late, met)| Step::Arrive { who, ticket, address, walks_in, is_late, met }),
        25 => (who(), pick()).prop_map(|(who, ticket)| Step::Claim { who, ticket }),
        8 => (who(), pick()).prop_map(|(who, ticket)| Step::Finish { who, ticket }),
        40 => sync().prop_map(Step::Sync),
        4 => prop::collection::vec(setting(), 0..3).prop_map(Step::Put),
        25 => pass.prop_map(|ms| Step::Pass { ms }),
        6 => Just(Step::Silence),
        1 => Just(Step::Wipe),
    ]
}

/// What holds before anybody changes a setting: small numbers, so that every limit is met.
fn defaults() -> impl Strategy<Value = Settings> {
    (1u64..5, 1u64..8, 0u64..5, 30u64..70, 1u64..20).prop_map(|(limit, frequency, max_active, presence, entries)| {
        Settings {
            admission_limit: limit,
            admission_frequency: frequency,
            max_active,
            presence_seconds: presence,
            ip_enqueue_limit: entries,
            ready_ttl_seconds: 60,
            ready_max_seconds: 200,
            retention_seconds: 100,
            ..Settings::default()
        }
    })
}

/// Both stores at one clock, and what the players remember.
struct Game {
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    redis: RedisStore,
    server: redis::aio::MultiplexedConnection,
    defaults: Settings,
    settings: Settings,
    tickets: HashMap<usize, Vec<Ticket>>,
    known: [Known; INSTANCES],
    /// The stay that a ticket was given.
    stays: HashMap<(usize, Ticket), Stay>,
    /// The last snapshot, where nothing but time came after it.
    last: Option<Snapshot>,
}

/// Plays one step to both and insists on one answer.
macro_rules! both {
    ($game:ident, $verb:ident($($argument:expr),*)) => {{
        let room = RoomRef { name: "model", defaults: &$game.defaults };
        let expected = $game.memory.$verb(room, $($argument),*).await;
        let told = $game.redis.$verb(room, $($argument),*).await;
        prop_assert_eq!(&told, &expected, "Redis (left) and the pure machine (right) differ");
        expected.map_err(|error| TestCaseError::fail(error.to_string()))?
    }};
}

impl Game {
    async fn begin(redis: &Redis, defaults: &Settings) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let mut game = Self {
            memory: MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>),
            redis: redis_store(&redis.url(), Arc::clone(&clock)),
            server: redis.connection().await,
            clock,
            defaults: defaults.clone(),
            settings: defaults.clone(),
            tickets: HashMap::new(),
            known: Default::default(),
            stays: HashMap::new(),
            last: None,
        };
        game.flush().await;
        game
    }

    async fn flush(&mut self) {
        redis::cmd("FLUSHALL").exec_async(&mut self.server).await.unwrap();
    }

    fn ticket(&mut self, who: usize, pick: Pick) -> Ticket {
        let tickets = self.tickets.entry(who).or_default();
        let old = match pick {
            Pick::Old(nth) => tickets.len().checked_sub(nth + 1).map(|index| tickets[index]),
            Pick::Fresh(_) => None,
        };
        old.unwrap_or_else(|| {
            let late = if let Pick::Fresh(micros) = pick { micros } else { 0 };
            tickets.push(Ticket(self.clock.micros() + late));
            tickets[tickets.len() - 1]
        })
    }

    async fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step.clone() {
            Step::Arrive { who, ticket, address, walks_in, is_late, met } => {
                let entry = if walks_in { Entry::WalkIn } else { Entry::Enqueue };
                let ticket = self.ticket(who, ticket);
                let until = self.until(is_late);
                let met = met.map_or_else(Life::default, |(instance, more)| {
                    let Known { epoch, seq, .. } = self.known[instance];
                    Life { epoch, seq: seq + more }
                });
                let newcomer =
                    Newcomer { visitor: visitor(who), ticket, address: AddressKey(address), entry, until, met };
                if let Arrival::Admitted(stay) = both!(self, arrive(newcomer)) {
                    self.one_stay(who, ticket, stay)?;
                }
            }
            Step::Claim { who, ticket } => {
                let ticket = self.ticket(who, ticket);
                if let Standing::Ready(stay) = both!(self, claim(visitor(who), ticket)) {
                    self.one_stay(who, ticket, stay)?;
                }
            }
            Step::Finish { who, ticket } => {
                let ticket = self.ticket(who, ticket);
                both!(self, finish(visitor(who), ticket));
            }
            Step::Sync(sync) => self.sync(sync).await?,
            Step::Put(fields) => {
                let change = change(fields);
                both!(self, put_settings(&change));
                self.read_settings().await?;
            }
            Step::Pass { ms } => self.pass(ms),
            Step::Silence => self.pass(self.settings.presence_seconds * 1000),
            Step::Wipe => {
                self.memory = MemoryStore::new(Arc::clone(&self.clock) as Arc<dyn Clock>);
                self.flush().await;
                self.settings = self.defaults.clone();
                self.stays.clear();
            }
        }
        if !matches!(step, Step::Sync(_) | Step::Pass { .. } | Step::Silence) {
            self.last = None;
        }
        Ok(())
    }

    fn pass(&mut self, ms: u64) {
        self.clock.advance_ms(ms);
        let forgotten = self.clock.now().minus_seconds(MEMORY_SECONDS);
        self.stays.retain(|_, stay| stay.since > forgotten);
    }

    async fn read_settings(&mut self) -> Result<(), TestCaseError> {
        let (_, changed) = both!(self, settings());
        self.settings = Settings::with(&self.defaults, &changed);
        Ok(())
    }

    /// When the caller gives up: a while ago, or not yet.
    fn until(&self, is_late: bool) -> Option<Time> {
        Some(if is_late { Time(self.clock.now().0 - 1) } else { self.clock.now() })
    }

    async fn sync(&mut self, sync: Sync) -> Result<(), TestCaseError> {
        let report = self.report(&sync);
        let synced = both!(self, sync(&report));
        self.learn(sync.instance, &synced);
        if sync.settings.is_some() {
            self.read_settings().await?;
        }
        // What others gave is counted, not given now.
        let is_told = report.known.epoch != 0 && report.known.epoch != synced.snapshot.epoch;
        let joined = sync.alone.is_some() || is_told;
        if joined || sync.settings.is_some() {
            self.last = Some(synced.snapshot);
            return Ok(());
        }
        self.keeps_the_limits(&synced.snapshot)
    }

    fn report(&mut self, sync: &Sync) -> Report {
        let last = self.known[sync.instance];
        let known = match sync.met {
            Met::Never => Known::default(),
            Met::Lately => last,
            Met::Ahead(by) => Known { seq: last.seq + by, ..last },
            Met::Before => Known { epoch: 5, ..last },
        };
        let now = self.clock.now();
        let window = |used, ms| Window { last: Time(now.0 - ms), used, late: false };
        let mut report = Report {
            instance: sync.instance as u64,
            known,
            alone: sync.alone.map(|(long, used, ms)| Alone { long, window: window(used, ms) }),
            settings: sync.settings.clone().map(|(version, fields)| (version, change(fields))),
            until: self.until(sync.is_late),
            ..Report::default()
        };
        for (who, pick, late, first) in sync.heartbeats.iter().copied() {
            let ticket = self.ticket(who, pick);
            let first = first.map(AddressKey);
            report.heartbeats.push(Heartbeat { visitor: visitor(who), ticket, late, first });
        }
        for (who, pick, ago, seconds) in sync.renewals.iter().copied() {
            let ticket = self.ticket(who, pick);
            self.stays.remove(&(who, ticket)); // the instance's word counts from now on
            let stay = Stay { since: now.minus_seconds(ago), until: now.minus_seconds(ago).plus_seconds(seconds) };
            report.renewals.push(Renewal { visitor: visitor(who), ticket, stay });
        }
        for (who, pick) in sync.finished.iter().copied() {
            report.finished.push((visitor(who), self.ticket(who, pick)));
        }
        report
    }

    fn learn(&mut self, instance: usize, synced: &Synced) {
        let Snapshot { epoch, seq, watermark, window, .. } = synced.snapshot;
        let known = self.known[instance];
        let revoked = synced.revocations.last().map_or(known.revoked, |last| last.number);
        let settings = synced.settings.as_ref().map_or(known.settings, |(version, _)| *version);
        let busy = synced.snapshot.waiting() > 0;
        self.known[instance] = Known { epoch, seq, watermark, revoked, settings, window, busy };
    }

    /// Whoever was let in by this sync was let in within the limits.
    fn keeps_the_limits(&mut self, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        if let Some(last) = self.last.replace(snapshot.clone())
            && snapshot.admitted > last.admitted
        {
            prop_assert!(self.settings.mode.admits() && self.clock.now() >= snapshot.hold_until);
            prop_assert!(self.settings.max_active == 0 || snapshot.ready <= self.settings.max_active);
            prop_assert!(snapshot.window.used <= self.settings.admission_limit);
            let now = self.clock.now().0;
            let start = now - now % (self.settings.admission_frequency * 1000);
            let before = if last.window.last.0 >= start { last.window.used } else { 0 };
            prop_assert_eq!(snapshot.admitted - last.admitted, snapshot.window.used - before);
        }
        Ok(())
    }

    /// A ticket has one claimed stay, however often it is asked for.
    fn one_stay(&mut self, who: usize, ticket: Ticket, stay: Stay) -> Result<(), TestCaseError> {
        let first = self.stays.entry((who, ticket)).or_insert(stay);
        prop_assert_eq!(first.since, stay.since, "a second turn for one ticket");
        Ok(())
    }
}

fn change(fields: Vec<(&'static str, Value)>) -> Change {
    let mut change = Change::default();
    fields.into_iter().for_each(|(name, value)| change.set(name, value).unwrap());
    change
}

fn visitor(who: usize) -> Visitor {
    // Below and above 0x7F, and such as a locale would put in another order.
    Visitor([b"aZ\0\xFFzA\x80b\x01B_Q"[who]; 16])
}

#[test]
fn redis_and_the_pure_machine_give_the_same_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = runtime.block_on(Redis::start());
    let seeds = FileFailurePersistence::Direct("tests/it/model.seeds");
    let config = Config {
        cases: HISTORIES,
        failure_persistence: Some(Box::new(seeds)),
        source_file: Some(file!()),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let histories = (defaults(), prop::collection::vec(step(), 1..=2 * STEPS));
    let played = TestRunner::new(config).run(&histories, |(defaults, steps)| {
        runtime.block_on(async {
            let mut game = Game::begin(&redis, &defaults).await;
            for step in &steps {
                game.play(step).await?;
            }
            Ok(())
        })
    });
    match played {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, (defaults, steps))) => {
            let steps = steps.iter().map(|step| format!("  {step:?}\n")).collect::<String>();
            panic!("{reason}\nwith {defaults:?}\nafter\n{steps}");
        }
    }
}

/// The numbers that random histories don't reach: pages, samples, bounds of one call.
#[tokio::test]
async fn a_crowd_gets_the_same_answers_from_both() {
    let redis = Redis::start().await;
    let defaults = Settings { admission_limit: 1700, admission_frequency: 5, ..Settings::default() };
    let mut game = Game::begin(&redis, &defaults).await;
    crowd(&mut game).await.unwrap();
}

async fn crowd(game: &mut Game) -> Result<(), TestCaseError> {
    set_mode(game, "pause").await?;
    for from in (0..9000).step_by(500) {
        // The first half falls silent.
        game.clock.advance_ms(if from == 4500 { 100_000 } else { 7 });
        both!(game, sync(&Report { heartbeats: chunk(from), ..Report::default() }));
    }
    game.clock.advance_ms(20_500);
    set_mode(game, "auto").await?;
    sync_often(game, 12, 1700).await?;
    game.clock.advance_ms(119_000);
    come_back(game).await?;
    for from in [7000, 7500] {
        let finished = chunk(from).iter().map(|each| (each.visitor, each.ticket)).collect();
        let report = Report { finished, ..Report::default() };
        both!(game, sync(&report));
    }
    // Long after, everything is forgotten, step by step.
    game.clock.advance_ms(30_000_000);
    sync_often(game, 6, 0).await
}

/// Heartbeats of 500 people; names in no order, three to a ticket, some of them late.
fn chunk(from: u64) -> Vec<Heartbeat> {
    let heartbeat = |n: u64| {
        let mut name = [7; 16];
        name[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let late = n.is_multiple_of(5) && n > 2000;
        Heartbeat { visitor: Visitor(name), ticket: Ticket(START.0 * 1000 + n / 3), late, first: None }
    };
    (from..from + 500).map(heartbeat).collect()
}

async fn set_mode(game: &mut Game, mode: &str) -> Result<(), TestCaseError> {
    let mut change = Change::default();
    change.set("mode", Value::Text(mode.into())).unwrap();
    both!(game, put_settings(&change));
    Ok(())
}

async fn sync_often(game: &mut Game, times: usize, ms: u64) -> Result<(), TestCaseError> {
    for _ in 0..times {
        both!(game, sync(&Report::default()));
        game.clock.advance_ms(ms);
    }
    Ok(())
}

/// People return while others bring the stays that they still hold.
async fn come_back(game: &mut Game) -> Result<(), TestCaseError> {
    for _ in 0..4 {
        let heartbeats = chunk(8000);
        let stay = Stay { since: game.clock.now(), until: game.clock.now().plus_seconds(100) };
        let renewal = |each: &Heartbeat| Renewal { visitor: each.visitor, ticket: each.ticket, stay };
        let renewals = heartbeats.iter().step_by(40).map(renewal).collect();
        let report = Report { heartbeats, ..Report::default() };
        both!(game, sync(&report));
        let report = Report { renewals, ..Report::default() };
        both!(game, sync(&report));
        game.clock.advance_ms(3000);
    }
    Ok(())
}

#[test]
fn the_first_moment_is_the_start_of_every_window() {
    assert_eq!(START.0 % 3_600_000, 0, "contract.rs counts on it");
    assert_eq!(Time(START.0), START);
}
