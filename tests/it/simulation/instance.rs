//! The instances: processes that begin, tick, freeze, drain and die. Everything in them is the product's own code.

use super::journal::Promise;
use super::network::{Link, PATIENCE};
use super::people::Event;
use super::promises;
use super::scenario::Policy;
use super::world::World;
use gatekeeper::clock::Clock;
use gatekeeper::queue::{Change, Value};
use gatekeeper::rooms::{Contact, LiveRoom, RoomSpec, Rooms, SYNC_EVERY, StoreClock, SyncState};
use gatekeeper::store::Store;
use gatekeeper::store::fallback::Fallback;
use gatekeeper::telemetry::metrics::{Metrics, RoomMetrics};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub const ROOM: &str = "room";

static METRICS: LazyLock<RoomMetrics> = LazyLock::new(|| Metrics::new("simulated").unwrap().room(ROOM));

/// Where an instance runs: its machine, its way to the store.
pub struct Slot {
    pub number: usize,
    pub link: Arc<Link>,
    process: Mutex<Option<Arc<Process>>>,
    /// In ms.
    frozen_until: AtomicU64,
}

/// One life of an instance.
pub struct Process {
    /// Its random name.
    pub id: u64,
    pub slot: usize,
    pub room: Arc<LiveRoom>,
    is_alive: AtomicBool,
    ticks: Mutex<Option<JoinHandle<()>>>,
}

impl Slot {
    pub fn new(number: usize, world: Weak<World>) -> Self {
        let link = Link::new(world, number);
        Self { number, link: Arc::new(link), process: Mutex::default(), frozen_until: AtomicU64::new(0) }
    }

    /// Who answers here.
    pub fn process(&self) -> Option<Arc<Process>> {
        self.process.lock().unwrap().clone()
    }

    pub fn freeze(&self, until: u64) {
        self.frozen_until.fetch_max(until, Ordering::Relaxed);
    }

    /// So many ms longer.
    pub fn is_frozen_for(&self, ms: u64) -> u64 {
        self.frozen_until.load(Ordering::Relaxed).saturating_sub(ms)
    }
}

impl Process {
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    pub fn is_alone(&self) -> bool {
        matches!(self.room.view().contact, Contact::Alone { .. })
    }

    /// Whether it reached the store with its last tick.
    pub fn is_in_contact(&self) -> bool {
        matches!(self.room.view().contact, Contact::Shared)
    }

    fn die(&self) {
        self.is_alive.store(false, Ordering::Relaxed);
        if let Some(ticks) = self.ticks.lock().unwrap().take() {
            ticks.abort();
        }
    }
}

impl World {
    /// Begins a process; visitors come to it after its first tick.
    pub fn begin_process(self: &Arc<Self>, slot: usize) -> Arc<Process> {
        let id = (self.chance(self.ms() * 16 + slot as u64 + 10_000).next() >> 12) | 1;
        let clock = Arc::new(StoreClock::new(self.clock(slot)));
        let link = Arc::clone(&self.slots[slot].link) as Arc<dyn Store>;
        let policy = self.scenario.policy;
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let store = Arc::new(Fallback::new(link, time, PATIENCE, policy == Policy::Local));
        let rooms = Rooms::new(id, store, clock, policy == Policy::Open);
        let defaults = self.scenario.settings.clone();
        rooms.configure(&[RoomSpec { name: ROOM.to_owned(), defaults, metrics: METRICS.clone() }]);
        let room = rooms.find(ROOM).unwrap();
        let process = Process { id, slot, room, is_alive: AtomicBool::new(true), ticks: Mutex::default() };
        let process = Arc::new(process);
        let ticks = tokio::spawn(tick(Arc::clone(self), Arc::clone(&process)));
        *process.ticks.lock().unwrap() = Some(ticks);
        process
    }

    /// `kill -9`, and a new process some time later.
    pub async fn crash(self: &Arc<Self>, slot: usize, ms: u64) {
        let Some(process) = self.slots[slot].process.lock().unwrap().take() else { return };
        process.die();
        let now = self.ms();
        self.journal().deaths.insert(process.id, now);
        sleep(Duration::from_millis(ms)).await;
        self.begin_process(slot);
    }

    /// The new process takes over when it is ready; the old one answers nobody new, and syncs for a while.
    pub async fn upgrade(self: &Arc<Self>, slot: usize) {
        let Some(old) = self.slots[slot].process() else { return };
        self.begin_process(slot);
        sleep(Duration::from_secs(3)).await;
        old.die();
        let now = self.ms();
        self.journal().deaths.insert(old.id, now);
    }

    /// Sets the room's message.
    pub async fn operate(&self, slot: usize) {
        let Some(process) = self.slots[slot].process() else { return };
        let message = format!("set at {}", self.ms());
        let mut change = Change::default();
        change.set("message", Value::Text(message.clone())).unwrap();
        let is_set = process.room.change_settings(&change).await.is_ok();
        // One that failed may have run.
        self.journal().message = is_set.then_some((message, process.id));
    }

    /// Whether what operators set is still set: called when all is well again.
    pub fn check_settings(&self) {
        let (ms, server, mut journal) = (self.ms(), self.server(), self.journal());
        let Some((message, process)) = journal.message.clone() else { return };
        if journal.deaths.contains_key(&process) {
            return;
        }
        let changed = server.room.as_ref().map(|room| room.changed().1.clone()).unwrap_or_default();
        if !changed.iter().any(|(name, value)| name == "message" && *value == Value::Text(message.clone())) {
            journal.breaks(Promise::SettingsKept, ms, &[], format!("\"{message}\" is lost: {changed:?}"));
        }
    }
}

async fn tick(world: Arc<World>, process: Arc<Process>) {
    let mut state = SyncState::new(world.scenario.policy == Policy::Open);
    let slot = &world.slots[process.slot];
    loop {
        let begun = world.ms();
        process.room.tick(&mut state).await;
        if process.is_in_contact() {
            world.journal().syncs.entry(process.id).or_default().push(begun);
        }
        promises::at_tick(&world, &process);
        let is_new = !slot.process().is_some_and(|current| current.is_alive() && current.id == process.id);
        if is_new && !world.journal().served.contains(&process.id) {
            world.journal().served.insert(process.id);
            *slot.process.lock().unwrap() = Some(Arc::clone(&process));
            let text = format!("instance {} answers as {:x}", slot.number, process.id);
            let ms = world.ms();
            world.journal().note(ms, None, Event::Fault(text));
        }
        sleep(SYNC_EVERY).await;
        sleep(Duration::from_millis(slot.is_frozen_for(world.ms()))).await;
    }
}
