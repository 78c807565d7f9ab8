//! The one call that a room makes however many wait: heartbeats, renewals and finishes up, the snapshot down.

use super::room::LiveRoom;
use super::{Rooms, View};
use crate::queue::{Known, Rate, Report, Settings, Synced, Time};
use crate::store::StoreError;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often each room syncs. Settings and finishes are known everywhere after two of them.
pub const SYNC_EVERY: Duration = Duration::from_millis(250);
/// At most so many calls are made in one tick; the rest goes up with the next.
const CALLS_PER_TICK: usize = 64;
/// Old revocations are looked through so often.
const FORGET_EVERY_SECONDS: u64 = 30;

/// What the task of one room remembers between ticks.
#[derive(Debug, Default)]
pub struct SyncState {
    known: Known,
    changed: crate::queue::Change,
    rate: Rate,
    forgot: Time,
    failing: bool,
    /// The epoch, and the turns given in it so far.
    admitted: (u64, u64),
}

/// Keeps every room in step until `stop` says so: a task per room, begun and ended as rooms come and go.
pub async fn run(rooms: Arc<Rooms>, mut stop: watch::Receiver<bool>) {
    let running: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut every = tokio::time::interval(SYNC_EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stopped(&mut stop) => return,
        }
        for room in rooms.all() {
            let mut names = running.lock().unwrap_or_else(PoisonError::into_inner);
            if names.insert(room.name().to_owned()) {
                tokio::spawn(keep_in_step(Arc::clone(&rooms), room, Arc::clone(&running), stop.clone()));
            }
        }
    }
}

async fn keep_in_step(
    rooms: Arc<Rooms>,
    room: Arc<LiveRoom>,
    running: Arc<Mutex<HashSet<String>>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut state = SyncState::default();
    let mut every = tokio::time::interval(SYNC_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while rooms.find(room.name()).is_some_and(|current| Arc::ptr_eq(&current, &room)) {
        tokio::select! {
            _ = every.tick() => room.tick(&mut state).await,
            () = stopped(&mut stop) => break,
        }
    }
    running.lock().unwrap_or_else(PoisonError::into_inner).remove(room.name());
}

/// Returns when it is time to stop, or when nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl LiveRoom {
    /// One tick: syncs until everything is handed up and everything new is known.
    pub async fn tick(&self, state: &mut SyncState) {
        for _ in 0..CALLS_PER_TICK {
            let begun = self.begin_sync();
            let batch = self.pending().take();
            let report = Report {
                instance: self.instance,
                known: state.known,
                heartbeats: batch.heartbeats.clone(),
                renewals: batch.renewals.clone(),
                finished: batch.finished.clone(),
                ..Report::default()
            };
            let defaults = self.defaults();
            let sent = self.clock().own_micros();
            match self.store.sync(self.reference(&defaults), &report).await {
                Ok(synced) => {
                    self.clock().learn(synced.snapshot.taken, sent, self.clock().own_micros());
                    let more = synced.more;
                    self.apply(state, synced, &defaults);
                    self.done.send_replace(begun);
                    if !more && self.pending().is_empty() {
                        return;
                    }
                }
                Err(error) => {
                    self.pending().put_back(batch);
                    self.lost(state, &error);
                    return;
                }
            }
        }
    }

    fn apply(&self, state: &mut SyncState, synced: Synced, defaults: &Settings) {
        let Synced { snapshot, revocations, settings, limited, .. } = synced;
        let now = snapshot.taken;
        for revocation in &revocations {
            self.revoke(revocation.visitor, revocation.ticket, revocation.number);
        }
        if let Some((version, changed)) = settings {
            state.known.settings = version;
            state.changed = changed;
        }
        self.note_limited(limited, now);
        state.known = Known {
            epoch: snapshot.epoch,
            seq: snapshot.seq,
            watermark: snapshot.watermark,
            revoked: revocations.last().map_or(state.known.revoked, |last| last.number),
            settings: state.known.settings,
            window: snapshot.window,
            busy: snapshot.waiting() > 0 || state.rate.per_second(defaults).is_some(),
        };
        let settings = Settings::with(defaults, &state.changed);
        // How fast a line moves shows only while there is one.
        if snapshot.waiting() == 0 {
            state.rate = Rate::default();
        }
        state.rate.observe(now, snapshot.admitted, &settings);
        let rate = state.rate.per_second(&settings);
        if now.ms_since(state.forgot) > FORGET_EVERY_SECONDS * 1000 {
            state.forgot = now;
            self.forget(now.minus_seconds(settings.memory_seconds()), now.minus_seconds(FORGET_EVERY_SECONDS));
        }
        if std::mem::take(&mut state.failing) {
            tracing::info!(room = self.name(), "the store answers again");
        }
        let metrics = self.metrics();
        metrics.waiting.set(i64::try_from(snapshot.waiting()).unwrap_or(i64::MAX));
        metrics.ready.set(i64::try_from(snapshot.ready).unwrap_or(i64::MAX));
        // Turns given before this instance met the store, or by a store that began anew, aren't news.
        if state.admitted.0 == snapshot.epoch {
            metrics.admitted.inc_by(snapshot.admitted.saturating_sub(state.admitted.1));
        }
        state.admitted = (snapshot.epoch, snapshot.admitted);
        self.replace_view(View { snapshot, settings, rate, connected: true });
    }

    /// One line when it fails first, not four a second.
    fn lost(&self, state: &mut SyncState, error: &StoreError) {
        if !std::mem::replace(&mut state.failing, true) {
            tracing::error!(room = self.name(), %error, "sync failed; polls and admitted visitors go on without it");
        }
        self.update_view(|view| view.connected = false);
    }
}
