//! Who holds a turn: offered, or claimed and inside; and what is remembered of turns that are over.

use super::ledger::{Marks, Revocations};
use super::{Renewal, Settings, Stay, Ticket, Time, Visitor};
use std::collections::{BTreeSet, HashMap};

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
    /// The same turns by when they end.
    ends: BTreeSet<(Time, Visitor)>,
    pub spent: Marks,
    /// Turns that nobody took, once.
    missed: Marks,
    pub revoked: Revocations,
}

impl Turns {
    pub fn len(&self) -> usize {
        self.held.len()
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
        self.spent.mark(visitor, turn.ticket, now);
        self.missed.unmark(visitor, turn.ticket);
        Some(Stay { since: now, until })
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
            Some(turn) if turn.ticket != ticket && !is_over => return false,
            Some(turn) if turn.ticket == ticket && turn.since.is_some() && turn.until >= until => return true,
            Some(turn) if turn.ticket == ticket && is_over => self.let_go(visitor),
            _ if is_over => {}
            _ => self.hold(visitor, Turn { ticket, until, since: Some(stay.since) }),
        }
        self.spent.mark(visitor, ticket, now);
        self.missed.unmark(visitor, ticket);
        true
    }

    /// Ends a turn before its time; the ticket is spent, whether or not the turn was known.
    pub fn revoke(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        if self.holds(visitor, ticket) {
            self.let_go(visitor);
        }
        self.spent.mark(visitor, ticket, now);
        self.revoked.add(visitor, ticket, now);
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
            if self.missed.contains(visitor, turn.ticket) {
                self.missed.unmark(visitor, turn.ticket);
                self.spent.mark(visitor, turn.ticket, now);
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

    fn let_go(&mut self, visitor: Visitor) {
        if let Some(turn) = self.held.remove(&visitor) {
            self.ends.remove(&(turn.until, visitor));
        }
    }

    fn hold(&mut self, visitor: Visitor, turn: Turn) {
        if let Some(before) = self.held.insert(visitor, turn) {
            self.ends.remove(&(before.until, visitor));
        }
        self.ends.insert((turn.until, visitor));
    }
}
