//! One room on this instance: the snapshot, what is pending, and the calls that do go to the store.

use super::RoomSpec;
use super::pending::Pending;
use super::stays::Stays;
use super::store_clock::StoreClock;
use super::view::{Contact, View};
use crate::queue::{
    Arrival, Change, Entry, Finished, Heartbeat, Life, Newcomer, Renewal, Settings, Standing, Stay, Ticket, Time,
    Visitor,
};
use crate::store::{RoomRef, Store, StoreError};
use crate::telemetry::metrics::RoomMetrics;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// A first registration waits for the sync that carries it, but not longer than this.
const REGISTRATION_WAITS: Duration = Duration::from_millis(450);

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
    limited: Mutex<HashMap<(Visitor, Ticket), Time>>,
    metrics: RoomMetrics,
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
        self.metrics.heartbeats.inc();
        self.pending().heartbeat(heartbeat);
    }

    /// Gathers a first registration and waits for the sync that carries it: so that who is told a place has it.
    pub async fn register(&self, heartbeat: Heartbeat) -> Registration {
        let mut done = self.done.subscribe();
        let carried_by = {
            let mut pending = self.pending();
            self.metrics.heartbeats.inc();
            pending.heartbeat(heartbeat);
            self.begun.load(Ordering::SeqCst) + 1
        };
        let key = (heartbeat.visitor, heartbeat.ticket);
        match tokio::time::timeout(REGISTRATION_WAITS, done.wait_for(|done| *done >= carried_by)).await {
            Ok(Ok(_)) if self.lock_limited().contains_key(&key) => Registration::Limited,
            Ok(Ok(_)) => Registration::Done,
            _ => Registration::Pending,
        }
    }

    /// Gathers the extension of a stay; it goes up with the next sync.
    pub fn renew(&self, renewal: Renewal) {
        self.metrics.renewals.inc();
        self.stays().note(renewal.visitor, renewal.ticket, renewal.stay);
        self.pending().renewal(renewal);
    }

    /// Asks the store for a place, or to let in on the spot.
    pub async fn arrive(&self, newcomer: Newcomer) -> Result<Arrival, Unavailable> {
        let defaults = self.defaults.load();
        let mut arrival = self.told(self.store.arrive(self.reference(&defaults), newcomer).await)?;
        match &mut arrival {
            Arrival::Admitted(stay) => self.taken(newcomer.visitor, newcomer.ticket, *stay),
            Arrival::Entered { position } => *position = self.at_least(*position, newcomer.ticket),
            _ => {}
        }
        Ok(arrival)
    }

    /// Comes in with a ticket where nobody waits.
    pub async fn walk_in(
        &self,
        visitor: Visitor,
        ticket: Ticket,
        address: crate::queue::AddressKey,
    ) -> Result<Arrival, Unavailable> {
        self.arrive(Newcomer { visitor, ticket, address, entry: Entry::WalkIn, until: None, met: Life::default() })
            .await
    }

    /// Asks the store where a visitor stands; takes the turn if it came.
    pub async fn claim(&self, visitor: Visitor, ticket: Ticket) -> Result<Standing, Unavailable> {
        let defaults = self.defaults.load();
        let mut standing = self.told(self.store.claim(self.reference(&defaults), visitor, ticket).await)?;
        match &mut standing {
            Standing::Ready(stay) => self.taken(visitor, ticket, *stay),
            Standing::Waiting { position } => *position = self.at_least(*position, ticket),
            Standing::Spent | Standing::Unknown => {}
        }
        Ok(standing)
    }

    /// A turn was taken by a call. The next sync tells it again: a store that goes back by less than a sync is not found
    /// out, so what happens between two of them must not stand in one call alone.
    fn taken(&self, visitor: Visitor, ticket: Ticket, stay: Stay) {
        if self.stays().note(visitor, ticket, stay) {
            self.pending().renewal(Renewal { visitor, ticket, stay });
        }
    }

    /// While the store is away only a part of the line is counted.
    fn at_least(&self, position: u64, ticket: Ticket) -> u64 {
        let view = self.view();
        if matches!(view.contact, Contact::Alone { .. }) { position.max(view.position(ticket)) } else { position }
    }

    /// Ends a stay: on this instance at once, on the others by their next sync. While the store is away it holds here,
    /// is answered from what the token says (`stay`), and handed in later.
    pub async fn finish(&self, visitor: Visitor, ticket: Ticket, stay: Option<Stay>) -> FinishOutcome {
        if self.is_revoked(visitor, ticket) {
            return FinishOutcome::NotReady;
        }
        let defaults = self.defaults.load();
        let now = self.now();
        match self.told(self.store.finish(self.reference(&defaults), visitor, ticket).await) {
            Ok(Finished::Cleared) => {
                self.metrics.finished.inc();
                self.revoke(visitor, ticket, now.0 * 1000);
                // As in `taken`.
                self.pending().finish(visitor, ticket);
                FinishOutcome::Cleared
            }
            Ok(Finished::NotReady) => FinishOutcome::NotReady,
            Err(Unavailable) if stay.is_some_and(|stay| stay.until > now) => {
                if !self.revoke(visitor, ticket, now.0 * 1000) {
                    return FinishOutcome::NotReady;
                }
                self.metrics.finished.inc();
                self.pending().finish(visitor, ticket);
                FinishOutcome::Cleared
            }
            Err(Unavailable) => FinishOutcome::NotReady,
        }
    }

    /// The settings in force, from the store.
    pub async fn settings(&self) -> Result<Settings, Unavailable> {
        let defaults = self.defaults.load();
        let (_, changed) = self.told(self.store.settings(self.reference(&defaults)).await)?;
        Ok(Settings::with(&defaults, &changed))
    }

    /// Changes what is named: at once here, on the others by their next sync.
    pub async fn change_settings(&self, change: &Change) -> Result<Settings, Unavailable> {
        let defaults = self.defaults.load();
        let (version, changed) = self.told(self.store.put_settings(self.reference(&defaults), change).await)?;
        let settings = Settings::with(&defaults, &changed);
        *self.changed() = (version, changed);
        self.update_view(|view| view.settings = settings.clone());
        Ok(settings)
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
        self.lock_limited().retain(|_, when| *when >= limited_before);
    }

    pub(super) fn note_limited(&self, limited: Vec<(Visitor, Ticket)>, now: Time) {
        if !limited.is_empty() {
            self.lock_limited().extend(limited.into_iter().map(|key| (key, now)));
        }
    }

    fn lock_limited(&self) -> MutexGuard<'_, HashMap<(Visitor, Ticket), Time>> {
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
        stays.into_iter().for_each(|renewal| pending.renewal(renewal));
        revoked.into_iter().for_each(|(visitor, ticket)| pending.finish(visitor, ticket));
    }

    /// A failure makes the contact "lost" until the next sync tells otherwise; the store's own layer logs it. An
    /// instance that is on its own knows already.
    fn told<T>(&self, result: Result<T, StoreError>) -> Result<T, Unavailable> {
        result.map_err(|_| {
            if matches!(self.view().contact, Contact::Shared) {
                self.update_view(|view| view.contact = Contact::Lost);
            }
            Unavailable
        })
    }
}
