//! One room on this instance: the snapshot, what is pending, and the calls that do go to the store.

use super::RoomSpec;
use super::pending::Pending;
use super::stays::Stays;
use super::store_clock::StoreClock;
use super::view::{Contact, View};
use crate::queue::{Change, Heartbeat, Renewal, Settings, Ticket, Time, Visitor};
use crate::store::{RoomRef, Store};
use crate::telemetry::metrics::RoomMetrics;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

mod calls;

/// What waits for the sync that carries it doesn't wait longer than this.
const CARRIED_WITHIN: Duration = Duration::from_millis(450);

/// The store gave no answer; nothing is lost, the call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is not available")]
pub struct Unavailable;

/// What became of a first registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The store has it.
    Done,
    /// Over the limit of the address; took no place.
    Limited,
    /// Not yet known: it goes up with a later sync.
    Pending,
}

/// The answer to a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishOutcome {
    Cleared,
    NotReady,
}

/// One room.
pub struct LiveRoom {
    pub(super) name: String,
    pub(super) instance: u64,
    pub(super) store: Arc<dyn Store>,
    clock: Arc<StoreClock>,
    defaults: ArcSwap<Settings>,
    view: ArcSwap<View>,
    /// All settings ever changed, as last heard of, with their version.
    changed: Mutex<(u64, Change)>,
    pending: Mutex<Pending>,
    /// Finished turns and their numbers; read on every admitted request.
    revoked: RwLock<HashMap<(Visitor, Ticket), u64>>,
    stays: Mutex<Stays>,
    /// Registrations refused of late, with when: answered by the poll that waits for them.
    limited: Mutex<HashMap<(Visitor, Ticket), (Time, u64)>>,
    metrics: RoomMetrics,
    outlived: AtomicBool,
    /// Whether everything that was news to a fresh instance came down once.
    pub(super) caught_up: AtomicBool,
    /// How many syncs were begun: a heartbeat goes up with the next one.
    begun: AtomicU64,
    /// How many were finished, for those who wait for one.
    pub(super) done: watch::Sender<u64>,
}

