//! The machine of one room: arrive, sync, claim, finish.
//!
//! Every verb takes `now` and does a bounded amount of work. `store/redis/*.lua` is the same machine; each script names
//! the function here that it mirrors.

use super::entries::Entries;
use super::epoch::{Epoch, HOLD_SECONDS, SETTLE_MS};
use super::line::{Line, Waiting};
use super::turns::Turns;
use super::{
    AddressKey, Arrival, Change, Entry, Fact, Finished, Heartbeat, Mode, Newcomer, Renewal, Report, STEPS, Settings,
    Snapshot, Standing, Stay, Synced, Ticket, Time, Visitor, Window,
};
use std::collections::HashMap;

mod lasting;
mod lives;

/// An instance that didn't sync for so long isn't counted any more.
pub const INSTANCE_SECONDS: u64 = 10;

/// One waiting room.
#[derive(Clone, Debug, Default)]
pub struct Room {
    defaults: Settings,
    changed: Change,
    version: u64,
    settings: Settings,
    /// The presence that counts, in seconds, and when it last was the one that is set; see `settle_presence`.
    presence: u64,
    settled: Time,
    line: Line,
    turns: Turns,
    window: Window,
    watermark: Ticket,
    admitted: u64,
    epoch: Epoch,
    last: Time,
    /// When the caller of the running verb gives up.
    until: Option<Time>,
    entries: Entries,
    /// When each instance synced last, and the number of that sync.
    instances: HashMap<u64, (Time, u64)>,
    /// [`Fact::Given`] as the last [`Room::news`] told it, or a former process.
    told: Option<Fact>,
}

impl Room {
    /// An empty room. `epoch` names this state of the store: any number but 0 that no earlier state had.
    pub fn new(epoch: u64, defaults: &Settings) -> Self {
        Self { defaults: defaults.clone(), settings: defaults.clone(), epoch: Epoch::new(epoch), ..Self::default() }
    }

    /// What holds for settings that nobody changed.
    pub fn set_defaults(&mut self, defaults: &Settings) {
        if self.defaults != *defaults {
            self.defaults.clone_from(defaults);
            self.settings = Settings::with(defaults, &self.changed);
        }
    }

    /// All settings ever changed, and their version.
    pub fn changed(&self) -> (u64, &Change) {
        (self.version, &self.changed)
    }

    /// Changes settings; what isn't named stays. Never touches the line.
    pub fn put_settings(&mut self, change: &Change, now: Time) -> (u64, &Change) {
        self.changed.merge(change);
        self.settings = Settings::with(&self.defaults, &self.changed);
        // A moment, so that of two lives of a store the newer settings can be told from the older ones.
        self.version = (self.version + 1).max(now.0);
        (self.version, &self.changed)
    }

    /// Takes what an instance knows of settings that this store may have forgotten, or has only in an older state.
    fn restore_settings(&mut self, version: u64, known: &Change) {
        let is_newer = version > self.version;
        let (mut all, newer) = if is_newer { (self.changed.clone(), known) } else { (known.clone(), &self.changed) };
        all.merge(newer);
        if all != self.changed {
            self.changed = all;
            self.settings = Settings::with(&self.defaults, &self.changed);
            self.version = self.version.max(version) + 1;
        }
    }

    /// Somebody asks for a place, or to walk in.
    pub fn arrive(&mut self, newcomer: Newcomer, now: Time) -> Arrival {
        let now = self.begin(now);
        self.settle_presence(now);
        let Newcomer { visitor, ticket, address, entry, until, met } = newcomer;
        // The instances tell a store what it forgot with their next sync.
        self.until = if self.epoch.is_behind(met) { Some(Time::default()) } else { until };
        if let Some(known) = self.already(newcomer) {
            return known;
        }
        if self.settings.mode == Mode::Closed {
            return Arrival::Closed;
        }
        if entry == Entry::WalkIn && (!self.line.is_empty() || self.free(now) == 0) {
            return Arrival::Busy;
        }
        if let Some(retry_after) = self.count_entry(address, now) {
            return Arrival::Limited { retry_after };
        }
        if entry == Entry::WalkIn {
            self.offer(visitor, ticket, false, now);
            return self.turns.claim(visitor, &self.settings, now).map_or(Arrival::Busy, Arrival::Admitted);
        }
        self.line.enter(visitor, Waiting { ticket, seen: now, late: false });
        let position = self.line.position(ticket);
        self.admit(now);
        Arrival::Entered { position }
    }

