//! The one call that a room makes however many wait: heartbeats, renewals and finishes up, the snapshot down.

use super::Rooms;
use super::room::LiveRoom;
use super::view::{Contact, View};
use crate::queue::{Change, HOLD_SECONDS, Known, Rate, Report, Settings, Snapshot, Synced, Time};
use crate::store::StoreError;
use crate::store::fallback::AWAY_AFTER_MS;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often each room syncs. Settings and finishes are known everywhere after two of them.
pub const SYNC_EVERY: Duration = Duration::from_millis(250);
/// At most so many calls are made in one tick; the rest goes up with the next.
const CALLS_PER_TICK: usize = 64;
/// Whoever waits is heard from within a polling period and what an instance needs to start: older places that are shown
/// later were not in the line that a store lost.
const FRESH_SECONDS: u64 = HOLD_SECONDS + 10;
/// Old revocations are looked through so often.
const FORGET_EVERY_SECONDS: u64 = 30;

/// What the task of one room remembers between ticks.
#[derive(Debug, Default)]
pub struct SyncState {
    known: Known,
    rate: Rate,
    forgot: Time,
    /// Since when the store doesn't answer.
    failing_since: Option<Time>,
    /// Whether everybody gets in while it doesn't.
    opens: bool,
    /// The first epoch that was met, where it had only just begun: then nobody here knows what was before.
    fresh: u64,
    /// The settings that a store which forgot them has to be given, with their version.
    restore: Option<(u64, Change)>,
}

impl SyncState {
    /// `opens`: whether everybody gets in while the store is away.
    pub fn new(opens: bool) -> Self {
        Self { opens, ..Self::default() }
    }
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
    let mut state = SyncState::new(rooms.opens());
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
    /// One tick: syncs until what had gathered is handed up and everything new is known. What comes in meanwhile waits for
    /// the next one, or a crowd would keep the calls going for its trickle.
    pub async fn tick(&self, state: &mut SyncState) {
        let mut carried = None;
        for _ in 0..CALLS_PER_TICK {
            let begun = self.begin_sync();
            let (is_last, batch) = {
                let mut pending = self.pending();
                (!pending.overflows(), pending.take())
            };
            let report = Report {
                instance: self.instance,
                known: self.known(state),
                heartbeats: batch.heartbeats.clone(),
                renewals: batch.renewals.clone(),
                finished: batch.finished.clone(),
                settings: state.restore.clone(),
                brief: !is_last,
                ..Report::default()
            };
            let defaults = self.defaults();
            let sent = self.clock().own_micros();
            match self.store.sync(self.reference(&defaults), &report).await {
                Ok(synced) => {
                    let (more, alone) = (synced.more, synced.alone);
                    if alone {
                        self.go_alone(state, synced, &defaults);
                    } else {
                        self.clock().learn(synced.snapshot.taken, sent, self.clock().own_micros());
                        self.apply(state, synced, &defaults, !is_last);
                    }
                    carried = Some(begun);
                    if is_last && !more && state.restore.is_none() {
                        self.caught_up.fetch_or(!alone, Ordering::Relaxed);
                        break;
                    }
                }
                Err(error) => {
                    self.pending().put_back(batch);
                    self.lost(state, &error);
                    break;
                }
            }
        }
        // Only now can those who wait for it be told their places.
        if let Some(begun) = carried {
            self.done.send_replace(begun);
        }
    }

    /// What this instance knows of the store, or that the store's memory is too short for the places that are shown.
    fn known(&self, state: &SyncState) -> Known {
        let known = Known { settings: self.changed().0, ..state.known };
        let is_fresh = state.fresh != 0
            && state.fresh == known.epoch
            && self.now().ms_since(Time(state.fresh)) < FRESH_SECONDS * 1000;
        if self.take_outlived() && is_fresh { Known { epoch: 1, seq: 0, busy: true, ..known } } else { known }
    }

