//! Real faults: a crowd before three instances, while Redis dies, forgets, stalls and turns back, instances are killed and
//! cut off, connections break. Afterwards a judge goes through what visitors and origin wrote down.
//!
//! `cargo test` runs a short campaign with a fixed seed on each kind of store. `dev/chaos --minutes N --seed S` runs the
//! same for as long as one likes, by the variables of [`Plan::from_environment`].
//!
//! Promises: a seed gives the same faults in the same order, and the same visitors; a violation names seed, visitor and
//! fault, and shows the visitor's whole history. To add a fault: `fault.rs` says how. To add an invariant: an `Offence`
//! and what finds it in `judge.rs`, with a diary in `judge/tests.rs` that offends.

mod diary;
mod fault;
mod judge;
mod report;
mod stage;
mod strike;
mod verdict;
mod visitor;

use crate::support::chance::Chance;
use crate::support::doors::Doors;
use crate::support::replay::{self, Replay};
use diary::{Diary, Trouble, Watch};
use fault::Fault;
use judge::{Judge, Rules};
use stage::{Kind, Stage};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use visitor::{World, visit};

/// Until the crowd has formed a line.
const WARM_UP: Duration = Duration::from_secs(5);
/// Between two faults: the next begins when all is well again.
const CALM_MS: (u64, u64) = (3_500, 6_000);
/// After a fault that makes the store forget: it lets nobody in for a polling period.
const LONG_CALM_MS: (u64, u64) = (28_000, 31_000);
const BEAT: Duration = Duration::from_millis(20);
/// A beat that comes so late: an instance was hardly better off.
const LATE_MS: u64 = 150;
const WINDOW_SECONDS: u64 = 2;
const PRESENCE_SECONDS: u64 = 30;
/// Streams of the dice beside the visitors', whose are their numbers.
const SCHEDULE: u64 = u64::MAX;
/// Keeps what one seed decides apart: the schedule and each visitor.
const STREAMS: u64 = 0xD1B5_4A32_D192_ED03;

/// A campaign.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub kind: Kind,
    /// So many people at any time.
    pub crowd: usize,
    /// All of them once, in an order that the seed decides; then again, until the time is over.
    pub faults: Vec<Fault>,
    /// No fault begins after this; `None`: each comes once.
    pub lasting: Option<Duration>,
}

impl Plan {
    /// The plan that `dev/chaos` asks for: `CHAOS_MINUTES`, `CHAOS_SEED`, `CHAOS_STORE`, `CHAOS_FAULTS` (names, with
    /// commas), `CHAOS_VISITORS`. `None` where nobody asked; `Some(None)` where it asks for none on this store.
    fn from_environment(kind: Kind) -> Option<Option<Self>> {
        let minutes: u64 = number("CHAOS_MINUTES")?;
        if env::var("CHAOS_STORE").is_ok_and(|store| store != kind.name()) {
            return Some(None);
        }
        let named = |name: &str| Fault::named(name).unwrap_or_else(|| panic!("CHAOS_FAULTS: there is no {name}"));
        let all = Fault::on(kind, minutes >= 5);
        let faults = match env::var("CHAOS_FAULTS") {
            Ok(names) => names.split(',').map(named).filter(|fault| Fault::on(kind, true).contains(fault)).collect(),
            Err(_) => all,
        };
        if faults.is_empty() {
            return Some(None);
        }
        Some(Some(Self {
            seed: number("CHAOS_SEED").unwrap_or(1),
            kind,
            crowd: usize::try_from(number("CHAOS_VISITORS").unwrap_or(2000)).unwrap(),
            faults,
            lasting: Some(Duration::from_secs(minutes * 60)),
        }))
    }

    fn rules(&self) -> Rules {
        // The wait is some 16 s, or 10.
        let limit = (self.crowd as u64 / if self.lasting.is_some() { 8 } else { 5 }).max(2);
        Rules { limit, window: WINDOW_SECONDS * 1000, presence: PRESENCE_SECONDS * 1000 }
    }

