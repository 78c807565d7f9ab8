//! The machines behind their lock, and what those who run the verbs and the keeper of the journal tell each other.

use super::super::{RoomRef, StoreError};
use super::journal::PENDING;
use super::record;
use super::state_dir::KeptSettings;
use crate::clock::Clock;
use crate::queue::{Change, Fact, Part, Room, Ticket, Time, Visitor};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A verb waits for its facts to be written, but not longer than this; the first that waited in vain stops the waiting.
const WRITE_WAITS: Duration = Duration::from_millis(100);
/// The keeper looks so often for what a former process left.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a failure the disk is tried again so often.
const RETRY: Duration = Duration::from_secs(1);

/// The rooms, shared by all verbs and the keeper.
pub struct Shared {
    pub clock: Arc<dyn Clock>,
    rooms: Mutex<Rooms>,
    /// Wakes the keeper.
    work: Condvar,
    /// Up to which call everything is written, or has failed to be.
    written: watch::Sender<u64>,
    /// The disk takes nothing now, or not in time: nobody waits for it.
    stalled: AtomicBool,
}

struct Rooms {
    phase: Phase,
    machines: HashMap<String, Room>,
    /// Whether a keeper writes down what happens.
    keeps: bool,
    /// Lines that the keeper hasn't taken yet.
    news: Vec<u8>,
    /// The disk was so slow that news was dropped.
    dropped: bool,
    settings_changed: bool,
    /// Calls so far that had something to write.
    told: u64,
    command: Option<Command>,
}

/// What the store does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The process before this one has the rooms still, or they are being read.
    Opening,
    Serving,
    /// The process after this one has them.
    Gone,
}

/// What the keeper is told to do.
#[derive(Debug)]
pub enum Command {
    End,
    HandOver(Sender<io::Result<()>>),
}

/// What there is for the keeper.
#[derive(Debug, Default)]
pub struct Work {
    pub news: Vec<u8>,
    pub dropped: bool,
    /// All settings ever changed, where some did now.
    pub settings: Option<BTreeMap<String, KeptSettings>>,
    pub told: u64,
}

impl Shared {
    pub fn new(clock: Arc<dyn Clock>, phase: Phase, machines: HashMap<String, Room>, keeps: bool) -> Self {
        let rooms = Rooms {
            phase,
            machines,
            keeps,
            news: Vec::new(),
            dropped: false,
            settings_changed: false,
            told: 0,
            command: None,
        };
        Self {
            clock,
            rooms: Mutex::new(rooms),
            work: Condvar::new(),
            written: watch::Sender::new(0),
            stalled: AtomicBool::new(false),
        }
    }

    /// Runs a verb; with the number of the call where there is something to write.
    pub fn run<T>(
        &self,
        room: RoomRef<'_>,
        verb: impl FnOnce(&mut Room, Time) -> T,
    ) -> Result<(T, Option<u64>), StoreError> {
        let now = self.clock.now();
        let mut rooms = self.lock();
        match rooms.phase {
            Phase::Serving => {}
            Phase::Opening => return Err(StoreError::Unavailable("the rooms are not taken over yet".to_owned())),
            Phase::Gone => return Err(StoreError::Unavailable("the rooms were handed over".to_owned())),
        }
        let keeps = rooms.keeps;
        let machine = rooms.machines.entry(room.name.to_owned()).or_insert_with(|| new_room(room, keeps, now));
        machine.set_defaults(room.defaults);
        let version = machine.changed().0;
        let result = verb(machine, now);
        let told = rooms.note(room.name, version);
        drop(rooms);
        if told.is_some() {
            self.work.notify_one();
        }
        Ok((result, told))
    }

    /// A finish that reached the process before this one when it had handed over.
    pub fn finish(&self, room: &str, visitor: Visitor, ticket: Ticket) {
        let now = self.clock.now();
        let mut rooms = self.lock();
        if let Some(machine) = rooms.machines.get_mut(room) {
            let version = machine.changed().0;
            machine.finish(visitor, ticket, now);
            rooms.note(room, version);
        }
    }

