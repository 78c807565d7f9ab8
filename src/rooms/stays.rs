//! The stays that began or went on here: what a store that lost its memory has to be told.
//!
//! Bounded: of very many the oldest are forgotten, and then only their visitors' own tokens tell of them.

use crate::queue::{Renewal, Stay, Ticket, Time, Visitor};
use std::collections::{HashMap, VecDeque};

/// So many are remembered.
const LIMIT: usize = 200_000;

type Key = (Visitor, Ticket);

/// Stays by ticket.
#[derive(Debug, Default)]
pub struct Stays {
    known: HashMap<Key, Stay>,
    /// In the order in which they were first heard of.
    order: VecDeque<Key>,
}

impl Stays {
    /// Takes note of a stay, or of its extension; `true` where it wasn't known.
    pub fn note(&mut self, visitor: Visitor, ticket: Ticket, stay: Stay) -> bool {
        let key = (visitor, ticket);
        if self.known.insert(key, stay).is_some() {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets what ended before `limit`, as far as the oldest ones go.
    pub fn forget(&mut self, limit: Time) {
        while let Some(key) = self.order.front()
            && self.known.get(key).is_none_or(|stay| stay.until < limit)
        {
            self.known.remove(key);
            self.order.pop_front();
        }
    }

    /// Those that go on at `now`, and the tickets of those that are over.
    pub fn told(&self, now: Time) -> (Vec<Renewal>, Vec<Key>) {
        let (mut going_on, mut over) = (Vec::new(), Vec::new());
        for (&(visitor, ticket), &stay) in &self.known {
            if stay.until > now {
                going_on.push(Renewal { visitor, ticket, stay });
            } else {
                over.push((visitor, ticket));
            }
        }
        (going_on, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_is_known_by_its_last_end_and_the_oldest_are_forgotten() {
        let (who, mut stays) = (Visitor([1; 16]), Stays::default());
        let until = |until| Stay { since: Time(1), until: Time(until) };
        stays.note(who, Ticket(1), until(10));
        stays.note(who, Ticket(2), until(20));
        stays.note(who, Ticket(1), until(30));
        let (going_on, over) = stays.told(Time(20));
        assert_eq!(going_on, [Renewal { visitor: who, ticket: Ticket(1), stay: until(30) }]);
        assert_eq!(over, [(who, Ticket(2))]);
        stays.forget(Time(31));
        assert_eq!(stays.told(Time(0)), (vec![], vec![]));
        for ticket in 0..LIMIT as u64 + 5 {
            stays.note(who, Ticket(ticket), until(40));
        }
        let (mut going_on, _) = stays.told(Time(0));
        going_on.sort_by_key(|renewal| renewal.ticket);
        assert_eq!((going_on.len(), going_on[0].ticket), (LIMIT, Ticket(5)));
    }
}
