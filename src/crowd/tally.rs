//! How things stand with a crowd, counted as it goes.

use super::record::Moment;
use super::visitor::{Mishap, Stage};
use std::collections::BTreeMap;

/// Upper ends of the ranges in which answering times are counted, ms.
pub const ANSWER_MS: [u32; 12] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 5000, u32::MAX];

/// The figures of a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub elapsed_ms: u32,
    /// Not yet told anything.
    pub coming: u64,
    pub waiting: u64,
    pub inside: u64,
    pub gone: u64,
    /// Turns that came.
    pub admitted: u64,
    pub requests: u64,
    /// Requests without an answer yet.
    pub under_way: usize,
    /// The most that a request began after it was due: what this machine, or `connections`, cost.
    pub late_ms: u32,
    /// How many answers took up to so long, see [`ANSWER_MS`].
    pub answers: [u64; ANSWER_MS.len()],
    pub mishaps: BTreeMap<Mishap, u64>,
    /// Whether who is gone makes room.
    pub(super) forgets: bool,
}

impl Live {
    pub(super) fn moved(&mut self, from: Stage, to: Stage, is_turn: bool) {
        let count = self.of(from);
        *count = count.saturating_sub(1);
        *self.of(to) += 1;
        self.admitted += u64::from(is_turn);
    }

    pub(super) fn answered(&mut self, at: Moment) {
        let took = at.answered.saturating_sub(at.sent);
        let range = ANSWER_MS.iter().position(|most| took <= *most);
        if let Some(count) = range.and_then(|range| self.answers.get_mut(range)) {
            *count += 1;
        }
    }

    fn of(&mut self, stage: Stage) -> &mut u64 {
        match stage {
            Stage::Coming => &mut self.coming,
            Stage::Waiting | Stage::Called => &mut self.waiting,
            Stage::Inside { .. } | Stage::Leaving => &mut self.inside,
            Stage::Gone => &mut self.gone,
        }
    }

    /// Who is not inside yet and may still come in.
    pub const fn outside(&self) -> u64 {
        self.coming + self.waiting
    }

    /// Everything that went wrong.
    pub fn errors(&self) -> u64 {
        self.mishaps.values().sum()
    }

    /// The upper end of the range in which that share (0 to 1) of the answers lies, ms.
    pub fn answer_ms(&self, share: f64) -> Option<u32> {
        let all: u64 = self.answers.iter().sum();
        let mut seen = 0;
        ANSWER_MS.iter().zip(self.answers).find_map(|(most, count)| {
            seen += count;
            (all > 0 && seen as f64 >= share * all as f64).then_some(*most)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_place_and_a_turn_is_counted_once() {
        let mut live = Live { coming: 2, ..Live::default() };
        live.moved(Stage::Coming, Stage::Waiting, false);
        live.moved(Stage::Waiting, Stage::Called, true);
        live.moved(Stage::Called, Stage::Inside { pages: 1 }, false);
        live.moved(Stage::Coming, Stage::Inside { pages: 1 }, true);
        live.moved(Stage::Inside { pages: 1 }, Stage::Gone, false);
        assert_eq!((live.coming, live.waiting, live.inside, live.gone, live.admitted), (0, 0, 1, 1, 2));
    }

    #[test]
    fn answering_times_are_told_by_ranges() {
        let mut live = Live::default();
        assert_eq!(live.answer_ms(0.5), None);
        for took in [1, 1, 3, 4000] {
            live.answered(Moment { sent: 10, answered: 10 + took });
        }
        assert_eq!((live.answer_ms(0.5), live.answer_ms(0.75), live.answer_ms(0.99)), (Some(1), Some(5), Some(5000)));
    }
}
