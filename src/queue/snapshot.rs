//! What an instance knows of a room since its last sync, and the position of a ticket in it.
//!
//! Positions are answered from here, without asking the store: exact for the first [`Ranks::EXACT`] places, within 1 %
//! behind them.

use super::{Settings, Ticket, Time, Window};

/// The shape of a line: how many tickets are lower than a given one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks {
    /// The first tickets, ascending.
    pub head: Vec<Ticket>,
    /// Tickets behind the head with their ranks (0 = head of the line), both ascending, as [`sample_ranks`] spaces them.
    pub samples: Vec<(Ticket, u64)>,
    /// People in the line.
    pub len: u64,
}

/// The ranks behind the exact head that a snapshot of a line of `len` people samples: a hundredth apart, and the last.
pub fn sample_ranks(len: u64) -> Vec<u64> {
    let mut ranks = Vec::new();
    let mut rank = Ranks::EXACT as u64;
    while rank < len {
        ranks.push(rank);
        rank += (rank / 100).max(1);
    }
    if len > Ranks::EXACT as u64 && ranks.last() != Some(&(len - 1)) {
        ranks.push(len - 1);
    }
    ranks
}

impl Ranks {
    /// So many places are exact.
    pub const EXACT: usize = 1000;

    /// The highest ticket in line.
    pub fn last(&self) -> Option<Ticket> {
        self.samples.last().map(|(ticket, _)| *ticket).or_else(|| self.head.last().copied())
    }

    /// How many tickets in line are lower.
    pub fn below(&self, ticket: Ticket) -> u64 {
        let within = self.head.partition_point(|other| *other < ticket);
        if within < self.head.len() || self.samples.is_empty() {
            return within as u64;
        }
        let after = self.samples.partition_point(|(other, _)| *other < ticket);
        let lower = after.checked_sub(1).and_then(|index| self.samples.get(index)).copied();
        let lower = lower.or_else(|| self.head.last().map(|last| (*last, self.head.len() as u64 - 1)));
        match (lower, self.samples.get(after)) {
            (Some(lower), Some(upper)) => between(lower, *upper, ticket),
            (Some((_, rank)), None) => (rank + 1).max(self.len),
            (None, _) => within as u64,
        }
    }
}

/// Linear between two samples; never more than the upper one.
fn between(lower: (Ticket, u64), upper: (Ticket, u64), ticket: Ticket) -> u64 {
    let span = u128::from(upper.0.0.saturating_sub(lower.0.0)).max(1);
    let done = u128::from(ticket.0.saturating_sub(lower.0.0));
    let steps = u128::from(upper.1.saturating_sub(lower.1));
    let rank = u128::from(lower.1) + (steps * done).div_ceil(span);
    u64::try_from(rank).unwrap_or(u64::MAX).clamp(lower.1 + 1, upper.1)
}

/// A room as it was at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// When, on the store's clock.
    pub taken: Time,
    /// Which state of the store this is; another one means that the store lost its memory. Named after the moment at
    /// which it began: what the store was told before, it may not know.
    pub epoch: u64,
    /// Grows with every sync of an epoch.
    pub seq: u64,
    /// Those who were heard from all the time.
    pub line: Ranks,
    /// Those who came back after an absence.
    pub late: Ranks,
    /// People who hold a turn, claimed or not.
    pub ready: u64,
    /// The highest ticket that was ever given a turn: a higher one can't be spent.
    pub watermark: Ticket,
    /// Turns given since the epoch began.
    pub admitted: u64,
    pub window: Window,
    /// Nobody is admitted before.
    pub hold_until: Time,
    /// Instances that synced lately, this one included.
    pub instances: u64,
}

impl Snapshot {
    /// People in the line.
    pub fn waiting(&self) -> u64 {
        self.line.len + self.late.len
    }

    /// The place of a ticket, 1 at the head.
    pub fn position(&self, ticket: Ticket) -> u64 {
        self.line.below(ticket) + self.late.below(ticket) + 1
    }

    /// Whether somebody who comes now has to wait. Answers from what is known; the store has the last word.
    pub fn is_busy(&self, settings: &Settings, now: Time) -> bool {
        self.waiting() > 0
            || !settings.mode.admits()
            || now < self.hold_until
            || self.window.left(settings, now) == 0
            || (settings.max_active > 0 && self.ready >= settings.max_active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Visitor, order::Order};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        /// The promise of the contract, whatever the gaps between the tickets: rushes and lulls in turn.
        #[test]
        fn positions_are_exact_in_front_and_within_one_percent_behind(
            rushes in prop::collection::vec((1usize..500, prop_oneof![1u64..5, 1u64..100_000]), 1..20),
            asked in prop::collection::vec(any::<prop::sample::Index>(), 50),
        ) {
            let mut line = Order::default();
            let mut tickets = vec![];
            let mut at = 1;
            for gap in rushes.into_iter().flat_map(|(people, gap)| std::iter::repeat_n(gap, people)) {
                at += gap;
                line.insert(Ticket(at), Visitor([1; 16]));
                tickets.push(at);
            }
            let snapshot = Snapshot { line: line.ranks(), ..Snapshot::default() };
            for index in asked {
                let index = index.index(tickets.len());
                let (truth, told) = (index as u64 + 1, snapshot.position(Ticket(tickets[index])));
                if truth <= 1000 {
                    prop_assert_eq!(told, truth);
                } else {
                    prop_assert!(told.abs_diff(truth) * 100 <= truth, "told {} for {}", told, truth);
                }
            }
            prop_assert_eq!(snapshot.position(Ticket(at + 1)), tickets.len() as u64 + 1);
        }
    }

    #[test]
    fn an_empty_room_is_not_busy_and_its_first_place_is_one() {
        let snapshot = Snapshot::default();
        assert_eq!(snapshot.position(Ticket(5)), 1);
        assert!(!snapshot.is_busy(&Settings::default(), Time(1)));
    }
}
