//! What waits to be handed up with the next sync: the latest of each kind per visitor, bounded.

use crate::queue::{Heartbeat, Renewal, Report, Ticket, Visitor};
use std::collections::HashMap;
use std::hash::Hash;

/// More visitors than this are not kept: they are heard from again at their next poll.
const LIMIT: usize = 1_000_000;

/// Reports in the making.
#[derive(Debug, Default)]
pub struct Pending {
    heartbeats: HashMap<Visitor, Heartbeat>,
    renewals: HashMap<(Visitor, Ticket), Renewal>,
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
    pub fn heartbeat(&mut self, heartbeat: Heartbeat) {
        if self.heartbeats.len() < LIMIT || self.heartbeats.contains_key(&heartbeat.visitor) {
            let kept = self.heartbeats.entry(heartbeat.visitor).or_insert(heartbeat);
            if heartbeat.ticket <= kept.ticket {
                *kept = heartbeat;
            }
        }
    }

    /// Of two accounts of a stay the longer one counts.
    pub fn renewal(&mut self, renewal: Renewal) {
        if self.renewals.len() < LIMIT {
            let kept = self.renewals.entry((renewal.visitor, renewal.ticket)).or_insert(renewal);
            if renewal.stay.until > kept.stay.until {
                *kept = renewal;
            }
        }
    }

    pub fn finish(&mut self, visitor: Visitor, ticket: Ticket) {
        self.renewals.remove(&(visitor, ticket));
        if self.finished.len() < LIMIT {
            self.finished.push((visitor, ticket));
        }
    }

    /// Whether there is more than one call may carry.
    pub fn overflows(&self) -> bool {
        let most = self.heartbeats.len().max(self.renewals.len()).max(self.finished.len());
        most > Report::CHUNK
    }

    /// Takes what one call may carry.
    pub fn take(&mut self) -> Batch {
        Batch {
            heartbeats: take_some(&mut self.heartbeats),
            renewals: take_some(&mut self.renewals),
            finished: self.finished.drain(..self.finished.len().min(Report::CHUNK)).collect(),
        }
    }

    /// Takes back what could not be handed up; what came in meanwhile is newer.
    pub fn put_back(&mut self, batch: Batch) {
        for heartbeat in batch.heartbeats {
            self.heartbeats.entry(heartbeat.visitor).or_insert(heartbeat);
        }
        for renewal in batch.renewals {
            self.renewal(renewal);
        }
        self.finished.extend(batch.finished);
    }
}

fn take_some<K: Copy + Eq + Hash, T: Copy>(map: &mut HashMap<K, T>) -> Vec<T> {
    if map.len() <= Report::CHUNK {
        return std::mem::take(map).into_values().collect();
    }
    let keys: Vec<K> = map.keys().take(Report::CHUNK).copied().collect();
    keys.iter().filter_map(|key| map.remove(key)).collect()
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
        let sizes = [(); 4].map(|()| (pending.overflows(), pending.take().heartbeats.len()));
        assert_eq!(sizes, [(true, 1000), (true, 1000), (false, 400), (false, 0)]);
    }
}
