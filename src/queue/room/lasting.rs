//! What of a room outlives its process, and how a room is made of it again.

use super::super::turns::{Part, Turns};
use super::super::{Change, Fact, Revocation, Settings, Stay, Time, Window};
use super::Room;
use crate::queue::Condition;
use crate::queue::epoch::{Epoch, HOLD_SECONDS};

/// What is older than any setting lets a room remember is not recalled: a room that nobody asks for would keep it for ever.
const LONGEST_SECONDS: u64 = 86_400 + 3600;
/// A time that lies further ahead than this was told by a clock that was wrong: the present one is believed.
const AHEAD_SECONDS: u64 = 60;

impl Room {
    /// An empty room that will be told what was so ([`Room::recall`]) and then goes on ([`Room::resume`]). What it does
    /// from now on is told by [`Room::news`].
    pub fn recalling(defaults: &Settings, version: u64, changed: Change, now: Time) -> Self {
        let settings = Settings::with(defaults, &changed);
        let turns = Turns::telling();
        Self { version, changed, settings, turns, ..Self::new(now.0.max(1), defaults) }
    }

    /// Takes what a former process knew. A time that lies ahead is cut: the clock may have been set back.
    pub fn recall(&mut self, fact: Fact, now: Time) {
        let oldest = now.minus_seconds(LONGEST_SECONDS);
        match fact {
            Fact::Given { window, watermark, .. } => {
                self.told = Some(fact);
                if window.last >= self.window.last {
                    self.window = Window { last: window.last.min(now), ..window };
                }
                self.watermark = self.watermark.max(watermark);
            }
            Fact::Waiting { visitor, mut waiting } => {
                waiting.seen = waiting.seen.min(now);
                self.line.enter(visitor, waiting);
            }
            Fact::Entries { address, since, count } => {
                self.entries.restore(address, since, count);
            }
            Fact::Instance { name, last, seq } => {
                self.instances.insert(name, (last.min(now), seq));
            }
            Fact::Condition(condition) => {
                let Condition { presence, settled, admitted, epoch, seq, hold_until, held, last } = condition;
                (self.presence, self.settled, self.admitted) = (presence, settled.min(now), admitted);
                let hold_until = hold_until.min(now.plus_seconds(HOLD_SECONDS));
                self.epoch = Epoch { name: epoch, seq, hold_until, held };
                self.last = if last > now.plus_seconds(AHEAD_SECONDS) { now } else { last };
            }
            Fact::Stay { stay: Stay { until: at, .. }, .. } | Fact::Spent { at, .. } if at < oldest => {}
            Fact::Revoked(Revocation { number, .. }) if Time(number / 1000) < oldest => {}
            Fact::Stay { ticket, .. } | Fact::Spent { ticket, .. } | Fact::Revoked(Revocation { ticket, .. }) => {
                // Who is asked about a ticket looks at the watermark first.
                self.watermark = self.watermark.max(ticket);
                self.turns.recall(fact, now);
            }
            Fact::Offered { .. } | Fact::Missed { .. } => self.turns.recall(fact, now),
        }
    }

    /// Ends the recalling. Where the line isn't known as it is now, nobody is admitted before the visitors had time to bring
    /// it back; a room in which nobody waited has nothing to wait for.
    pub fn resume(&mut self, knows_line: bool, now: Time) {
        self.turns.recalled();
        let waited = matches!(self.told, Some(Fact::Given { waits: true, .. }));
        self.told = Some(self.given_fact());
        if !knows_line && waited {
            self.epoch.await_line(now);
        }
    }

    /// What happened since the last call and has to last, in its order. Rooms that weren't made to be recalled tell nothing.
    pub fn news(&mut self) -> Vec<Fact> {
        let Some(mut news) = self.turns.news() else { return Vec::new() };
        let given = self.given_fact();
        if self.told.replace(given) != Some(given) {
            news.push(given);
        }
        news
    }

    /// Whoever was called and has not come yet waits too.
    fn given_fact(&self) -> Fact {
        let waits = !self.line.is_empty() || self.turns.are_offered();
        Fact::Given { window: self.window, watermark: self.watermark, waits }
    }

