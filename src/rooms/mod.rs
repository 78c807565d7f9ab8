//! The rooms of this instance: what it knows of each without asking the store.
//!
//! A [`LiveRoom`] answers polls and admitted requests from its last snapshot, gathers heartbeats and renewals, and hands
//! them up with the next sync (`sync.rs`, four times a second, whatever the crowd). It promises that nothing here waits
//! for the store longer than the store's own bound, and that what could not be handed up is kept for the next sync.

mod counted;
mod pending;
mod room;
mod stays;
mod store_clock;
mod sync;
mod view;

pub use counted::CountedStore;
pub use room::{FinishOutcome, LiveRoom, Registration, Unavailable};
pub use store_clock::StoreClock;
pub use sync::{SYNC_EVERY, SyncState, run};
pub use view::{Contact, View};

use crate::queue::Settings;
use crate::store::Store;
use crate::telemetry::metrics::RoomMetrics;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::Arc;

/// A room as the configuration describes it.
#[derive(Clone, Debug)]
pub struct RoomSpec {
    pub name: String,
    /// What holds for settings that nobody changed.
    pub defaults: Settings,
    pub metrics: RoomMetrics,
}

/// All rooms by name.
pub struct Rooms {
    instance: u64,
    store: Arc<dyn Store>,
    clock: Arc<StoreClock>,
    by_name: ArcSwap<HashMap<String, Arc<LiveRoom>>>,
    opens: bool,
}

impl Rooms {
    /// `instance` is a random name of this process; `clock` the store's time, as it learns it; `opens`: whether everybody
    /// gets in while the store is away.
    pub fn new(instance: u64, store: Arc<dyn Store>, clock: Arc<StoreClock>, opens: bool) -> Self {
        Self { instance, store, clock, by_name: ArcSwap::default(), opens }
    }

    /// Takes over what the configuration says: rooms that stay keep everything they know.
    pub fn configure(&self, specs: &[RoomSpec]) {
        let before = self.by_name.load();
        let rooms = specs.iter().map(|spec| {
            let room = before.get(&spec.name).cloned().unwrap_or_else(|| {
                Arc::new(LiveRoom::new(spec, self.instance, Arc::clone(&self.store), Arc::clone(&self.clock)))
            });
            room.set_defaults(&spec.defaults);
            (spec.name.clone(), room)
        });
        self.by_name.store(Arc::new(rooms.collect()));
    }

    pub fn find(&self, name: &str) -> Option<Arc<LiveRoom>> {
        self.by_name.load().get(name).cloned()
    }

    /// Whether everybody gets in while the store is away.
    pub(crate) fn opens(&self) -> bool {
        self.opens
    }

    pub fn all(&self) -> Vec<Arc<LiveRoom>> {
        self.by_name.load().values().cloned().collect()
    }

    /// The store's time, as well as this instance knows it.
    pub fn clock(&self) -> &Arc<StoreClock> {
        &self.clock
    }
}