    fn settings(&self) -> String {
        format!(
            "admission_limit = {}, admission_frequency = {WINDOW_SECONDS}, presence_seconds = {PRESENCE_SECONDS}, \
             ip_enqueue_limit = 1000000, ip_status_polling_limit = 1000000, ready_ttl_seconds = 60",
            self.rules().limit
        )
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What `dev/chaos` asks for, or this many people and these faults.
fn plan(kind: Kind, crowd: usize, faults: &[Fault]) -> Option<Plan> {
    let short = Plan { seed: 1, kind, crowd, faults: faults.to_vec(), lasting: None };
    Plan::from_environment(kind).unwrap_or(Some(short))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaign_on_a_single_redis() {
    use Fault::{InstanceCutOff, InstanceKilled, RedisKilled, RedisStalled1, Reloaded, RollingRestart, ScriptsFlushed};
    let faults = [RedisStalled1, RedisKilled, ScriptsFlushed, InstanceCutOff, InstanceKilled, RollingRestart, Reloaded];
    run(plan(Kind::Single, 300, &faults)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaign_on_sentinels() {
    run(plan(Kind::Sentinel, 60, &[Fault::SentinelFailover])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaign_on_a_cluster() {
    run(plan(Kind::Cluster, 60, &[Fault::SlotMoved, Fault::ClusterNodeKilled])).await;
}

/// Runs it, shows what came of it, and fails on any violation.
async fn run(plan: Option<Plan>) {
    let Some(plan) = plan else {
        println!("not asked for");
        return;
    };
    let (diary, watch) = (Arc::new(Diary::default()), Watch::start());
    let mut stage = Stage::set(plan.kind, &plan.settings(), &diary, watch).await;
    let crowd = Crowd::comes(&plan, &stage, &diary, watch);
    let pulse = Pulse::feel(&diary, watch);
    sleep(WARM_UP).await;
    suffers(&plan, &mut stage, &diary, watch).await;
    crowd.leaves().await;
    drop(pulse);
    let mut panics = 0.0;
    for gate in &stage.gates {
        panics += gate.metrics().await.sum("gatekeeper_panics_total", &[]);
    }
    let mut verdict = Judge::judge(plan.rules(), &diary);
    if let Some(log) = stage.log() {
        let Rules { limit, .. } = plan.rules();
        let rules = replay::Rules { limit, window_seconds: WINDOW_SECONDS, presence_seconds: PRESENCE_SECONDS };
        let replay = Replay::of("checkout", rules, &log);
        println!("Redis's own log has {} turns", replay.offers.len());
        verdict.add(&replay);
    }
    // Before anything fails: the logs of a crowd's day explain nothing.
    drop(stage);
    report::show(&plan, &verdict, &diary, watch);
    assert_eq!(panics, 0.0, "an instance panicked");
    assert!(verdict.admitted >= plan.crowd, "{} admitted: too few to tell", verdict.admitted);
    assert!(
        verdict.violations.is_empty(),
        "{} violations, first of all: {} (seed {})",
        verdict.violations.len(),
        verdict.violations[0].what,
        plan.seed
    );
}

/// One fault after the other.
async fn suffers(plan: &Plan, stage: &mut Stage, diary: &Diary, watch: Watch) {
    let mut dice = Chance::of(plan.seed, SCHEDULE, STREAMS);
    let begun = Instant::now();
    loop {
        let mut faults = plan.faults.clone();
        dice.shuffle(&mut faults);
        for (number, fault) in faults.iter().enumerate() {
            println!("{:7.1} s  {}", watch.since_start(watch.now()), fault.name());
            let trouble = stage.strike(*fault, &mut dice, watch).await;
            diary.troubles.lock().unwrap().push(trouble);
            let is_last = number + 1 == faults.len() && plan.lasting.is_none();
            if is_last || plan.lasting.is_some_and(|lasting| begun.elapsed() > lasting) {
                return;
            }
            let (from, to) = if fault.cost().forgets { LONG_CALM_MS } else { CALM_MS };
            sleep(Duration::from_millis(dice.within(from, to))).await;
        }
    }
}

/// Notes when the machine was too busy to run a thread that does nothing.
struct Pulse(Arc<AtomicBool>);

impl Pulse {
    fn feel(diary: &Arc<Diary>, watch: Watch) -> Self {
        let (over, diary) = (Arc::new(AtomicBool::new(false)), Arc::clone(diary));
        let stops = Arc::clone(&over);
        std::thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                let begin = watch.now();
                std::thread::sleep(BEAT);
                let end = watch.now();
                if end - begin > LATE_MS {
                    let trouble = Trouble { fault: Fault::MachineStarved, begin, end };
                    diary.troubles.lock().unwrap().push(trouble);
                }
            }
        });
        Self(over)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Who keeps coming: as one goes, another comes.
struct Crowd {
    tasks: JoinSet<()>,
    closed: Arc<AtomicBool>,
    world: World,
    diary: Arc<Diary>,
}

impl Crowd {
    fn comes(plan: &Plan, stage: &Stage, diary: &Arc<Diary>, watch: Watch) -> Self {
        let world = World { doors: Doors::of(&stage.gates), watch, over: Arc::default() };
        let (closed, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for place in 0..plan.crowd {
            let (world, closed, count, diary) =
                (world.clone(), Arc::clone(&closed), Arc::clone(&count), Arc::clone(diary));
            let seed = plan.seed;
            tasks.spawn(async move {
                // They don't come all at once.
                sleep(Duration::from_millis(place as u64 * 10)).await;
                while !closed.load(Ordering::Relaxed) {
                    let story = visit(&world, seed, count.fetch_add(1, Ordering::Relaxed)).await;
                    diary.stories.lock().unwrap().push(story);
                }
            });
        }
        Self { tasks, closed, world, diary: Arc::clone(diary) }
    }

    /// Nobody comes any more; who waits has time to get in.
    async fn leaves(mut self) {
        self.closed.store(true, Ordering::Relaxed);
        let people = self.tasks.len() as u64;
        println!("{people} people are to get in yet");
        let enough = Duration::from_secs(people / 30 + 60);
        let everybody = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(enough, everybody).await.is_err() {
            self.world.over.store(true, Ordering::Relaxed);
            while self.tasks.join_next().await.is_some() {}
        }
        println!("{} visits in all", self.diary.stories.lock().unwrap().len());
    }
}