    /// What lasts, in parts of about `count`: with the next part, `None` after the last. What happens between two calls is
    /// among the news.
    pub fn lasting(&self, part: Part, count: usize) -> (Vec<Fact>, Option<Part>) {
        let (mut facts, next) = self.turns.lasting(part, count, self.last);
        if next.is_none() {
            facts.push(self.given_fact());
        }
        (facts, next)
    }

    /// All there is but the settings, for a successor that goes on as if nothing had happened.
    pub fn everything(&self) -> impl Iterator<Item = Fact> + '_ {
        // Every field is named, so that a new one can't be forgotten here.
        #[rustfmt::skip]
        let Self {
            defaults: _, changed: _, version: _, settings: _, told: _, until: _,
            window: _, watermark: _, presence, settled, line, turns, admitted, epoch, last, entries, instances,
        } = self;
        let condition = Condition {
            presence: *presence,
            settled: *settled,
            admitted: *admitted,
            epoch: epoch.name,
            seq: epoch.seq,
            hold_until: epoch.hold_until,
            held: epoch.held,
            last: *last,
        };
        let given = self.given_fact();
        let waiting = line.all().map(|(visitor, waiting)| Fact::Waiting { visitor, waiting });
        let entries = entries.all().map(|(address, since, count)| Fact::Entries { address, since, count });
        let instances =
            instances.iter().map(|(name, (last, seq))| Fact::Instance { name: *name, last: *last, seq: *seq });
        // The line last: who has a turn isn't in it.
        turns.everything().chain([given, Fact::Condition(condition)]).chain(entries).chain(instances).chain(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{AddressKey, Entry, Heartbeat, Newcomer, Renewal, Report, Ticket, Value, Visitor};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const START: Time = Time(1_800_000_000_000);

    fn settings() -> Settings {
        Settings {
            admission_limit: 3,
            admission_frequency: 5,
            presence_seconds: 30,
            ready_ttl_seconds: 60,
            ..Settings::default()
        }
    }

    /// A room in which this happened: the verb, the visitor, seconds before it.
    fn lived(history: &[(u8, u8, u64)]) -> (Room, Vec<Fact>, Time) {
        let mut room = Room::recalling(&settings(), 0, Change::default(), START);
        room.resume(true, START);
        let (mut now, mut told) = (START, Vec::new());
        for (verb, who, seconds) in history {
            now = now.plus_seconds(*seconds);
            let (visitor, ticket) = (Visitor([*who; 16]), Ticket(Ticket::at(START).0 + u64::from(*who)));
            let heartbeat = Heartbeat { visitor, ticket, late: *who % 3 == 0, first: Some(AddressKey(1)) };
            let renewal = Renewal { visitor, ticket, stay: Stay { since: now, until: now.plus_seconds(70) } };
            let newcomer = Newcomer {
                visitor,
                ticket,
                address: AddressKey(2),
                entry: Entry::WalkIn,
                until: None,
                met: crate::queue::Life::default(),
            };
            let report = Report { instance: 1, ..Report::default() };
            match verb {
                0 | 1 => _ = room.sync(&Report { heartbeats: vec![heartbeat], ..report }, now),
                2 => _ = room.sync(&Report { renewals: vec![renewal], ..report }, now),
                3 => _ = room.sync(&Report { finished: vec![(visitor, ticket)], ..report }, now),
                4 => _ = room.arrive(newcomer, now),
                5 => _ = room.finish(visitor, ticket, now),
                _ => _ = room.claim(visitor, ticket, now),
            }
            told.extend(room.news());
        }
        (room, told, now)
    }

    fn history() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
        prop::collection::vec((0..9u8, 0..12u8, prop_oneof![4 => 0..3u64, 1 => 20..50u64]), 1..120)
    }

    fn parts_of(room: &Room, count: usize) -> Vec<Fact> {
        let (mut all, mut part) = (Vec::new(), Some(Part::FIRST));
        while let Some(at) = part {
            let (facts, next) = room.lasting(at, count);
            all.extend(facts);
            part = next;
        }
        all
    }

    fn recalled(facts: &[Fact], now: Time) -> Room {
        let mut room = Room::recalling(&settings(), 0, Change::default(), now);
        facts.iter().for_each(|fact| room.recall(*fact, now));
        room
    }

    /// Spent tickets, numbers of the finished, who is inside until when, window and watermark.
    type Essence = (BTreeSet<(Visitor, Ticket)>, Vec<u64>, Vec<(Visitor, Time)>, Window, Ticket);

