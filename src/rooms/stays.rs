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

    /// The stay that this ticket opened, where it goes on at `now`.
    pub fn running(&self, visitor: Visitor, ticket: Ticket, now: Time) -> Option<Stay> {
        self.known.get(&(visitor, ticket)).copied().filter(|stay| stay.until > now)
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

    /// Every stay, as last heard of: that it is over here doesn't mean that no other instance extended it.
    pub fn all(&self) -> impl Iterator<Item = Renewal> {
        self.known.iter().map(|(&(visitor, ticket), &stay)| Renewal { visitor, ticket, stay })
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
        let sorted = |stays: &Stays| {
            let mut all: Vec<_> = stays.all().map(|renewal| (renewal.ticket, renewal.stay)).collect();
            all.sort_by_key(|(ticket, _)| *ticket);
            all
        };
        assert_eq!(sorted(&stays), [(Ticket(1), until(30)), (Ticket(2), until(20))]);
        stays.forget(Time(31));
        assert_eq!(sorted(&stays), []);
        for ticket in 0..LIMIT as u64 + 5 {
            stays.note(who, Ticket(ticket), until(40));
        }
        let all = sorted(&stays);
        assert_eq!((all.len(), all[0].0), (LIMIT, Ticket(5)));
    }
}
