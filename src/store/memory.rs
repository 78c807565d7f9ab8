//! The embedded store: one [`Room`] machine per room behind a lock.
//!
//! A std mutex, held for one verb: every verb is a bounded computation without I/O or await, far shorter than a wake-up
//! of an async mutex would be.

use super::{RoomRef, Store, StoreError};
use crate::clock::Clock;
use crate::queue::{Arrival, Change, Finished, Newcomer, Report, Room, Standing, Synced, Ticket, Time, Visitor};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A store in this process's memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    rooms: Mutex<HashMap<String, Room>>,
}

impl MemoryStore {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rooms: Mutex::default() }
    }

    /// A panic inside a verb would leave a room half changed; the machine has none, and losing one request is better
    /// than losing the line: so a poisoned lock is taken all the same.
    fn with<T>(&self, room: RoomRef<'_>, verb: impl FnOnce(&mut Room, Time) -> T) -> T {
        let now = self.clock.now();
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = rooms.entry(room.name.to_owned()).or_insert_with(|| Room::new(now.0.max(1), room.defaults));
        machine.set_defaults(room.defaults);
        verb(machine, now)
    }
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
        Ok(self.with(room, |machine, now| machine.sync(report, now)))
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        Ok(self.with(room, |machine, _| {
            let (version, changed) = machine.changed();
            (version, changed.clone())
        }))
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        Ok(self.with(room, |machine, _| {
            let (version, changed) = machine.put_settings(change);
            (version, changed.clone())
        }))
    }
}