    /// What may not be forgotten, however it is put.
    fn essence(room: &Room, now: Time) -> Essence {
        let spent = room.turns.spent.all().collect();
        let numbers = room.turns.revoked.all().map(|revocation| revocation.number).collect();
        let inside = room.held(now).into_iter().filter(|(_, turn)| turn.since.is_some());
        let mut inside: Vec<_> = inside.map(|(visitor, turn)| (visitor, turn.until)).collect();
        inside.sort_unstable();
        (spent, numbers, inside, room.window, room.watermark)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn news_and_parts_both_make_up_what_lasts(history in history(), count in 1..7usize) {
            let (room, told, now) = lived(&history);
            prop_assert_eq!(essence(&recalled(&told, now), now), essence(&room, now));
            prop_assert_eq!(essence(&recalled(&parts_of(&room, count), now), now), essence(&room, now));
            // Told twice, or again after a part of it: the same.
            let twice = [told.clone(), parts_of(&room, count), told.clone(), parts_of(&room, count)].concat();
            prop_assert_eq!(essence(&recalled(&twice, now), now), essence(&room, now));
        }

        #[test]
        fn a_hand_over_leaves_nothing_out(history in history()) {
            let (room, _, now) = lived(&history);
            let everything: Vec<Fact> = room.everything().collect();
            let mut next = recalled(&everything, now);
            next.resume(true, now);
            let sorted = |room: &Room| {
                let mut facts: Vec<String> = room.everything().map(|fact| format!("{fact:?}")).collect();
                facts.sort_unstable();
                facts
            };
            // A turn that ended since nobody looked is over in both.
            let mut room = room;
            let (before, after) = (room.sync(&Report::default(), now), next.sync(&Report::default(), now));
            prop_assert_eq!(before, after);
            prop_assert_eq!(sorted(&room), sorted(&next));
        }
    }

    #[test]
    fn a_killed_room_holds_admission_and_a_clock_set_back_freezes_nothing() {
        let (_, told, now) = lived(&[(4, 1, 0), (4, 2, 1), (4, 3, 1), (0, 4, 0)]);
        let earlier = now.minus_seconds(3600);
        let mut room = recalled(&told, earlier);
        room.resume(false, earlier);
        let snapshot = room.sync(&Report::default(), earlier).snapshot;
        assert_eq!((snapshot.taken, snapshot.hold_until), (earlier, earlier.plus_seconds(HOLD_SECONDS)));
        assert_eq!((snapshot.window.used, snapshot.window.left(&settings(), earlier)), (3, 0));
        assert_eq!(snapshot.window.left(&settings(), earlier.plus_seconds(5)), 3);
        // Nobody waited, or whoever did is inside.
        for history in [&[][..], &[(4, 1, 0), (4, 2, 1)], &[(0, 1, 0), (6, 1, 1)]] {
            let (_, told, now) = lived(history);
            let mut quiet = recalled(&told, now);
            quiet.resume(false, now);
            assert_eq!(quiet.sync(&Report::default(), now).snapshot.hold_until, Time(0), "{history:?}");
        }
        let (_, called, now) = lived(&[(0, 1, 0)]);
        let mut room = recalled(&called, now);
        room.resume(false, now);
        assert_eq!(room.sync(&Report::default(), now).snapshot.hold_until, now.plus_seconds(HOLD_SECONDS), "called");
    }

    #[test]
    fn what_no_setting_lets_a_room_remember_is_not_recalled() {
        let (_, told, now) = lived(&[(4, 1, 0), (5, 1, 1)]);
        let room = recalled(&told, now.plus_seconds(LONGEST_SECONDS + 61));
        assert!(essence(&room, now).0.is_empty() && essence(&room, now).1.is_empty());
    }

    #[test]
    fn a_room_that_is_not_kept_tells_nothing() {
        let mut room = Room::new(1, &settings());
        let mut change = Change::default();
        change.set("mode", Value::Text("auto".into())).unwrap();
        room.put_settings(&change, START);
        let (visitor, ticket) = (Visitor([1; 16]), Ticket::at(START));
        room.arrive(
            Newcomer {
                visitor,
                ticket,
                address: AddressKey(1),
                entry: Entry::WalkIn,
                until: None,
                met: crate::queue::Life::default(),
            },
            START,
        );
        assert_eq!(room.news(), []);
    }
}
