//! A whole house in one thread: instances, their stores and clocks, and a crowd, on a network and a time that are drawn
//! from a seed.
//!
//! The instances are the product's own code: `LiveRoom::tick`, `gate::find`, `Fallback`, `StoreClock`; the store is one
//! `queue::Room` (Redis is held to it by `contract.rs` and `model.rs`) behind a network that loses, delays and repeats.
//! The crowd does what browsers and callers of the API do (`visitor.rs` does as `Gate::newcomer` and the API's enqueue).
//! Time is tokio's, stopped: it moves when nobody has anything to do. The same seed gives the same run.
//!
//! ```text
//! cargo test --test it -- simulation                           # RUNS seeds
//! SIMULATION_SEED=123 cargo test --test it -- simulation       # one again
//! SIMULATION_SEEDS=100000 cargo test --test it -- simulation   # so many
//! ```
//!
//! What is promised, whatever fails (`promises.rs` holds it):
//! 1. *Order.* When the store gives a turn, nobody with a lower ticket is passed over who was never silent for longer than
//!    presence and whom the store heard of in its present life, less than presence ago; nor anybody who was told a place
//!    and whose polls were all on time and answered by instances in contact for the last 24 s and a sync. Not counted:
//!    turns of stand-ins (`local` keeps order per instance), a turn that came once and was forgotten with the store (it
//!    comes back with the next poll), a store that loses its memory within the time by which its clock was set back,
//!    and one whose clock is set forward while it waits for the line to come back.
//! 2. *One stay per ticket.* No second one, and none after a finish, once the opening or ending instance has told the
//!    store (one sync; again after each loss) and the answering one has asked it since. Stand-ins that can't know of each
//!    other may give one stay each; who was called in the last seconds before the store went away may take the turn from
//!    one of them while the first stay goes on.
//! 3. *The limit.* Per aligned window of the store: `admission_limit`, and after a loss what no instance in reach knew of;
//!    per stand-in its share of it. `max_active` as long as all instances are in contact.
//! 4. *Who is inside passes*, on every instance, until the newest token's stay is over or finished.
//! 5. *It goes on.* 26 s and a window after the last fault somebody who waits was given a turn, where the store neither waits for the line nor
//!    for its clock, that was set back; in the end everybody was.
//! 6. *Places and settings are kept.* No ticket changes, no patient visitor is told "gone"; what an operator set is set in
//!    the end if the instance that set it lived through all of it.
//! 7. *Determinism.* Some runs are played twice.
//!
//! To add a fault: a variant of `scenario::Fault`, and what it does in `World::suffer`.

mod inside;
mod instance;
mod journal;
mod network;
mod people;
mod promises;
mod scenario;
mod server;
mod visitor;
mod world;

use journal::Promise;
use scenario::Scenario;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use visitor::Guest;
use world::World;

/// Runs of one `cargo test`.
const RUNS: u64 = 2_000;

/// Keeps the parts of a run apart that draw from one seed.
const STREAMS: u64 = 0xD134_2543_DE82_EF95;

/// Seeds beyond them that once broke a promise.
const FOUND: [u64; 10] = [2162, 5191, 6255, 7005, 7433, 9509, 9572, 10295, 10744, 13813];
/// Of so many runs one is played twice.
const REPEATED: u64 = 20;

/// What a run came to.
struct Outcome {
    log: String,
    broken: Option<(Promise, String)>,
}

/// Plays a run; `logs`: keeps all of its log.
fn run(seed: u64, logs: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let scenario = Scenario::of(seed);
        let world = World::new(scenario.clone());
        play(&world).await;
        let journal = world.journal();
        let broken = journal.broken.as_ref().map(|broken| {
            let history = journal.history(broken);
            let text = format!(
                "seed {seed} at {} ms: {:?}: {}\n{scenario:#?}\n{history}",
                broken.ms, broken.promise, broken.why
            );
            (broken.promise, text)
        });
        Outcome { log: if logs { journal.text() } else { String::new() }, broken }
    })
}

async fn play(world: &Arc<World>) {
    let (scenario, began) = (&world.scenario, Instant::now());
    for slot in 0..scenario.instances {
        world.begin_process(slot);
    }
    world.begin_faults();
    let guests: Vec<_> =
        (0..scenario.visitors).map(|who| tokio::spawn(Guest::new(Arc::clone(world), who).live())).collect();
    let recovered = scenario.faults_end() + 26_000 + scenario.settings.admission_frequency * 1000 + 1_000;
    sleep_until(began + Duration::from_millis(recovered)).await;
    promises::at_recovery(world);
    let end = began + Duration::from_millis(end_of(scenario));
    for guest in guests {
        while !guest.is_finished() && Instant::now() < end && !world.is_broken() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if guest.is_finished() {
            guest.await.unwrap();
        }
    }
    promises::at_end(world);
    world.check_settings();
}

/// By then everybody had time to come in.
fn end_of(scenario: &Scenario) -> u64 {
    let settings = &scenario.settings;
    let people = scenario.visitors as u64 * 2;
    let windows = people.div_ceil(settings.admission_limit) * settings.admission_frequency;
    let turns = if settings.max_active == 0 {
        0
    } else {
        people.div_ceil(settings.max_active) * (settings.ready_ttl_seconds * 2 + settings.presence_seconds)
    };
    let sleeps = settings.presence_seconds * 8;
    scenario.faults_end().max(scenario.arrivals_ms) + (120 + windows + turns + sleeps) * 1000
}

#[test]
fn the_line_survives() {
    let read = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds: Vec<u64> = match (read("SIMULATION_SEED"), read("SIMULATION_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (0..count).collect(),
        (None, None) => (0..RUNS).chain(FOUND).collect(),
    };
    let next = AtomicU64::new(0);
    let failures = std::sync::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
                    let outcome = run(*seed, seed % REPEATED == 0);
                    if seed % REPEATED == 0 {
                        let (first, second) = (outcome.log, run(*seed, true).log);
                        let parts = first.lines().zip(second.lines()).find(|(first, second)| first != second);
                        if first != second {
                            let text = format!("seed {seed} went another way the second time: {parts:?}");
                            failures.lock().unwrap().insert(*seed, (Promise::Determinism, text));
                        }
                    }
                    if let Some(broken) = outcome.broken {
                        failures.lock().unwrap().insert(*seed, broken);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let Some((_, (_, first))) = failures.first_key_value() else { return };
    let all: Vec<_> = failures.iter().map(|(seed, (promise, _))| format!("{seed} {promise:?}")).collect();
    panic!("{first}\n{} of {} runs broke a promise: {}", failures.len(), seeds.len(), all.join(", "));
}
