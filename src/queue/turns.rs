//! Who holds a turn: offered, or claimed and inside; and what is remembered of turns that are over.

use super::ledger::{Marks, Revocations};
use super::{Fact, Renewal, Revocation, Settings, Stay, Ticket, Time, Visitor};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// A turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub ticket: Ticket,
    pub until: Time,
    /// When it was claimed; `None`: offered, and taken back at `until`.
    pub since: Option<Time>,
}

/// The turns of a room.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    held: HashMap<Visitor, Turn>,
    /// Those that nobody took yet.
    offered: usize,
    /// The same turns by when they end.
    ends: BTreeSet<(Time, Visitor)>,
    pub spent: Marks,
    /// Turns that nobody took, once.
    missed: Marks,
    pub revoked: Revocations,
    /// What happened and has to last; `None` where nobody asks.
    news: Option<Vec<Fact>>,
}

/// Where a walk through what lasts goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// At this spent ticket, counted from the first ever.
    Spent(u64),
    /// Behind this number.
    Revoked(u64),
    /// Behind the stay with this end.
    Stays(Time, Visitor),
}

impl Part {
    pub const FIRST: Self = Self::Spent(0);
}

impl Turns {
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether somebody was called who has not come yet.
    pub const fn are_offered(&self) -> bool {
        self.offered > 0
    }

    pub fn all(&self) -> impl Iterator<Item = (Visitor, Turn)> {
        self.held.iter().map(|(visitor, turn)| (*visitor, *turn))
    }

    pub fn find(&self, visitor: Visitor) -> Option<Turn> {
        self.held.get(&visitor).copied()
    }

    pub fn holds(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.find(visitor).is_some_and(|turn| turn.ticket == ticket)
    }

    /// Whether this ticket can't be given a turn any more.
    pub fn is_over(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.holds(visitor, ticket) || self.spent.contains(visitor, ticket)
    }

    /// Whether a turn by this ticket is a new one: nobody has two at a time. A stay by an older ticket is one that ended
    /// without the store's hearing of it, or its visitor would not have asked for another place.
    pub fn may_take(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.find(visitor).is_none_or(|turn| turn.since.is_some() && turn.ticket < ticket)
    }

    /// Offers a turn, to be taken before `until`.
    pub fn offer(&mut self, visitor: Visitor, ticket: Ticket, until: Time) {
        self.hold(visitor, Turn { ticket, until, since: None });
    }

    /// Takes the turn that the visitor was offered; one that was taken stays as it is.
    pub fn claim(&mut self, visitor: Visitor, settings: &Settings, now: Time) -> Option<Stay> {
        let turn = self.find(visitor)?;
        if let Some(since) = turn.since {
            return Some(Stay { since, until: turn.until });
        }
        let until = now.plus_seconds(settings.ready_ttl_seconds);
        self.hold(visitor, Turn { until, since: Some(now), ..turn });
        self.mark_spent(visitor, turn.ticket, now);
        let stay = Stay { since: now, until };
        self.tell(Fact::Stay { visitor, ticket: turn.ticket, stay });
        Some(stay)
    }