    /// `brief`: the shape of the line was not asked for, and stays as it was known.
    fn apply(&self, state: &mut SyncState, synced: Synced, defaults: &Settings, brief: bool) {
        let Synced { mut snapshot, revocations, settings, limited, .. } = synced;
        let now = snapshot.taken;
        let forgot = if self.meet(state, &snapshot, settings) { now } else { self.view().forgot };
        for revocation in &revocations {
            self.revoke(revocation.visitor, revocation.ticket, revocation.number);
        }
        self.note_limited(limited, now);
        let settings = Settings::with(defaults, &self.changed().1);
        state.known = Known {
            epoch: snapshot.epoch,
            seq: snapshot.seq,
            watermark: snapshot.watermark,
            revoked: revocations.last().map_or(state.known.revoked, |last| last.number),
            settings: 0, // taken from `changed` each time
            window: snapshot.window,
            busy: snapshot.waiting() > 0 || (settings.max_active > 0 && snapshot.ready > 0),
        };
        let mut speed = self.view().speed;
        if !brief {
            speed = state.rate.observe(&snapshot, &settings);
        }
        self.forget_old(state, &settings, now);
        if state.failing_since.take().is_some() {
            tracing::info!(room = self.name(), "the store answers again");
        }
        self.measure(&snapshot, false);
        if brief {
            let view = self.view();
            (snapshot.line, snapshot.late) = (view.snapshot.line.clone(), view.snapshot.late.clone());
        }
        self.update_view(|view| {
            *view = View {
                snapshot: snapshot.clone(),
                settings: settings.clone(),
                speed,
                contact: Contact::Shared,
                forgot,
            };
        });
    }

    /// Another epoch than the one that was known means that the store lost its memory: it is told what is known here.
    /// `true` where that is so.
    fn meet(&self, state: &mut SyncState, snapshot: &Snapshot, settings: Option<(u64, Change)>) -> bool {
        let forgot = state.known.epoch != 0 && state.known.epoch != snapshot.epoch;
        if state.known.epoch == 0 {
            state.fresh = snapshot.epoch;
        }
        if forgot {
            tracing::warn!(room = self.name(), "the store lost its memory, or went back to an older one");
            self.hand_in_all();
            state.known.revoked = 0;
        }
        state.restore = None;
        let Some((version, changed)) = settings else { return forgot };
        let mut known = self.changed();
        let lacks_some =
            |changed: &Change| known.1.iter().any(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        if forgot && (version < known.0 || lacks_some(&changed)) {
            state.restore = Some(known.clone());
        } else {
            *known = (version, changed);
        }
        forgot
    }

    fn forget_old(&self, state: &mut SyncState, settings: &Settings, now: Time) {
        if now.ms_since(state.forgot) > FORGET_EVERY_SECONDS * 1000 {
            state.forgot = now;
            self.forget(now.minus_seconds(settings.memory_seconds()), now.minus_seconds(FORGET_EVERY_SECONDS));
        }
    }

    fn measure(&self, snapshot: &Snapshot, alone: bool) {
        let metrics = self.metrics();
        metrics.waiting.set(i64::try_from(snapshot.waiting()).unwrap_or(i64::MAX));
        metrics.ready.set(i64::try_from(snapshot.ready).unwrap_or(i64::MAX));
        metrics.alone.set(i64::from(alone));
    }

    /// The store is away, and this instance admits its share.
    fn go_alone(&self, state: &mut SyncState, synced: Synced, defaults: &Settings) {
        let now = synced.snapshot.taken;
        self.note_limited(synced.limited, now);
        let settings = Settings::with(defaults, &self.changed().1);
        self.forget_old(state, &settings, now);
        self.measure(&synced.snapshot, true);
        let own = Arc::new(synced.snapshot);
        let since = match self.view().contact {
            Contact::Alone { since, .. } => since,
            _ => {
                tracing::error!(room = self.name(), "the store is away: this instance admits its share by itself");
                now
            }
        };
        self.update_view(|view| {
            view.settings = settings.clone();
            view.contact = Contact::Alone { since, own: Arc::clone(&own) };
        });
    }

    /// One line when it fails first, not four a second.
    fn lost(&self, state: &mut SyncState, error: &StoreError) {
        let now = self.now();
        if state.failing_since.is_none() {
            tracing::error!(room = self.name(), %error, "sync failed; polls and admitted visitors go on without it");
        }
        let since = *state.failing_since.get_or_insert(now);
        let opens = state.opens && now.ms_since(since) >= AWAY_AFTER_MS;
        self.update_view(|view| view.contact = if opens { Contact::Open } else { Contact::Lost });
    }
}