    /// What there is of this visitor: the first result again where the ticket is the same.
    fn already(&self, newcomer: Newcomer) -> Option<Arrival> {
        let Newcomer { visitor, ticket, entry, .. } = newcomer;
        if let Some(turn) = self.turns.find(visitor) {
            return Some(match turn.since {
                Some(since) if turn.ticket == ticket && entry == Entry::WalkIn => {
                    Arrival::Admitted(Stay { since, until: turn.until })
                }
                None if turn.ticket == ticket => Arrival::Entered { position: 1 },
                _ => Arrival::AlreadyReady,
            });
        }
        if self.turns.spent.contains(visitor, ticket) {
            return Some(Arrival::AlreadyReady);
        }
        let waiting = self.line.find(visitor)?;
        let position = self.line.position(waiting.ticket);
        let same = waiting.ticket == ticket;
        Some(if same { Arrival::Entered { position } } else { Arrival::AlreadyWaiting { position } })
    }

    /// Where a visitor stands; a turn that came is taken.
    pub fn claim(&mut self, visitor: Visitor, ticket: Ticket, now: Time) -> Standing {
        let now = self.begin(now);
        if self.turns.holds(visitor, ticket) {
            let stay = self.turns.claim(visitor, &self.settings, now);
            return stay.map_or(Standing::Unknown, Standing::Ready);
        }
        if self.turns.spent.contains(visitor, ticket) {
            return Standing::Spent;
        }
        match self.line.find(visitor) {
            Some(waiting) if waiting.ticket <= ticket => {
                self.line.touch(visitor, now);
                Standing::Waiting { position: self.line.position(waiting.ticket) }
            }
            _ => Standing::Unknown,
        }
    }

    /// Ends a turn before its time. Of several calls one gets `Cleared`.
    pub fn finish(&mut self, visitor: Visitor, ticket: Ticket, now: Time) -> Finished {
        let now = self.begin(now);
        if !self.turns.holds(visitor, ticket) {
            return Finished::NotReady;
        }
        self.turns.revoke(visitor, ticket, now);
        Finished::Cleared
    }

    /// Takes what an instance has to tell, admits whoever's turn it is, tells what is new.
    pub fn sync(&mut self, report: &Report, now: Time) -> Synced {
        let now = self.begin(now);
        self.settle_presence(now);
        self.until = report.until;
        self.meet(report, now);
        for (visitor, ticket) in &report.finished {
            self.hand_in_finish(*visitor, *ticket, now);
        }
        for renewal in &report.renewals {
            self.take_renewal(*renewal, now);
        }
        let mut limited = Vec::new();
        for heartbeat in &report.heartbeats {
            if !self.heartbeat(*heartbeat, now) {
                limited.push((heartbeat.visitor, heartbeat.ticket));
            }
        }
        self.sweep(now);
        let more = self.admit(now);
        let revocations = self.turns.revoked.after(report.known.revoked, Synced::REVOCATIONS);
        Synced {
            snapshot: self.snapshot(report.brief, now),
            more: more || revocations.len() == Synced::REVOCATIONS,
            revocations,
            settings: (report.known.settings != self.version).then(|| (self.version, self.changed.clone())),
            limited,
            alone: false,
        }
    }

    /// The store's time never goes back, and turns that ended are over before anything else is looked at.
    fn begin(&mut self, now: Time) -> Time {
        self.last = self.last.max(now);
        self.until = None;
        self.turns.expire(self.last, STEPS);
        self.last
    }

    /// A longer presence counts at once, a shorter one after half of the old: everybody in line was told to come back
    /// within a third of that, and would be absent without having stayed away.
    fn settle_presence(&mut self, now: Time) {
        let set = self.settings.presence_seconds;
        if set >= self.presence || now.ms_since(self.settled) >= self.presence.saturating_mul(500) {
            self.presence = set;
            self.settled = now;
        }
    }

    /// Notes an instance, and takes over what it knows better.
    fn meet(&mut self, report: &Report, now: Time) {
        let known = report.known;
        self.instances.retain(|_, (last, _)| *last >= now.minus_seconds(INSTANCE_SECONDS));
        let before = self.instances.remove(&report.instance).map(|(_, seq)| seq);
        let others = !self.instances.is_empty();
        if self.epoch.meet(known, before, now) {
            self.window = self.window.at_least(known.window, &self.settings, now);
        }
        self.instances.insert(report.instance, (now, self.epoch.seq));
        self.watermark = self.watermark.max(known.watermark);
        if let Some((version, changed)) = &report.settings {
            self.restore_settings(*version, changed);
        }
        if let Some(alone) = report.alone {
            self.window = self.window.plus(alone.window, &self.settings, now);
            self.epoch.hold(now.plus_ms(SETTLE_MS));
            if alone.long && !others && !self.line.is_empty() {
                self.epoch.hold(now.plus_seconds(HOLD_SECONDS));
            }
        }
    }

