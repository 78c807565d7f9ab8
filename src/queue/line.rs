//! Who waits and is present: the line proper, and beside it those who came back after an absence.
//!
//! One visitor holds one place, the lowest ticket shown.

use super::order::Order;
use super::{Ranks, Ticket, Time, Visitor};
use std::collections::{BTreeSet, HashMap};

/// Somebody in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub ticket: Ticket,
    /// When last heard from.
    pub seen: Time,
    /// Had been away; see [`Line::next`].
    pub late: bool,
}

/// The people in line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    prompt: Order,
    late: Order,
    people: HashMap<Visitor, Waiting>,
    /// The same people by when they were last heard from.
    seen: BTreeSet<(Time, Visitor)>,
}

impl Line {
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    pub fn find(&self, visitor: Visitor) -> Option<Waiting> {
        self.people.get(&visitor).copied()
    }

    /// The place of a ticket, 1 at the head.
    pub fn position(&self, ticket: Ticket) -> u64 {
        self.prompt.below(ticket) + self.late.below(ticket) + 1
    }

    /// The shapes of both parts, for a snapshot.
    pub fn ranks(&self) -> (Ranks, Ranks) {
        (self.prompt.ranks(), self.late.ranks())
    }

    /// As [`Line::ranks`], but nobody's place can be told by it.
    pub fn lengths(&self) -> (Ranks, Ranks) {
        let length = |part: &Order| Ranks { len: part.len() as u64, ..Ranks::default() };
        (length(&self.prompt), length(&self.late))
    }

    pub fn enter(&mut self, visitor: Visitor, waiting: Waiting) {
        self.leave(visitor);
        self.part(waiting.late).insert(waiting.ticket, visitor);
        self.people.insert(visitor, waiting);
        self.seen.insert((waiting.seen, visitor));
    }

    pub fn leave(&mut self, visitor: Visitor) -> Option<Waiting> {
        let waiting = self.people.remove(&visitor)?;
        self.part(waiting.late).remove(waiting.ticket, visitor);
        self.seen.remove(&(waiting.seen, visitor));
        Some(waiting)
    }

    /// Everybody, in order, those who were away behind the others.
    pub fn all(&self) -> impl Iterator<Item = (Visitor, Waiting)> + '_ {
        let in_order = self.prompt.all().chain(self.late.all());
        in_order.filter_map(|(_, visitor)| Some((visitor, self.find(visitor)?)))
    }

    /// Heard from again.
    pub fn touch(&mut self, visitor: Visitor, now: Time) {
        if let Some(waiting) = self.people.get_mut(&visitor) {
            self.seen.remove(&(waiting.seen, visitor));
            waiting.seen = now;
            self.seen.insert((now, visitor));
        }
    }

    /// Whose turn is next: the lowest ticket. But of two turns in a row one at most goes to people who were away, as
    /// long as anybody else is there, or hoarded tickets could flood past those who wait.
    pub fn next(&self, after_late: bool) -> Option<(Ticket, Visitor)> {
        match (self.prompt.first(), self.late.first()) {
            (None, late) => late,
            (Some(prompt), Some(late)) if late < prompt && !after_late => Some(late),
            (prompt, _) => prompt,
        }
    }

    /// Lets those leave who were last heard from before `limit`, at most `steps` of them.
    pub fn sweep(&mut self, limit: Time, steps: usize) {
        for _ in 0..steps {
            match self.seen.first().copied() {
                Some((seen, visitor)) if seen < limit => self.leave(visitor),
                _ => return,
            };
        }
    }

    fn part(&mut self, late: bool) -> &mut Order {
        if late { &mut self.late } else { &mut self.prompt }
    }
}