impl LiveRoom {
    pub(super) fn new(spec: &RoomSpec, instance: u64, store: Arc<dyn Store>, clock: Arc<StoreClock>) -> Self {
        let view = View { settings: spec.defaults.clone(), ..View::default() };
        Self {
            name: spec.name.clone(),
            instance,
            store,
            clock,
            defaults: ArcSwap::from_pointee(spec.defaults.clone()),
            view: ArcSwap::from_pointee(view),
            changed: Mutex::default(),
            pending: Mutex::default(),
            revoked: RwLock::default(),
            stays: Mutex::default(),
            limited: Mutex::default(),
            metrics: spec.metrics.clone(),
            outlived: AtomicBool::new(false),
            caught_up: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            done: watch::Sender::new(0),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known now; take it once per request.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// What is counted of this room.
    pub fn metrics(&self) -> &RoomMetrics {
        &self.metrics
    }

    /// The store's time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The store's clock as this instance knows it.
    pub fn clock(&self) -> &StoreClock {
        &self.clock
    }

    /// Whether this turn was finished before its time, as far as this instance has heard.
    pub fn is_revoked(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains_key(&(visitor, ticket))
    }

    /// Gathers a sign of life; it goes up with the next sync.
    pub fn heartbeat(&self, heartbeat: Heartbeat) {
        self.heard_of(heartbeat.ticket);
        self.metrics.heartbeats.inc();
        self.pending().heartbeat(heartbeat);
    }

    /// Gathers a first registration and waits for the sync that carries it: so that who is told a place has it.
    pub async fn register(&self, heartbeat: Heartbeat) -> Registration {
        self.heard_of(heartbeat.ticket);
        let key = (heartbeat.visitor, heartbeat.ticket);
        let carried_by = {
            let mut pending = self.pending();
            self.metrics.heartbeats.inc();
            let before = pending.heartbeat(heartbeat);
            self.begun.load(Ordering::SeqCst) + 1 + before
        };
        match self.is_carried(carried_by).await {
            // A refusal of before is no answer to this.
            true if self.lock_limited().get(&key).is_some_and(|(_, sync)| *sync >= carried_by) => Registration::Limited,
            true => Registration::Done,
            false => Registration::Pending,
        }
    }

    /// Somebody waits with a place that is older than the store's memory: it had a line before, and lost it.
    fn heard_of(&self, ticket: Ticket) {
        let view = self.view.load();
        let is_older = ticket.minted().0 < view.snapshot.epoch && view.snapshot.hold_until == Time(0);
        if is_older && matches!(view.contact, Contact::Shared) {
            self.outlived.store(true, Ordering::Relaxed);
        }
    }

    /// Whether such a place was heard of since this was asked last.
    pub(super) fn take_outlived(&self) -> bool {
        self.outlived.swap(false, Ordering::Relaxed)
    }

    /// Whether every stay that was finished before this instance began is known.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Relaxed)
    }

    /// Gathers the extension of a stay; it goes up with the next sync, whose number is the answer.
    pub fn renew(&self, renewal: Renewal) -> u64 {
        self.metrics.renewals.inc();
        self.stays().note(renewal.visitor, renewal.ticket, renewal.stay);
        let mut pending = self.pending();
        let before = pending.renewal(renewal);
        self.begun.load(Ordering::SeqCst) + 1 + before
    }

    /// Waits for the sync of that number, but not for long.
    async fn is_carried(&self, by: u64) -> bool {
        let mut done = self.done.subscribe();
        tokio::time::timeout(CARRIED_WITHIN, done.wait_for(|done| *done >= by)).await.is_ok_and(|done| done.is_ok())
    }

    pub(super) fn set_defaults(&self, defaults: &Settings) {
        self.defaults.store(Arc::new(defaults.clone()));
    }

    pub(super) fn defaults(&self) -> Arc<Settings> {
        self.defaults.load_full()
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self) -> MutexGuard<'_, (u64, Change)> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stays(&self) -> MutexGuard<'_, Stays> {
        self.stays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_sync(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn update_view(&self, change: impl Fn(&mut View)) {
        self.view.rcu(|view| {
            let mut next = View::clone(view);
            change(&mut next);
            next
        });
    }

    /// `true` where it wasn't known yet.
    pub(super) fn revoke(&self, visitor: Visitor, ticket: Ticket, number: u64) -> bool {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.insert((visitor, ticket), number).is_none()
    }

    /// Forgets revocations that no token can outlive, and refusals that were answered.
    pub(super) fn forget(&self, revoked_before: Time, limited_before: Time) {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, number| *number >= revoked_before.0 * 1000);
        drop(revoked);
        self.stays().forget(revoked_before);
        self.lock_limited().retain(|_, (when, _)| *when >= limited_before);
    }

    pub(super) fn note_limited(&self, limited: Vec<(Visitor, Ticket)>, now: Time) {
        if !limited.is_empty() {
            let sync = self.begun.load(Ordering::SeqCst);
            self.lock_limited().extend(limited.into_iter().map(|key| (key, (now, sync))));
        }
    }

    fn lock_limited(&self) -> MutexGuard<'_, HashMap<(Visitor, Ticket), (Time, u64)>> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reference<'a>(&'a self, defaults: &'a Settings) -> RoomRef<'a> {
        RoomRef { name: &self.name, defaults }
    }

    /// Every finished turn and every stay that this instance knows of, for a store that lost its memory.
    pub(super) fn hand_in_all(&self) {
        let stays: Vec<_> = self.stays().all().collect();
        let revoked: Vec<_> = {
            let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
            revoked.keys().copied().collect()
        };
        let mut pending = self.pending();
        for renewal in stays {
            pending.renewal(renewal);
        }
        revoked.into_iter().for_each(|(visitor, ticket)| pending.finish(visitor, ticket));
    }
}
