//! What a room remembers of turns that are over: spent tickets, turns that nobody took, finished ones.
//!
//! All of it expires: nothing is kept longer than a token of it could still be shown.

use super::{Revocation, Ticket, Time, Visitor};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

pub type Key = (Visitor, Ticket);

/// Tickets with the time at which each was marked; forgets the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    marked: HashMap<Key, Time>,
    order: VecDeque<(Time, Key)>,
    /// How many were taken from the front of `order`: names its places for good.
    forgotten: u64,
}

impl Marks {
    pub fn contains(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.marked.contains_key(&(visitor, ticket))
    }

    /// Every marked ticket, in no order.
    pub fn all(&self) -> impl Iterator<Item = Key> {
        self.marked.keys().copied()
    }

    /// Marks a ticket; a second mark changes nothing.
    pub fn mark(&mut self, visitor: Visitor, ticket: Ticket, now: Time) {
        let key = (visitor, ticket);
        if let Entry::Vacant(free) = self.marked.entry(key) {
            free.insert(now);
            self.order.push_back((now, key));
        }
    }

    pub fn unmark(&mut self, visitor: Visitor, ticket: Ticket) {
        self.marked.remove(&(visitor, ticket));
    }

    /// All marks with their times, oldest first.
    pub fn dated(&self) -> impl Iterator<Item = (Visitor, Ticket, Time)> + '_ {
        let stands = |(when, key): &&(Time, Key)| self.marked.get(key) == Some(when);
        self.order.iter().filter(stands).map(|(when, (visitor, ticket))| (*visitor, *ticket, *when))
    }

    /// The marks from the `from`th ever made, at most `count`, and where to go on; `None` at the end.
    pub fn some(&self, from: u64, count: usize) -> (impl Iterator<Item = (Visitor, Ticket, Time)> + '_, Option<u64>) {
        let start = from.max(self.forgotten);
        let skipped = usize::try_from(start - self.forgotten).unwrap_or(usize::MAX).min(self.order.len());
        let end = (skipped + count).min(self.order.len());
        let marks = self.order.range(skipped..end).map(|(when, (visitor, ticket))| (*visitor, *ticket, *when));
        (marks, (end < self.order.len()).then_some(start + count as u64))
    }

    /// Puts marks that were made in no order into that of their times.
    pub fn sort(&mut self) {
        self.order.make_contiguous().sort_unstable();
    }

    /// Forgets what was marked before `limit`, at most `steps` of them.
    pub fn trim(&mut self, limit: Time, steps: usize) {
        for _ in 0..steps {
            let Some((when, key)) = self.order.front().copied() else { return };
            if when >= limit {
                return;
            }
            self.order.pop_front();
            self.forgotten += 1;
            if self.marked.get(&key) == Some(&when) {
                self.marked.remove(&key);
            }
        }
    }
}

/// The finished turns, in the order in which they were finished.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    by_number: BTreeMap<u64, Key>,
    by_key: HashMap<Key, u64>,
}

impl Revocations {
    pub fn contains(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.by_key.contains_key(&(visitor, ticket))
    }

    /// Numbers are the time in µs, or one more than the last: they grow, and tell the age. `None`: it is there already.
    pub fn add(&mut self, visitor: Visitor, ticket: Ticket, now: Time) -> Option<Revocation> {
        if self.contains(visitor, ticket) {
            return None;
        }
        let last = self.by_number.last_key_value().map_or(0, |(number, _)| *number);
        let number = (last + 1).max(now.0.saturating_mul(1000));
        let revocation = Revocation { number, visitor, ticket };
        self.restore(revocation);
        Some(revocation)
    }

    /// Takes one that was numbered before.
    pub fn restore(&mut self, revocation: Revocation) {
        let Revocation { number, visitor, ticket } = revocation;
        if !self.contains(visitor, ticket) && !self.by_number.contains_key(&number) {
            self.by_number.insert(number, (visitor, ticket));
            self.by_key.insert((visitor, ticket), number);
        }
    }

    /// What came after `number`, oldest first, at most `count`.
    pub fn after(&self, number: u64, count: usize) -> Vec<Revocation> {
        self.by_number.range(number.saturating_add(1)..).take(count).map(revocation).collect()
    }

    /// All of them, oldest first.
    pub fn all(&self) -> impl Iterator<Item = Revocation> + '_ {
        self.by_number.iter().map(revocation)
    }

    /// Forgets what was finished before `limit`, at most `steps` of them.
    pub fn trim(&mut self, limit: Time, steps: usize) {
        for _ in 0..steps {
            let Some((number, key)) = self.by_number.first_key_value().map(|(number, key)| (*number, *key)) else {
                return;
            };
            if number >= limit.0.saturating_mul(1000) {
                return;
            }
            self.by_number.remove(&number);
            self.by_key.remove(&key);
        }
    }
}

fn revocation((number, (visitor, ticket)): (&u64, &Key)) -> Revocation {
    Revocation { number: *number, visitor: *visitor, ticket: *ticket }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_made_anew_counts_from_then() {
        let (who, ticket) = (Visitor::default(), Ticket(1));
        let mut marks = Marks::default();
        marks.mark(who, ticket, Time(10));
        marks.mark(who, ticket, Time(11));
        marks.unmark(who, ticket);
        marks.mark(who, ticket, Time(20));
        marks.trim(Time(20), 5);
        assert!(marks.contains(who, ticket));
        marks.trim(Time(21), 5);
        assert!(!marks.contains(who, ticket));
    }
}