    /// A stay goes on; one that was forgotten is taken from what the instance knows. One that is over as far as the
    /// instance knows is no reason to end it: another instance may know of an extension. `false`: nothing to take.
    pub fn renew(&mut self, renewal: Renewal, settings: &Settings, now: Time) -> bool {
        let Renewal { visitor, ticket, stay } = renewal;
        let until = stay.until.min(stay.since.plus_seconds(settings.ready_max()));
        if self.revoked.contains(visitor, ticket) {
            return false;
        }
        let is_over = until <= now;
        match self.find(visitor) {
            Some(turn) if turn.ticket != ticket && !is_over => {
                // Of two stays of one visitor the later one counts, and of a stay and an offer the newer ticket. The
                // other one's ticket had its turn too.
                let began = turn.since.unwrap_or(stay.since);
                if (began, turn.ticket) > (stay.since, ticket) {
                    self.spend(visitor, ticket, now);
                    return true;
                }
                self.spend(visitor, turn.ticket, now);
                self.hold(visitor, Turn { ticket, until, since: Some(stay.since) });
            }
            Some(Turn { since: Some(since), until: known, .. })
                if self.holds(visitor, ticket) && known >= until && (since <= stay.since || is_over) =>
            {
                return true;
            }
            Some(turn) if turn.ticket == ticket && is_over => self.drop_turn(visitor),
            _ if is_over => {}
            // Of two accounts of a stay the one that began first and the one that ends last are right: a claim may have
            // run after its caller had given up and the turn was taken elsewhere.
            Some(Turn { since: Some(since), until: known, .. }) => {
                self.hold(visitor, Turn { ticket, until: until.max(known), since: Some(since.min(stay.since)) });
            }
            _ => self.hold(visitor, Turn { ticket, until, since: Some(stay.since) }),
        }
        self.mark_spent(visitor, ticket, now);
        let held = self.find(visitor).filter(|turn| turn.ticket == ticket).map(|turn| (turn.since, turn.until));
        let (since, until) = held.map_or((stay.since, until), |(since, end)| (since.unwrap_or(stay.since), end));
        self.tell(Fact::Stay { visitor, ticket, stay: Stay { since, until } });
        true
    }

    /// Ends a turn before its time; the ticket is spent, whether or not the turn was known.
    pub fn revoke(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        if self.holds(visitor, ticket) {
            self.drop_turn(visitor);
        }
        self.spent.mark(visitor, ticket, now);
        if let Some(revocation) = self.revoked.add(visitor, ticket, now) {
            self.tell(Fact::Revoked(revocation));
        }
    }

    /// Takes back a turn that was offered and not taken.
    pub fn take_back(&mut self, visitor: Visitor, ticket: Ticket) {
        if self.find(visitor).is_some_and(|turn| turn.ticket == ticket && turn.since.is_none()) {
            self.drop_turn(visitor);
        }
    }

    /// Turns that ended: a claimed one is over; one that nobody took is taken back, the second time for good.
    pub fn expire(&mut self, now: Time, steps: usize) {
        for _ in 0..steps {
            let Some((until, visitor)) = self.ends.first().copied() else { return };
            if until > now {
                return;
            }
            self.ends.pop_first();
            let Some(turn) = self.held.remove(&visitor) else { continue };
            if turn.since.is_some() {
                continue;
            }
            self.offered = self.offered.saturating_sub(1);
            if self.missed.contains(visitor, turn.ticket) {
                self.spend(visitor, turn.ticket, now);
            } else {
                self.missed.mark(visitor, turn.ticket, now);
            }
        }
    }

    /// Forgets what is older than `limit`, at most `steps` of each kind.
    pub fn trim(&mut self, limit: Time, steps: usize) {
        self.spent.trim(limit, steps);
        self.missed.trim(limit, steps);
        self.revoked.trim(limit, steps);
    }

    /// No turns, and whatever happens is told.
    pub fn telling() -> Self {
        Self { news: Some(Vec::new()), ..Self::default() }
    }

    /// What happened since the last call; `None` where nothing is told.
    pub fn news(&mut self) -> Option<Vec<Fact>> {
        self.news.as_mut().map(std::mem::take)
    }

    /// Some of what lasts; see `Room::lasting`.
    pub fn lasting(&self, part: Part, count: usize, now: Time) -> (Vec<Fact>, Option<Part>) {
        match part {
            Part::Spent(from) => {
                let (marks, next) = self.spent.some(from, count);
                let facts = marks.map(|(visitor, ticket, at)| Fact::Spent { visitor, ticket, at }).collect();
                (facts, Some(next.map_or(Part::Revoked(0), Part::Spent)))
            }
            Part::Revoked(after) => {
                let some = self.revoked.after(after, count);
                let last = some.last().filter(|_| some.len() == count).map(|last| Part::Revoked(last.number));
                let next = last.unwrap_or(Part::Stays(now, Visitor([u8::MAX; 16])));
                (some.into_iter().map(Fact::Revoked).collect(), Some(next))
            }
            Part::Stays(end, visitor) => {
                let behind = (Bound::Excluded((end, visitor)), Bound::Unbounded);
                let some: Vec<_> = self.ends.range(behind).take(count).copied().collect();
                let next =
                    some.last().filter(|_| some.len() == count).map(|(end, visitor)| Part::Stays(*end, *visitor));
                (some.iter().filter_map(|(_, visitor)| self.stay_of(*visitor)).collect(), next)
            }
        }
    }

