//! What can be proved about a gate from what its visitors saw.
//!
//! A visitor learns of a turn at the next question, so the moment of the turn is known as a span: after the last question
//! that was answered with "wait", and before the answer that said "come in". Whatever is called wrong here is wrong however
//! the turns lay within those spans; what might have been right is not counted.

use super::record::Record;
use std::collections::BTreeMap;

/// An answer may be so much older than the store's word: what one instance is told, all know within a second.
pub const SLACK_MS: u32 = 1000;
/// How well the gate's clock is known from the tickets, ms.
const CLOCK_MS: i64 = 100;

/// So many in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub people: u64,
    pub window_ms: u64,
}

/// What was found about a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admissions {
    /// Turns in all.
    pub turns: u64,
    /// The most whose turn became known within one window of the gate. May be above the limit though the gate kept it:
    /// a turn is heard of up to a poll later.
    pub most_heard: u64,
    /// So many were let in beyond the limit, however the turns lay. Always 0 without a limit.
    pub above_limit: u64,
}

/// The span of a turn, ms from the beginning; `None` where there was none.
fn span(record: &Record) -> Option<(u32, u32)> {
    let until = record.turn?;
    // Who was let in at once was let in by that very request.
    let from = match record.waits_until.or(record.waits_since) {
        Some(waits) => waits.saturating_sub(SLACK_MS),
        None => record.turn_asked?,
    };
    Some((from, until))
}

/// The turns per window of the gate's clock, against a limit where one is given.
pub fn admissions<'a>(
    records: impl Iterator<Item = &'a Record>,
    window_ms: u64,
    limit: Option<Limit>,
    offset_ms: i64,
) -> Admissions {
    let window = i64::try_from(window_ms.max(1)).unwrap_or(i64::MAX);
    let of = |at: u32, more: i64| (i64::from(at) + offset_ms + more).div_euclid(window);
    let spans: Vec<_> = records.filter_map(span).collect();
    let mut heard: BTreeMap<i64, u64> = BTreeMap::new();
    for (_, until) in &spans {
        *heard.entry(of(*until, 0)).or_default() += 1;
    }
    let in_windows = spans.iter().map(|(from, until)| (of(*from, -CLOCK_MS), of(*until, CLOCK_MS))).collect();
    Admissions {
        turns: spans.len() as u64,
        most_heard: heard.values().copied().max().unwrap_or(0),
        above_limit: limit.map_or(0, |limit| beyond(in_windows, limit.people)),
    }
}

/// How many find no window with a free place, if each gets the one that suits best: first come those whose span ends
/// first.
fn beyond(mut spans: Vec<(i64, i64)>, people: u64) -> u64 {
    spans.sort_unstable();
    let (mut beyond, mut next) = (0, 0);
    let mut open: std::collections::BinaryHeap<std::cmp::Reverse<i64>> = std::collections::BinaryHeap::new();
    let mut window = spans.first().map_or(0, |(from, _)| *from);
    loop {
        while let Some((_, until)) = spans.get(next).filter(|(from, _)| *from <= window) {
            open.push(std::cmp::Reverse(*until));
            next += 1;
        }
        for _ in 0..people {
            if open.pop().is_none() {
                break;
            }
        }
        while open.peek().is_some_and(|until| until.0 <= window) {
            open.pop();
            beyond += 1;
        }
        window = match (open.is_empty(), spans.get(next)) {
            (false, _) => window + 1,
            (true, Some((from, _))) => *from,
            (true, None) => return beyond,
        };
    }
}

/// How far the gate's clock is ahead of the beginning, ms: a ticket is minted while the request for it is under way.
/// `None` where nobody got a ticket.
pub fn clock_offset<'a>(records: impl Iterator<Item = &'a Record>) -> Option<i64> {
    let offsets = records.filter_map(|record| {
        let told = record.waits_since.or(record.turn)?;
        Some(i64::try_from(record.ticket? / 1000).ok()? - i64::from(told))
    });
    // The quickest answer tells it best.
    offsets.max()
}

