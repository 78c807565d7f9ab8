//! Places in order, lowest ticket first, with exact ranks.
//!
//! A sorted sequence cut into chunks: arrivals at the end and departures at the front are cheap, a place in the middle
//! costs one chunk, and a rank is a sum over chunk lengths (about a thousand additions for a million people). 24 bytes
//! per person; a balanced tree with counts would need three times that.

use super::{Ranks, Ticket, Visitor, sample_ranks};
use std::collections::VecDeque;

/// Chunks split in two above this length (soon in tests, so that short histories split them).
const CHUNK: usize = if cfg!(test) { 16 } else { 1024 };

/// A ticket and whose it is.
pub type Place = (Ticket, Visitor);

/// Distinct places in order.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Never holds an empty chunk; the last of one chunk is lower than the first of the next.
    chunks: VecDeque<VecDeque<Place>>,
    len: usize,
}

impl Order {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The lowest place.
    pub fn first(&self) -> Option<Place> {
        self.chunks.front().and_then(|chunk| chunk.front()).copied()
    }

    /// Takes a place; `false` where it is taken already.
    pub fn insert(&mut self, ticket: Ticket, visitor: Visitor) -> bool {
        let place = (ticket, visitor);
        let (at, chunks) = (self.chunk_of(place), self.chunks.len());
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push_back(VecDeque::from([place]));
            self.len += 1;
            return true;
        };
        let Err(index) = chunk.binary_search(&place) else { return false };
        if chunk.len() < CHUNK {
            chunk.insert(index, place);
            self.len += 1;
            return true;
        }
        let mut next = VecDeque::with_capacity(CHUNK);
        if index == CHUNK && at + 1 == chunks {
            // Who comes last begins another chunk: people who come in order leave no room unused.
            next.push_back(place);
            self.chunks.push_back(next);
            self.len += 1;
            return true;
        }
        next.extend(chunk.drain(CHUNK / 2..));
        self.chunks.insert(at + 1, next);
        self.insert(ticket, visitor)
    }

    /// Gives up a place; `false` where it wasn't held.
    pub fn remove(&mut self, ticket: Ticket, visitor: Visitor) -> bool {
        let place = (ticket, visitor);
        let at = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Ok(index) = chunk.binary_search(&place) else { return false };
        chunk.remove(index);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        self.len -= 1;
        true
    }

    /// How many tickets in it are lower.
    pub fn below(&self, ticket: Ticket) -> u64 {
        let bound = (ticket, Visitor::default());
        let at = self.chunk_of(bound);
        let before: usize = self.chunks.iter().take(at).map(VecDeque::len).sum();
        let within = self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|place| *place < bound));
        (before + within) as u64
    }

    /// What a snapshot carries: the first places exactly, and spaced samples behind them.
    pub fn ranks(&self) -> Ranks {
        let head = self.chunks.iter().flatten().take(Ranks::EXACT).map(|(ticket, _)| *ticket).collect();
        let mut samples = Vec::new();
        let mut chunks = self.chunks.iter();
        let (mut before, mut chunk) = (0, chunks.next());
        for rank in sample_ranks(self.len as u64) {
            while let Some(current) = chunk
                && before + current.len() as u64 <= rank
            {
                before += current.len() as u64;
                chunk = chunks.next();
            }
            let index = usize::try_from(rank - before).unwrap_or(usize::MAX);
            if let Some((ticket, _)) = chunk.and_then(|current| current.get(index)) {
                samples.push((*ticket, rank));
            }
        }
        Ranks { head, samples, len: self.len as u64 }
    }

    /// Every place, lowest first.
    pub fn all(&self) -> impl Iterator<Item = Place> + '_ {
        self.chunks.iter().flatten().copied()
    }

    /// The chunk in which the place is or would be.
    fn chunk_of(&self, place: Place) -> usize {
        let after = self.chunks.partition_point(|chunk| chunk.front().is_some_and(|first| *first <= place));
        after.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn visitor(n: u8) -> Visitor {
        Visitor([n; 16])
    }

    proptest! {
        #[test]
        fn an_order_is_a_sorted_set(steps in prop::collection::vec((0u8..5, 0u64..60, 0u8..3), 0..400)) {
            let (mut order, mut model) = (Order::default(), BTreeSet::new());
            for (verb, ticket, who) in steps {
                let place = (Ticket(ticket), visitor(who));
                if verb < 3 {
                    prop_assert_eq!(order.insert(place.0, place.1), model.insert(place));
                } else {
                    prop_assert_eq!(order.remove(place.0, place.1), model.remove(&place));
                }
                prop_assert_eq!(order.len(), model.len());
            }
            prop_assert_eq!(order.first(), model.first().copied());
            for ticket in (0..61).step_by(3) {
                let lower = model.iter().filter(|(other, _)| other.0 < ticket).count() as u64;
                prop_assert_eq!(order.below(Ticket(ticket)), lower);
            }
            prop_assert!(order.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
            let held: Vec<_> = order.chunks.iter().flatten().copied().collect();
            prop_assert_eq!(held, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn ranks_of_a_long_order_are_exact_where_sampled() {
        let mut order = Order::default();
        for n in 0..50_000 {
            order.insert(Ticket(n * 7), visitor(1));
        }
        let ranks = order.ranks();
        assert_eq!(ranks.head.len(), Ranks::EXACT);
        assert!(ranks.samples.len() > 300);
        assert!(ranks.samples.iter().all(|(ticket, rank)| ticket.0 == rank * 7));
    }
}
