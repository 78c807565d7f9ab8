//! What waits to be handed up with the next sync: the latest of each kind per visitor, bounded.

use crate::queue::{Heartbeat, Renewal, Report, Ticket, Visitor};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// More visitors than this are not kept: they are heard from again at their next poll.
const LIMIT: usize = 1_000_000;

/// Reports in the making. First in, first out, so that a caller knows which sync carries its own.
#[derive(Debug, Default)]
pub struct Pending {
    heartbeats: InOrder<Visitor, Heartbeat>,
    renewals: InOrder<(Visitor, Ticket), Renewal>,
    finished: Vec<(Visitor, Ticket)>,
}

/// One call's share of what is pending.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub heartbeats: Vec<Heartbeat>,
    pub renewals: Vec<Renewal>,
    pub finished: Vec<(Visitor, Ticket)>,
}

impl Pending {
    /// Answers with the calls that go before the one which carries it.
    pub fn heartbeat(&mut self, heartbeat: Heartbeat) -> u64 {
        self.heartbeats.put(heartbeat.visitor, heartbeat, |kept| heartbeat.ticket <= kept.ticket)
    }

    /// Of two accounts of a stay the longer one counts. Answers as [`Pending::heartbeat`].
    pub fn renewal(&mut self, renewal: Renewal) -> u64 {
        let key = (renewal.visitor, renewal.ticket);
        self.renewals.put(key, renewal, |kept| renewal.stay.until > kept.stay.until)
    }

    pub fn finish(&mut self, visitor: Visitor, ticket: Ticket) {
        self.renewals.kept.remove(&(visitor, ticket));
        if self.finished.len() < LIMIT {
            self.finished.push((visitor, ticket));
        }
    }

    /// Whether there is more than one call may carry.
    pub fn overflows(&self) -> bool {
        let most = self.heartbeats.kept.len().max(self.renewals.kept.len()).max(self.finished.len());
        most > Report::CHUNK
    }

    /// Takes what one call may carry.
    pub fn take(&mut self) -> Batch {
        Batch {
            heartbeats: self.heartbeats.take(),
            renewals: self.renewals.take(),
            finished: self.finished.drain(..self.finished.len().min(Report::CHUNK)).collect(),
        }
    }

    /// Takes back what could not be handed up; what came in meanwhile is newer.
    pub fn put_back(&mut self, batch: Batch) {
        for heartbeat in batch.heartbeats {
            self.heartbeats.put_back(heartbeat.visitor, heartbeat, |_| false);
        }
        for renewal in batch.renewals {
            let key = (renewal.visitor, renewal.ticket);
            self.renewals.put_back(key, renewal, |kept| renewal.stay.until > kept.stay.until);
        }
        self.finished.extend(batch.finished);
    }
}

/// One report per key, in the order in which they came.
#[derive(Debug)]
struct InOrder<K, T> {
    kept: HashMap<K, T>,
    /// The keys, and some that are gone; bounded like the reports.
    order: VecDeque<K>,
}

impl<K, T> Default for InOrder<K, T> {
    fn default() -> Self {
        Self { kept: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, T: Copy> InOrder<K, T> {
    fn put(&mut self, key: K, report: T, replaces: impl Fn(&T) -> bool) -> u64 {
        let calls = self.order.len() / Report::CHUNK;
        if self.insert(key, report, replaces) {
            self.order.push_back(key);
        }
        calls as u64
    }

    fn put_back(&mut self, key: K, report: T, replaces: impl Fn(&T) -> bool) {
        if self.insert(key, report, replaces) {
            self.order.push_front(key);
        }
    }

    /// `true`: there was none.
    fn insert(&mut self, key: K, report: T, replaces: impl Fn(&T) -> bool) -> bool {
        let is_full = self.order.len() >= LIMIT;
        match self.kept.entry(key) {
            Entry::Occupied(mut kept) => {
                if replaces(kept.get()) {
                    kept.insert(report);
                }
                false
            }
            Entry::Vacant(_) if is_full => false,
            Entry::Vacant(vacant) => {
                vacant.insert(report);
                true
            }
        }
    }

    fn take(&mut self) -> Vec<T> {
        let mut some = Vec::new();
        while some.len() < Report::CHUNK
            && let Some(key) = self.order.pop_front()
        {
            some.extend(self.kept.remove(&key));
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Stay, Time};

    fn heartbeat(n: u8, ticket: u64) -> Heartbeat {
        Heartbeat { visitor: Visitor([n; 16]), ticket: Ticket(ticket), late: false, first: None }
    }

    #[test]
    fn the_lowest_ticket_of_a_visitor_is_kept_and_nothing_is_lost_on_failure() {
        let mut pending = Pending::default();
        pending.heartbeat(heartbeat(1, 5));
        pending.heartbeat(heartbeat(1, 7));
        pending.finish(Visitor([2; 16]), Ticket(1));
        let batch = pending.take();
        assert_eq!(batch.heartbeats, [heartbeat(1, 5)]);
        assert_eq!(pending.take().heartbeats, []);
        pending.heartbeat(heartbeat(1, 4));
        pending.put_back(batch);
        let batch = pending.take();
        assert_eq!((batch.heartbeats.as_slice(), batch.finished.len()), ([heartbeat(1, 4)].as_slice(), 1));
    }

    #[test]
    fn of_a_stay_the_longest_account_is_kept_whatever_else_the_visitor_had() {
        let mut pending = Pending::default();
        let renewal = |ticket, until| Renewal {
            visitor: Visitor([1; 16]),
            ticket: Ticket(ticket),
            stay: Stay { since: Time(1), until: Time(until) },
        };
        pending.renewal(renewal(5, 90));
        pending.renewal(renewal(5, 60));
        pending.renewal(renewal(3, 40));
        let mut batch = pending.take();
        batch.renewals.sort_by_key(|renewal| renewal.ticket);
        assert_eq!(batch.renewals, [renewal(3, 40), renewal(5, 90)]);
        pending.finish(Visitor([1; 16]), Ticket(5));
        pending.put_back(batch);
        assert_eq!(pending.take().renewals.len(), 2, "the store ignores what is finished");
    }

    #[test]
    fn a_crowd_is_handed_up_in_chunks() {
        let mut pending = Pending::default();
        for n in 0..2400u64 {
            let mut visitor = [0; 16];
            visitor[..8].copy_from_slice(&n.to_be_bytes());
            pending.heartbeat(Heartbeat { visitor: Visitor(visitor), ..heartbeat(0, n) });
        }
        assert_eq!(pending.heartbeat(heartbeat(255, 1)), 2, "two calls go before");
        let first = pending.take();
        assert_eq!(first.heartbeats[0].ticket, Ticket(0), "first in, first out");
        pending.put_back(first);
        let sizes = [(); 4].map(|()| (pending.overflows(), pending.take().heartbeats.len()));
        assert_eq!(sizes, [(true, 1000), (true, 1000), (false, 401), (false, 0)]);
    }
}