/// How many of those who were there all the time were overtaken: somebody with a later place, who also was in line, got a
/// turn before.
pub fn overtaken<'a>(records: impl Iterator<Item = &'a Record>) -> u64 {
    let mut people: Vec<Seen> = records.filter_map(Seen::of).collect();
    people.sort_unstable_by_key(|seen| std::cmp::Reverse(seen.ticket));
    // Of those with later places: when each turn was over, by when that visitor last still waited.
    let mut ranks: Vec<u32> = people.iter().map(|seen| seen.turn_after).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let mut soonest = Soonest::new(ranks.len());
    let mut overtaken = 0;
    for same in people.chunk_by(|a, b| a.ticket == b.ticket) {
        for seen in same {
            // Only who had not been called yet when this one came into the line can have overtaken.
            let behind = ranks.partition_point(|after| *after < seen.in_line);
            if soonest.from(behind) < seen.waited_until {
                overtaken += 1;
            }
        }
        for seen in same {
            let rank = ranks.partition_point(|after| *after < seen.turn_after);
            soonest.put(rank, seen.turn_before);
        }
    }
    overtaken
}

/// One who was there all the time.
struct Seen {
    ticket: u64,
    in_line: u32,
    /// Surely had no turn before.
    waited_until: u32,
    turn_after: u32,
    turn_before: u32,
}

impl Seen {
    fn of(record: &Record) -> Option<Self> {
        if record.was_absent {
            return None;
        }
        let waited_until = record.waits_until?.saturating_sub(SLACK_MS);
        let in_line = record.in_line?.saturating_add(SLACK_MS);
        Some(Self {
            ticket: record.ticket?,
            in_line,
            waited_until,
            turn_after: waited_until,
            turn_before: record.turn.unwrap_or(u32::MAX),
        })
    }
}

/// The lowest of what was put at a rank or above it (a Fenwick tree, turned round).
struct Soonest(Vec<u32>);

impl Soonest {
    fn new(ranks: usize) -> Self {
        Self(vec![u32::MAX; ranks + 1])
    }

    fn put(&mut self, rank: usize, value: u32) {
        let mut at = self.0.len().saturating_sub(1).saturating_sub(rank);
        while let Some(lowest) = self.0.get_mut(at) {
            *lowest = value.min(*lowest);
            at += (at & at.wrapping_neg()).max(1);
        }
    }

    fn from(&self, rank: usize) -> u32 {
        let mut at = self.0.len().saturating_sub(1).saturating_sub(rank);
        let mut lowest = u32::MAX;
        while at > 0 {
            lowest = lowest.min(self.0.get(at).copied().unwrap_or(u32::MAX));
            at &= at - 1;
        }
        lowest
    }
}

/// Waits from the first "wait" to the turn, in ms, ascending.
pub fn waits<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<u32> {
    let mut waits: Vec<u32> =
        records.filter_map(|record| Some(record.turn?.saturating_sub(record.waits_since?))).collect();
    waits.sort_unstable();
    waits
}

/// That share (0 to 1) of ascending numbers is at most this.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, rounded up")]
pub fn quantile(ascending: &[u32], share: f64) -> Option<u32> {
    let place = (ascending.len() as f64 * share).ceil() as usize;
    ascending.get(place.clamp(1, ascending.len().max(1)) - 1).copied()
}

/// Of those who were there all the time and went in: to how many an estimate was shown, and for how many of them the wait
/// from then until they heard of their turn lay within it.
pub fn estimates<'a>(records: impl Iterator<Item = &'a Record>) -> (u64, u64) {
    let (mut shown, mut right) = (0, 0);
    for record in records.filter(|record| !record.was_absent) {
        let (Some(promise), Some(turn)) = (record.promised, record.turn) else { continue };
        let (wait, second) = (u64::from(turn.saturating_sub(promise.at)), 1000);
        let range = u64::from(promise.low_seconds) * second..=u64::from(promise.high_seconds) * second;
        shown += 1;
        right += u64::from(range.contains(&wait));
    }
    (shown, right)
}

#[cfg(test)]
mod tests {
    use super::super::record::Promise;
    use super::*;
    use proptest::prelude::*;

    fn waited(ticket: u64, in_line: u32, waits_until: u32, turn: Option<u32>) -> Record {
        Record {
            ticket: Some(ticket),
            waits_since: Some(in_line),
            in_line: Some(in_line),
            waits_until: Some(waits_until),
            turn,
            turn_asked: turn,
            ..Record::default()
        }
    }

    fn walked_in(ticket: u64, at: u32) -> Record {
        Record { ticket: Some(ticket), turn: Some(at), turn_asked: Some(at), ..Record::default() }
    }

    #[test]
    fn what_the_limit_allows_is_not_called_too_much_though_it_is_heard_of_late() {
        // Ten a second are let in, and all of two seconds hear of it in the second one.
        let records: Vec<_> = (0..20).map(|n| waited(n, 0, 1100, Some(2950 + u32::try_from(n).unwrap()))).collect();
        let limit = Limit { people: 10, window_ms: 1000 };
        let found = admissions(records.iter(), 1000, Some(limit), 0);
        assert_eq!(found, Admissions { turns: 20, most_heard: 20, above_limit: 0 });
    }