    /// All there is, for a hand-over.
    pub fn everything(&self) -> impl Iterator<Item = Fact> + '_ {
        let Self { held, offered: _, ends: _, spent, missed, revoked, news: _ } = self;
        let spent = spent.dated().map(|(visitor, ticket, at)| Fact::Spent { visitor, ticket, at });
        let missed = missed.dated().map(|(visitor, ticket, at)| Fact::Missed { visitor, ticket, at });
        let held = held.iter().map(|(visitor, turn)| {
            let offered = Fact::Offered { visitor: *visitor, ticket: turn.ticket, until: turn.until };
            self.stay_of(*visitor).unwrap_or(offered)
        });
        spent.chain(missed).chain(revoked.all().map(Fact::Revoked)).chain(held)
    }

    /// Takes what was so in a former process; [`Turns::recalled`] ends it.
    pub fn recall(&mut self, fact: Fact, now: Time) {
        match fact {
            Fact::Stay { visitor, ticket, stay } => {
                self.spent.mark(visitor, ticket, stay.since.min(now));
                let ends_later =
                    self.find(visitor).is_some_and(|turn| turn.ticket == ticket && turn.until > stay.until);
                if stay.until > now && !ends_later && !self.revoked.contains(visitor, ticket) {
                    self.hold(visitor, Turn { ticket, until: stay.until, since: Some(stay.since) });
                }
            }
            Fact::Spent { visitor, ticket, at } => self.spent.mark(visitor, ticket, at.min(now)),
            Fact::Revoked(revocation) => {
                let Revocation { number, visitor, ticket } = revocation;
                self.spent.mark(visitor, ticket, Time(number / 1000).min(now));
                self.revoked.restore(revocation);
                if self.holds(visitor, ticket) {
                    self.drop_turn(visitor);
                }
            }
            Fact::Offered { visitor, ticket, until } => self.offer(visitor, ticket, until),
            Fact::Missed { visitor, ticket, at } => self.missed.mark(visitor, ticket, at.min(now)),
            _ => {}
        }
    }

    /// Everything was recalled.
    pub fn recalled(&mut self) {
        self.spent.sort();
        self.missed.sort();
    }

    fn stay_of(&self, visitor: Visitor) -> Option<Fact> {
        let Turn { ticket, until, since } = self.find(visitor)?;
        since.map(|since| Fact::Stay { visitor, ticket, stay: Stay { since, until } })
    }

    fn tell(&mut self, fact: Fact) {
        if let Some(news) = &mut self.news {
            news.push(fact);
        }
    }

    /// This ticket had its turn.
    fn mark_spent(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        self.missed.unmark(visitor, ticket);
        self.spent.mark(visitor, ticket, now);
    }

    /// This ticket had its turn, and no stay tells so.
    fn spend(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        self.mark_spent(visitor, ticket, now);
        self.tell(Fact::Spent { visitor, ticket, at: now });
    }

    fn drop_turn(&mut self, visitor: Visitor) {
        if let Some(turn) = self.held.remove(&visitor) {
            self.offered = self.offered.saturating_sub(usize::from(turn.since.is_none()));
            self.ends.remove(&(turn.until, visitor));
        }
    }

    fn hold(&mut self, visitor: Visitor, turn: Turn) {
        self.drop_turn(visitor);
        self.held.insert(visitor, turn);
        self.offered += usize::from(turn.since.is_none());
        self.ends.insert((turn.until, visitor));
    }
}
