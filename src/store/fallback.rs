//! A store that goes on while the shared one is away: a [`Store`] over two.
//!
//! Whether the shared store is there is told by the syncs, four a second and room. After a second of failures nobody asks
//! it any more but a probe, so that a stalled server holds nobody up; every other call is answered by the room's
//! [`StandIn`], where one may stand in, or with [`StoreError::Unavailable`] at once. When a probe gets through, the
//! stand-in hands in what it did ([`HandIn`]) and is gone.
//!
//! Promises: no call waits for a store that is known to be away; no turn is given by itself before a second has passed
//! and the window of the last contact is over; everything that was given is handed in before the shared store admits
//! again at this instance's word.

mod hand_in;
mod stand_in;

use super::{RoomRef, Store, StoreError};
use crate::clock::Clock;
use crate::queue::{
    Alone, Arrival, Change, Finished, Newcomer, Report, Settings, Standing, Synced, Ticket, Time, Visitor,
};
use async_trait::async_trait;
use hand_in::HandIn;
use stand_in::{Last, StandIn};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The shared store is away when its syncs failed for so long.
pub const AWAY_AFTER_MS: u64 = 1000;
/// An answer may be so much later than the caller's patience and still be of use: clocks are not that exact.
const GRACE_MS: u64 = 250;
/// Between two probes.
const PROBE_EVERY_MS: u64 = 500;
/// Calls that hand in what the stand-in did, in one sync.
const HAND_IN_CALLS: usize = 32;

/// The shared store, and what stands in for it.
pub struct Fallback {
    shared: Arc<dyn Store>,
    /// The shared store's time, as this instance knows it.
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// Whether anybody is admitted while it is away.
    stands_in: bool,
    rooms: Mutex<HashMap<String, Arc<Mutex<Contact>>>>,
}

/// How it stands between one room and the shared store.
#[derive(Default)]
struct Contact {
    last: Option<Last>,
    failing_since: Option<Time>,
    away: Option<Away>,
    hand_in: Option<HandIn>,
}

/// The shared store is away.
struct Away {
    since: Time,
    stand_in: Option<StandIn>,
    probe: Option<Probe>,
    probed: Time,
}

/// A sync that finds out whether the store is back.
struct Probe {
    call: JoinHandle<Result<Synced, StoreError>>,
    /// Turns that the stand-in had given when it was sent: those it tells of.
    told: u64,
}

impl Fallback {
    /// `clock`: the shared store's time; `patience`: how long one of its calls may take; `stands_in`: whether this
    /// instance admits its share while the store is away.
    pub fn new(shared: Arc<dyn Store>, clock: Arc<dyn Clock>, patience: Duration, stands_in: bool) -> Self {
        Self { shared, clock, patience, stands_in, rooms: Mutex::default() }
    }

    fn contact(&self, room: RoomRef<'_>) -> Arc<Mutex<Contact>> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rooms.get(room.name) {
            return Arc::clone(known);
        }
        Arc::clone(rooms.entry(room.name.to_owned()).or_default())
    }

    /// The answer of whom the store left in charge; `None` where the store itself answers.
    fn ask<T>(
        &self,
        room: RoomRef<'_>,
        stand_in: impl FnOnce(&mut StandIn, Time) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let contact = self.contact(room);
        let mut contact = lock(&contact);
        let Contact { last, away, .. } = &mut *contact;
        let Some(machine) = &mut away.as_mut()?.stand_in else { return Some(Err(is_away())) };
        let now = self.clock.now();
        machine.follow(room.defaults, last.as_ref(), now);
        Some(stand_in(machine, now))
    }

    /// When a call that is made now is of no use any more.
    fn until(&self) -> Option<Time> {
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        Some(self.clock.now().plus_ms(patience.saturating_add(GRACE_MS)))
    }

    async fn ask_shared(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        let report = Report { until: self.until(), ..report.clone() };
        let result = self.shared.sync(room, &report).await;
        let contact = self.contact(room);
        let mut contact = lock(&contact);
        match &result {
            Ok(synced) => contact.met(synced),
            Err(_) => contact.failed(self, room.defaults),
        }
        result
    }

    /// Hands in what the stand-in did, a bounded part of it; then the caller's own report.
    async fn hand_in(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        for _ in 0..HAND_IN_CALLS {
            let contact = self.contact(room);
            let Some(mut part) = lock(&contact).hand_in.as_mut().and_then(HandIn::next) else {
                break;
            };
            (part.instance, part.known) = (report.instance, report.known);
            if let Err(error) = self.ask_shared(room, &part).await {
                if let Some(rest) = lock(&contact).hand_in.as_mut() {
                    rest.put_back(part);
                }
                return Err(error);
            }
        }
        let contact = self.contact(room);
        let is_done = {
            let mut contact = lock(&contact);
            contact.hand_in.take_if(|rest| rest.is_empty());
            contact.hand_in.is_none()
        };
        let mut synced = self.ask_shared(room, report).await?;
        synced.more |= !is_done;
        Ok(synced)
    }

    /// The stand-in's answer to a sync, and a probe now and then.
    fn sync_away(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        let contact = self.contact(room);
        let mut contact = lock(&contact);
        let now = self.clock.now();
        let Contact { last, away: Some(away), .. } = &mut *contact else { return Err(is_away()) };
        let answer = match &mut away.stand_in {
            Some(stand_in) => {
                stand_in.follow(room.defaults, last.as_ref(), now);
                Ok(stand_in.sync(report, now))
            }
            None => Err(is_away()),
        };
        if away.probe.is_none() && now.ms_since(away.probed) >= PROBE_EVERY_MS {
            away.probed = now;
            away.probe = Some(self.probe(room, report, away, last.as_ref(), now));
        }
        answer
    }

    fn probe(&self, room: RoomRef<'_>, report: &Report, away: &Away, last: Option<&Last>, now: Time) -> Probe {
        let settings = last.map_or_else(|| room.defaults.clone(), |last| last.settings(room.defaults));
        let long = now.ms_since(away.since) > settings.presence_seconds * 250;
        let (window, told) = away.stand_in.as_ref().map(StandIn::given).unwrap_or_default();
        let question = Report {
            instance: report.instance,
            known: report.known,
            alone: Some(Alone { long, window }),
            until: self.until(),
            ..Report::default()
        };
        let (shared, name, defaults) = (Arc::clone(&self.shared), room.name.to_owned(), room.defaults.clone());
        let call =
            tokio::spawn(async move { shared.sync(RoomRef { name: &name, defaults: &defaults }, &question).await });
        Probe { call, told }
    }

    /// Looks after the probe; where it got through, the store is back.
    async fn look_after_probe(&self, room: RoomRef<'_>) {
        let contact = self.contact(room);
        let probe = {
            let mut contact = lock(&contact);
            contact.away.as_mut().and_then(|away| away.probe.take_if(|probe| probe.call.is_finished()))
        };
        let Some(Probe { call, told }) = probe else { return };
        if let Ok(Ok(synced)) = call.await {
            lock(&contact).back(&synced, told, self.clock.now());
        }
    }
}

