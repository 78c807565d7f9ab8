//! The embedded store: one [`Room`] machine per room behind a lock.
//!
//! A std mutex, held for one verb: every verb is a bounded computation without I/O or await, far shorter than a wake-up
//! of an async mutex would be.

use super::state::{Kept, StateFile};
use super::{RoomRef, Store, StoreError};
use crate::clock::Clock;
use crate::queue::{Arrival, Change, Finished, Newcomer, Report, Room, Standing, Synced, Ticket, Time, Visitor};
use async_trait::async_trait;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in this process's memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    rooms: Mutex<Rooms>,
    state: Option<StateFile>,
}

#[derive(Default)]
struct Rooms {
    machines: HashMap<String, Room>,
    /// What a former process left of rooms that nobody asked for yet.
    kept: HashMap<String, Kept>,
    saved: Time,
}

impl MemoryStore {
    /// One that forgets everything with the process.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rooms: Mutex::default(), state: None }
    }

    /// One that keeps settings and watermarks in a directory, if there is one.
    ///
    /// # Errors
    /// The directory can't be used.
    pub fn open(clock: Arc<dyn Clock>, directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = directory else { return Ok(Self::new(clock)) };
        let (state, kept) = StateFile::open(directory)?;
        let rooms = Rooms { kept, ..Rooms::default() };
        Ok(Self { clock, rooms: Mutex::new(rooms), state: Some(state) })
    }

    /// A panic inside a verb would leave a room half changed; the machine has none, and losing one request is better
    /// than losing the line: so a poisoned lock is taken all the same.
    fn with<T>(&self, room: RoomRef<'_>, verb: impl FnOnce(&mut Room, Time) -> T) -> T {
        let now = self.clock.now();
        let mut rooms = self.lock();
        let Rooms { machines, kept, .. } = &mut *rooms;
        let machine = machines.entry(room.name.to_owned()).or_insert_with(|| match kept.remove(room.name) {
            Some(kept) => Room::restored(room.defaults, kept.version, kept.changed, kept.watermark, now),
            None => Room::new(now.0.max(1), room.defaults),
        });
        machine.set_defaults(room.defaults);
        verb(machine, now)
    }

    /// Keeps what must survive; now, or where the last time was a while ago.
    fn save(&self, at_once: bool) {
        let Some(state) = &self.state else { return };
        let now = self.clock.now();
        let all: Vec<(String, Kept)> = {
            let mut rooms = self.lock();
            if !at_once && now.ms_since(rooms.saved) < SAVE_EVERY_MS {
                return;
            }
            rooms.saved = now;
            let running = rooms.machines.iter().map(|(name, machine)| (name.clone(), kept_of(machine)));
            running.chain(rooms.kept.iter().map(|(name, kept)| (name.clone(), kept.clone()))).collect()
        };
        state.save(all.into_iter());
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watermarks are written so often.
const SAVE_EVERY_MS: u64 = 1000;

fn kept_of(machine: &Room) -> Kept {
    let (version, changed) = machine.changed();
    Kept { version, changed: changed.clone(), watermark: machine.watermark() }
}

#[async_trait]
impl Store for MemoryStore {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        Ok(self.with(room, |machine, now| machine.arrive(newcomer, now)))
    }

    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        Ok(self.with(room, |machine, now| machine.claim(visitor, ticket, now)))
    }

    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        Ok(self.with(room, |machine, now| machine.finish(visitor, ticket, now)))
    }

    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        let synced = self.with(room, |machine, now| machine.sync(report, now));
        self.save(false);
        Ok(synced)
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        Ok(self.with(room, |machine, _| {
            let (version, changed) = machine.changed();
            (version, changed.clone())
        }))
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        let settings = self.with(room, |machine, _| {
            let (version, changed) = machine.put_settings(change);
            (version, changed.clone())
        });
        self.save(true);
        Ok(settings)
    }
}