    fn take_renewal(&mut self, renewal: Renewal, now: Time) {
        let Renewal { visitor, ticket, .. } = renewal;
        if !self.turns.renew(renewal, &self.settings, now) {
            return;
        }
        let is_its_place = |waiting: Waiting| waiting.ticket == ticket;
        if self.turns.holds(visitor, ticket) || self.line.find(visitor).is_some_and(is_its_place) {
            self.line.leave(visitor);
        }
        self.watermark = self.watermark.max(ticket);
    }

    fn hand_in_finish(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        if self.line.find(visitor).is_some_and(|waiting| waiting.ticket == ticket) {
            self.line.leave(visitor);
        }
        self.watermark = self.watermark.max(ticket);
        self.turns.revoke(visitor, ticket, now);
    }

    /// Registers or refreshes a place; `false` where the address is over its limit.
    fn heartbeat(&mut self, heartbeat: Heartbeat, now: Time) -> bool {
        let Heartbeat { visitor, ticket, late, first } = heartbeat;
        if ticket <= self.watermark && self.turns.is_over(visitor, ticket) {
            return true;
        }
        match self.line.find(visitor) {
            Some(waiting) if waiting.ticket <= ticket => self.line.touch(visitor, now),
            Some(waiting) => self.line.enter(visitor, Waiting { ticket, seen: now, late: late || waiting.late }),
            None if first.is_some() && self.settings.mode == Mode::Closed => {}
            None if first.is_some_and(|address| self.count_entry(address, now).is_some()) => return false,
            None => self.line.enter(visitor, Waiting { ticket, seen: now, late }),
        }
        true
    }

    /// Counts a first registration; `Some(seconds)` where the address has to wait so long.
    fn count_entry(&mut self, address: AddressKey, now: Time) -> Option<u64> {
        self.entries.count(address, &self.settings, now)
    }

    /// How many may be given a turn now.
    fn free(&self, now: Time) -> u64 {
        let is_late = self.until.is_some_and(|until| now > until);
        if !self.settings.mode.admits() || now < self.epoch.hold_until || is_late {
            return 0;
        }
        let left = self.window.left(&self.settings, now);
        match self.settings.max_active {
            0 => left,
            cap => left.min(cap.saturating_sub(self.turns.len() as u64)),
        }
    }

    /// Gives a turn to whoever's it is; the absent leave the line as they are met. `true`: the bound of one call was
    /// reached before the end.
    fn admit(&mut self, now: Time) -> bool {
        let present_since = now.minus_seconds(self.presence);
        for _ in 0..STEPS {
            if self.free(now) == 0 {
                return false;
            }
            let Some((ticket, visitor)) = self.line.next(self.window.late) else { return false };
            let Some(waiting) = self.line.leave(visitor) else { return false };
            if waiting.seen >= present_since && self.turns.may_take(visitor, ticket) {
                self.offer(visitor, ticket, waiting.late, now);
            }
        }
        self.free(now) > 0 && !self.line.is_empty()
    }

    fn offer(&mut self, visitor: Visitor, ticket: Ticket, late: bool, now: Time) {
        self.window = self.window.after_turn(&self.settings, now, late);
        self.admitted += 1;
        self.watermark = self.watermark.max(ticket);
        self.turns.offer(visitor, ticket, now.plus_seconds(self.presence));
    }

    /// Housekeeping: the absent leave the line, old memories go.
    fn sweep(&mut self, now: Time) {
        self.line.sweep(now.minus_seconds(self.presence), STEPS);
        self.turns.trim(now.minus_seconds(self.settings.memory_seconds()), STEPS);
        self.entries.trim(now.minus_seconds(self.settings.ip_enqueue_limit_interval));
    }

    fn snapshot(&self, brief: bool, now: Time) -> Snapshot {
        let (line, late) = if brief { self.line.lengths() } else { self.line.ranks() };
        Snapshot {
            taken: now,
            epoch: self.epoch.name,
            seq: self.epoch.seq,
            line,
            late,
            ready: self.turns.len() as u64,
            watermark: self.watermark,
            admitted: self.admitted,
            window: self.window.at(&self.settings, now),
            hold_until: self.epoch.hold_until,
            instances: self.instances.len() as u64,
        }
    }
}