    /// Waits until what a call told is written: a process killed after its answer has not forgotten it. A disk that is
    /// slow or full stops nobody.
    pub async fn written(&self, told: u64) {
        if self.stalled.load(Ordering::Relaxed) {
            return;
        }
        let mut written = self.written.subscribe();
        let in_time = tokio::time::timeout(WRITE_WAITS, written.wait_for(|written| *written >= told)).await;
        if in_time.is_err() && !self.stalled.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the disk of the state directory is slow: a process killed now would forget the last moments"
            );
        }
    }

    /// Waits for something to do, or for a while; after a failure, for a while in any case.
    pub fn next(&self, done: u64, is_failing: bool) -> (Work, Option<Command>) {
        let time = if is_failing { RETRY } else { LOOK_EVERY };
        let nothing = |rooms: &mut Rooms| rooms.command.is_none() && (is_failing || rooms.told == done);
        let idle = self.work.wait_timeout_while(self.lock(), time, nothing);
        let mut rooms = idle.unwrap_or_else(PoisonError::into_inner).0;
        (rooms.take(), rooms.command.take())
    }

    /// Waits for something to write, but not longer than `time`.
    pub fn news(&self, done: u64, time: Duration) -> Work {
        let idle = self.work.wait_timeout_while(self.lock(), time, |rooms| rooms.told == done);
        idle.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Waits for so long, or until there is a command.
    pub fn pause(&self, time: Duration) -> Option<Command> {
        let idle = self.work.wait_timeout_while(self.lock(), time, |rooms| rooms.command.is_none());
        idle.unwrap_or_else(PoisonError::into_inner).0.command.take()
    }

    /// Tells those who wait that everything up to this call is written, or can't be.
    pub fn done(&self, told: u64, is_failing: bool) {
        self.stalled.store(is_failing, Ordering::Relaxed);
        self.written.send_replace(told);
    }

    pub fn command(&self, command: Command) {
        self.lock().command = Some(command);
        self.work.notify_one();
    }

    pub fn names(&self) -> Vec<String> {
        self.lock().machines.keys().cloned().collect()
    }

    /// What there is to write now, and then a part of what lasts of a room.
    pub fn lasting(&self, room: &str, part: Part, count: usize) -> (Work, Vec<Fact>, Option<Part>) {
        let mut rooms = self.lock();
        let work = rooms.take();
        let (facts, next) = rooms.machines.get(room).map_or_else(Default::default, |room| room.lasting(part, count));
        (work, facts, next)
    }

    pub fn take(&self) -> Work {
        self.lock().take()
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Takes all rooms away: calls find nothing from now on.
    pub fn close(&self) -> (Work, HashMap<String, Room>) {
        let mut rooms = self.lock();
        rooms.phase = Phase::Gone;
        (rooms.take(), std::mem::take(&mut rooms.machines))
    }

    /// They are about to come back.
    pub fn reopen(&self) {
        self.lock().phase = Phase::Opening;
    }

    /// Here they are: calls are answered from now on.
    pub fn open(&self, machines: HashMap<String, Room>) {
        let mut rooms = self.lock();
        rooms.machines = machines;
        rooms.phase = Phase::Serving;
    }

    /// A panic inside a verb would leave a room half changed; the machine has none, and losing one request is better
    /// than losing the line: so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// Puts what a verb did into words for the keeper; `version` is that of the settings before it. `None`: nothing that has
    /// to be kept.
    fn note(&mut self, name: &str, version: u64) -> Option<u64> {
        let machine = self.machines.get_mut(name).filter(|_| self.keeps)?;
        let facts = machine.news();
        let changed = machine.changed().0 != version;
        if facts.is_empty() && !changed {
            return None;
        }
        facts.iter().for_each(|fact| record::write(&mut self.news, name, fact));
        if self.news.len() > PENDING {
            (self.news, self.dropped) = (Vec::new(), true);
        }
        self.settings_changed |= changed;
        self.told += 1;
        Some(self.told)
    }

    fn take(&mut self) -> Work {
        let changed = std::mem::take(&mut self.settings_changed);
        let all = || {
            let rooms = self.machines.iter();
            rooms.filter_map(|(name, room)| Some((name.clone(), KeptSettings::of(room)?))).collect()
        };
        let settings = changed.then(all);
        Work {
            settings,
            news: std::mem::take(&mut self.news),
            dropped: std::mem::take(&mut self.dropped),
            told: self.told,
        }
    }
}

/// A room that nobody was in before.
fn new_room(room: RoomRef<'_>, keeps: bool, now: Time) -> Room {
    if !keeps {
        return Room::new(now.0.max(1), room.defaults);
    }
    let mut machine = Room::recalling(room.defaults, 0, Change::default(), now);
    machine.resume(true, now);
    machine
}