impl Contact {
    fn met(&mut self, synced: &Synced) {
        self.failing_since = None;
        self.last.get_or_insert_default().learn(synced);
    }

    fn failed(&mut self, store: &Fallback, defaults: &Settings) {
        let now = store.clock.now();
        let since = *self.failing_since.get_or_insert(now);
        if now.ms_since(since) < AWAY_AFTER_MS || self.away.is_some() {
            return;
        }
        // What was not handed in yet stays with the stand-in.
        let unfinished = self.hand_in.take().map(HandIn::into_stand_in);
        let fresh = || self.last.as_ref().map(|last| StandIn::new(last, defaults, now));
        let stand_in = if store.stands_in { unfinished.or_else(fresh) } else { None };
        self.away = Some(Away { since, stand_in, probe: None, probed: now });
    }

    fn back(&mut self, synced: &Synced, told: u64, now: Time) {
        if let Some(last) = &mut self.last {
            last.recount(synced.snapshot.taken);
        }
        self.met(synced);
        if let Some(Away { stand_in: Some(stand_in), .. }) = self.away.take() {
            self.hand_in = Some(HandIn::of(stand_in, told, now));
        }
    }
}

fn lock(contact: &Mutex<Contact>) -> MutexGuard<'_, Contact> {
    contact.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_away() -> StoreError {
    StoreError::Unavailable("it is away".to_owned())
}

#[async_trait]
impl Store for Fallback {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        match self.ask(room, |stand_in, now| stand_in.arrive(newcomer, now)) {
            Some(answer) => answer,
            None => {
                let met = lock(&self.contact(room)).last.as_ref().map(Last::life).unwrap_or_default();
                self.shared.arrive(room, Newcomer { until: self.until(), met, ..newcomer }).await
            }
        }
    }

    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        match self.ask(room, |stand_in, now| stand_in.claim(visitor, ticket, now)) {
            Some(answer) => answer,
            None => self.shared.claim(room, visitor, ticket).await,
        }
    }

    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        match self.ask(room, |stand_in, now| stand_in.finish(visitor, ticket, now)) {
            Some(answer) => answer,
            None => self.shared.finish(room, visitor, ticket).await,
        }
    }

    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        self.look_after_probe(room).await;
        let (is_away, hands_in) = {
            let contact = self.contact(room);
            let contact = lock(&contact);
            (contact.away.is_some(), contact.hand_in.is_some())
        };
        match (is_away, hands_in) {
            (true, _) => self.sync_away(room, report),
            (false, true) => self.hand_in(room, report).await,
            (false, false) => self.ask_shared(room, report).await,
        }
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        match self.ask(room, |_, _| Err(is_away())) {
            Some(answer) => answer,
            None => self.shared.settings(room).await,
        }
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        match self.ask(room, |_, _| Err(is_away())) {
            Some(answer) => answer,
            None => self.shared.put_settings(room, change).await,
        }
    }
}