    #[test]
    fn more_than_the_limit_is_found_wherever_the_turns_lay() {
        let limit = Limit { people: 10, window_ms: 5000 };
        let at_once: Vec<_> = (0..13).map(|n| walked_in(n, 2000)).collect();
        assert_eq!(admissions(at_once.iter(), 5000, Some(limit), 0).above_limit, 3);
        // Seen from 1 s to 9 s: two windows, twenty places.
        let spread: Vec<_> = (0..25).map(|n| waited(n, 0, 2000, Some(9000))).collect();
        assert_eq!(admissions(spread.iter(), 5000, Some(limit), 0).above_limit, 5);
        assert_eq!(admissions(spread.iter(), 5000, None, 0).above_limit, 0);
    }

    proptest! {
        /// Whatever a gate that keeps its limit does, and however late its visitors hear of it, it is not accused; and one
        /// person more in a window than there is room for within the spans is.
        #[test]
        fn nobody_is_accused_who_kept_the_limit(
            windows in prop::collection::vec(0u64..6, 1..30), early in 0i64..4, late in 0i64..4, more in 1u64..5,
        ) {
            let mut spans = Vec::new();
            for (at, people) in windows.iter().enumerate() {
                let at = i64::try_from(at).unwrap();
                spans.extend((0..*people).map(|n| {
                    let n = i64::try_from(n).unwrap();
                    (at - (n * 7) % (early + 1), at + (n * 5) % (late + 1))
                }));
            }
            prop_assert_eq!(beyond(spans.clone(), 5), 0);
            let exact: Vec<_> = (0..5 + more).map(|_| (100, 100)).collect();
            spans.extend(exact);
            prop_assert_eq!(beyond(spans, 5), more);
        }

        /// The same as comparing everybody with everybody.
        #[test]
        fn overtakings_are_those_that_a_comparison_of_all_pairs_finds(
            people in prop::collection::vec((0u64..40, 0u32..20, 0u32..40, 0u32..30, any::<bool>()), 0..40),
        ) {
            let records: Vec<_> = people
                .iter()
                .map(|(ticket, came, waits, turn, called)| {
                    let (came, until) = (came * 1000, (came + waits) * 1000);
                    waited(*ticket, came, until, called.then_some(until + turn * 1000))
                })
                .collect();
            let seen: Vec<_> = records.iter().filter_map(Seen::of).collect();
            let slow = seen.iter().filter(|a| {
                seen.iter().any(|b| {
                    b.ticket > a.ticket && b.turn_after >= a.in_line && b.turn_before < a.waited_until
                })
            });
            prop_assert_eq!(overtaken(records.iter()), slow.count() as u64);
        }
    }

    #[test]
    fn who_was_passed_over_is_found_and_who_was_away_is_not() {
        let first = waited(1, 0, 20_000, Some(21_000));
        let second = waited(2, 0, 9000, Some(10_000));
        assert_eq!(overtaken([first, second].iter()), 1);
        assert_eq!(overtaken([Record { was_absent: true, ..first }, second].iter()), 0);
        assert_eq!(
            overtaken([waited(1, 0, 10_500, Some(12_000)), second].iter()),
            0,
            "within what can't be told apart"
        );
        assert_eq!(overtaken([waited(1, 0, 20_000, None), second].iter()), 1, "still waiting");
        assert_eq!(overtaken([waited(1, 15_000, 20_000, None), second].iter()), 0, "came into the line later");
    }

    #[test]
    fn waits_and_estimates_are_told_as_they_were() {
        let promise = |at, low_seconds, high_seconds| Some(Promise { at, low_seconds, high_seconds });
        let right = Record { promised: promise(0, 5, 12), ..waited(1, 0, 9000, Some(10_000)) };
        let wrong = Record { promised: promise(0, 30, 60), ..waited(2, 0, 9000, Some(10_000)) };
        assert_eq!(estimates([right, wrong].iter()), (2, 1));
        assert_eq!(waits([right, wrong].iter()), [10_000, 10_000]);
        let ascending: Vec<u32> = (1..=100).collect();
        assert_eq!(
            [0.5, 0.9, 0.99, 1.0].map(|share| quantile(&ascending, share)),
            [Some(50), Some(90), Some(99), Some(100)]
        );
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(clock_offset([waited(5_000_000, 30, 40, None), waited(5_000_000, 10, 40, None)].iter()), Some(4990));
    }
}
