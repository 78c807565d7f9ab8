//! An instance's own machine, while the shared store is away: it gives this instance's share.
//!
//! Instances that can't talk can't agree: order and "one place each" hold among those whom this instance heard. Only the
//! store knows which of the tickets up to its watermark are spent, so those wait for it: their place is kept. But who was
//! called in the last seconds before the store was lost, and did not hear it, stands at the head of the line here: no turn
//! is so short that it could be over already.

use crate::queue::{
    Arrival, Change, Finished, Heartbeat, INSTANCE_SECONDS, Known, Life, Mode, Newcomer, Report, Room, SETTLE_MS,
    Settings, Snapshot, Standing, Synced, Ticket, Time, Visitor, Window,
};
use crate::store::StoreError;
use std::collections::{HashMap, VecDeque};

/// More heartbeats of tickets that wait for the store are not kept: they come again.
const KEPT: usize = 200_000;

/// Who was called so lately may not have heard it.
const LATELY_MS: u64 = 5000;
/// For so long such a ticket may take a turn here: less than the shortest ready time, so it is no second one.
const CALLED_MS: u64 = 30_000;

/// What the shared store said last.
#[derive(Clone, Debug, Default)]
pub struct Last {
    life: Life,
    watermark: Ticket,
    /// Earlier ones with their time, of the last seconds.
    watermarks: VecDeque<(Time, Ticket)>,
    ready: u64,
    /// The most that were counted lately, and when that was.
    instances: u64,
    counted: Time,
    changed: Change,
}

impl Last {
    pub fn learn(&mut self, synced: &Synced) {
        let Snapshot { epoch, seq, watermark, ready, instances, taken, .. } = synced.snapshot;
        self.life = Life { epoch, seq };
        (self.watermark, self.ready) = (watermark, ready);
        if instances >= self.instances || taken.ms_since(self.counted) > INSTANCE_SECONDS * 1000 {
            (self.instances, self.counted) = (instances, taken);
        }
        if self.watermarks.back().is_none_or(|(_, known)| *known != watermark) {
            self.watermarks.push_back((taken, watermark));
        }
        while self.watermarks.get(1).is_some_and(|(when, _)| taken.ms_since(*when) >= LATELY_MS) {
            self.watermarks.pop_front();
        }
        if let Some((_, changed)) = &synced.settings {
            self.changed.clone_from(changed);
        }
    }

    /// The store is back after an outage, but not every instance may have found it yet: those of before it still count.
    pub fn recount(&mut self, now: Time) {
        self.counted = self.counted.max(now);
    }

    /// The watermark some seconds before this moment.
    fn earlier_watermark(&self, now: Time) -> Ticket {
        let mut earlier = self.watermarks.iter().filter(|(when, _)| now.ms_since(*when) >= LATELY_MS);
        earlier.next_back().or_else(|| self.watermarks.front()).map_or(self.watermark, |(_, watermark)| *watermark)
    }

    /// Which state of it that was.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// The settings in force.
    pub fn settings(&self, defaults: &Settings) -> Settings {
        Settings::with(defaults, &self.changed)
    }
}

/// The machine.
#[derive(Debug)]
pub struct StandIn {
    room: Room,
    /// The store's watermark, and that of some seconds earlier for as long as it matters: of tickets up to it only the
    /// store knows whether they are spent.
    floor: Ticket,
    earlier_floor: Ticket,
    began: Time,
    instances: u64,
    /// This instance's share of the turns that are held and that it has not seen yet, and when the last of them ends.
    unseen: u64,
    unseen_until: Time,
    /// Heartbeats of tickets up to the floor.
    kept: HashMap<Visitor, Heartbeat>,
}

impl StandIn {
    pub fn new(last: &Last, defaults: &Settings, now: Time) -> Self {
        let settings = last.settings(defaults);
        let instances = last.instances.max(1);
        let from = Window::next_start(&settings, now).max(now.plus_ms(SETTLE_MS));
        Self {
            room: Room::alone(now.0.max(1), &settings.share(instances), last.watermark, from),
            floor: last.watermark,
            earlier_floor: last.earlier_watermark(now),
            began: now,
            instances,
            unseen: last.ready.div_ceil(instances),
            unseen_until: now.plus_seconds(settings.ready_ttl_seconds),
            kept: HashMap::new(),
        }
    }

    /// Brings the settings up to date: those in force, this instance's share of them, less the places that are taken by
    /// people it has not seen.
    pub fn follow(&mut self, defaults: &Settings, last: Option<&Last>, now: Time) {
        if self.earlier_floor < self.floor && now.ms_since(self.began) >= CALLED_MS {
            self.earlier_floor = self.floor;
            self.room.send_away(self.floor).into_iter().for_each(|heartbeat| self.keep(heartbeat));
        }
        if now >= self.unseen_until {
            self.unseen = 0;
        }
        let whole = last.map_or_else(|| defaults.clone(), |last| last.settings(defaults));
        let mut share = whole.share(self.instances);
        if share.max_active > 0 && self.unseen > 0 {
            share.max_active = share.max_active.saturating_sub(self.unseen);
            // 0 would mean "no cap".
            if share.max_active == 0 && share.mode == Mode::Auto {
                share.mode = Mode::Pause;
            }
        }
        self.room.set_defaults(&share);
    }

    /// As [`Room::arrive`].
    pub fn arrive(&mut self, newcomer: Newcomer, now: Time) -> Result<Arrival, StoreError> {
        if newcomer.ticket <= self.floor {
            return Err(only_the_store_knows());
        }
        Ok(self.room.arrive(newcomer, now))
    }

    /// As [`Room::claim`].
    pub fn claim(&mut self, visitor: Visitor, ticket: Ticket, now: Time) -> Result<Standing, StoreError> {
        if self.may_be_spent(visitor, ticket) {
            return Err(only_the_store_knows());
        }
        Ok(self.room.claim(visitor, ticket, now))
    }

    /// As [`Room::finish`], of the turns that are known here.
    pub fn finish(&mut self, visitor: Visitor, ticket: Ticket, now: Time) -> Result<Finished, StoreError> {
        if !self.room.knows(visitor, ticket) {
            return Err(only_the_store_knows());
        }
        Ok(self.room.finish(visitor, ticket, now))
    }

    /// As [`Room::sync`].
    pub fn sync(&mut self, report: &Report, now: Time) -> Synced {
        let seen = report.renewals.iter().map(|renewal| (renewal.visitor, renewal.ticket));
        let seen = seen.chain(report.finished.iter().copied());
        let new = seen.filter(|(visitor, ticket)| !self.room.knows(*visitor, *ticket)).count();
        self.unseen = self.unseen.saturating_sub(new as u64);
        let (may_be_spent, heartbeats): (Vec<Heartbeat>, Vec<Heartbeat>) =
            report.heartbeats.iter().partition(|beat| self.may_be_spent(beat.visitor, beat.ticket));
        may_be_spent.into_iter().for_each(|heartbeat| self.keep(heartbeat));
        // Every finish that was taken here is known here already.
        let known = Known { revoked: u64::MAX, ..Known::default() };
        let report = Report {
            instance: report.instance,
            known,
            heartbeats,
            renewals: report.renewals.clone(),
            finished: report.finished.clone(),
            ..Report::default()
        };
        Synced { settings: None, alone: true, ..self.room.sync(&report, now) }
    }

    fn keep(&mut self, heartbeat: Heartbeat) {
        if self.kept.len() < KEPT {
            self.kept.insert(heartbeat.visitor, heartbeat);
        }
    }

    fn may_be_spent(&self, visitor: Visitor, ticket: Ticket) -> bool {
        ticket <= self.earlier_floor && !self.room.knows(visitor, ticket) && !self.room.waits(visitor)
    }

    /// The turns given in the window of the last one, and all that were given.
    pub fn given(&self) -> (Window, u64) {
        self.room.given()
    }

    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Those who wait for the store.
    pub fn kept(&self) -> impl Iterator<Item = Heartbeat> {
        self.kept.values().copied()
    }
}

fn only_the_store_knows() -> StoreError {
    StoreError::Unavailable("it is away, and only it knows this ticket".to_owned())
}
