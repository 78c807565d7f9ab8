//! How long the wait will be, as a range, and when to ask again.

use super::{Settings, Time};

/// Above this a wait is called unknown rather than guessed: a day.
const UNKNOWN_ABOVE_SECONDS: u64 = 86_400;

/// A range of seconds until the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub low_seconds: u64,
    pub high_seconds: u64,
}

/// How fast turns were given lately: measured, since `max_active` and absences make it slower than the limit says.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// (when, turns given so far), oldest first, a second apart at least.
    seen: std::collections::VecDeque<(Time, u64)>,
}

impl Rate {
    /// Measured over so many seconds, or over four windows where those are longer.
    const SPAN_SECONDS: u64 = 60;
    /// However long the windows are, no more samples than this are kept.
    const SAMPLES: usize = 512;

    /// Takes note of how many turns were given so far. A number that went back means that the store began anew.
    pub fn observe(&mut self, now: Time, admitted: u64, settings: &Settings) {
        if self.seen.back().is_some_and(|(_, last)| admitted < *last) {
            self.seen.clear();
        }
        let span = Self::SPAN_SECONDS.max(settings.admission_frequency * 4);
        let spacing = (span * 1000 / Self::SAMPLES as u64).max(1000);
        if self.seen.back().is_some_and(|(last, _)| now.ms_since(*last) < spacing) {
            return;
        }
        self.seen.push_back((now, admitted));
        while self.seen.len() > 2 && self.seen.get(1).is_some_and(|(when, _)| *when < now.minus_seconds(span)) {
            self.seen.pop_front();
        }
    }

    /// People per second; `None` until two whole windows were seen.
    pub fn per_second(&self, settings: &Settings) -> Option<f64> {
        let ((first, before), (last, after)) = (self.seen.front()?, self.seen.back()?);
        let ms = last.ms_since(*first);
        if ms < settings.admission_frequency * 2000 {
            return None;
        }
        Some((after - before) as f64 * 1000.0 / ms as f64)
    }
}

impl Estimate {
    /// The wait of somebody with `ahead` people in front, while nobody's turn is held back.
    ///
    /// The low end trusts the limit that was set, the high end the slower of the limit and what was measured, and
    /// allows for one window of luck. `None`: not known (nobody was admitted lately, or it would be above a day).
    pub fn of(ahead: u64, rate: Option<f64>, settings: &Settings) -> Option<Self> {
        let window = settings.admission_frequency as f64;
        let nominal = settings.admission_limit as f64 / window;
        let measured = rate.unwrap_or(nominal).min(nominal);
        if measured <= 0.0 {
            return None;
        }
        let best = (ahead / settings.admission_limit.max(1)) as f64 * window;
        let likely = (ahead + 1) as f64 / measured;
        let low = best.max(likely * 0.75 - window).max(0.0);
        let high = (likely * 1.25).max(best) + window;
        (high <= UNKNOWN_ABOVE_SECONDS as f64)
            .then(|| Self { low_seconds: whole_seconds(low.floor()), high_seconds: whole_seconds(high.ceil()) })
    }
}

/// What the answering instance adds to the time of the next poll.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// 0 to 1, drawn for each answer: spreads the crowd.
    pub jitter: f64,
    /// 1 where polls are within the instance's budget; 2 where there are twice as many.
    pub load: f64,
}

/// When to ask again, in ms: a quarter of the wait, from 1 s near the head to 20 s far from it, spread by a fifth
/// either way, slower when polls exceed the budget, and always under a third of presence.
pub fn next_poll(estimate: Option<Estimate>, settings: &Settings, pace: Pace) -> u64 {
    const SOON: f64 = 1_000.0;
    const LATER: f64 = 20_000.0;
    let wait = estimate.map_or(LATER, |range| range.low_seconds as f64 * 250.0);
    let spread = 0.8 + 0.4 * pace.jitter.clamp(0.0, 1.0);
    let asked = wait.clamp(SOON, LATER) * spread * pace.load.max(1.0);
    let latest = settings.presence_seconds as f64 * 1000.0 / 3.0 - 1.0;
    whole_seconds(asked.max(SOON).min(latest))
}

/// Only ever called with small, positive numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 ..= a day of ms")]
fn whole_seconds(number: f64) -> u64 {
    number.clamp(0.0, 86_400_000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(limit: u64, frequency: u64) -> Settings {
        Settings { admission_limit: limit, admission_frequency: frequency, ..Settings::default() }
    }

    proptest! {
        #[test]
        fn the_true_wait_of_a_steady_line_lies_in_the_range(
            ahead in 0u64..100_000, limit in 1u64..5000, frequency in 1u64..60, phase in 0.0f64..1.0,
        ) {
            let settings = settings(limit, frequency);
            let truth = (ahead / limit) as f64 * frequency as f64 + phase * frequency as f64;
            let nominal = limit as f64 / frequency as f64;
            if let Some(range) = Estimate::of(ahead, Some(nominal), &settings) {
                prop_assert!(range.low_seconds as f64 <= truth, "{range:?} {truth}");
                prop_assert!(range.high_seconds as f64 >= truth.floor(), "{range:?} {truth}");
            } else {
                prop_assert!(truth * 1.25 > 80_000.0);
            }
        }

        #[test]
        fn polls_stay_between_a_second_and_a_third_of_presence(
            ahead in 0u64..10_000_000, presence in 30u64..600, jitter in 0.0f64..1.0, load in 0.0f64..100.0,
        ) {
            let settings = Settings { presence_seconds: presence, ..settings(10, 5) };
            let estimate = Estimate::of(ahead, None, &settings);
            let poll = next_poll(estimate, &settings, Pace { jitter, load });
            prop_assert!((1000..presence * 1000 / 3).contains(&poll));
        }
    }

    #[test]
    fn a_slower_rate_than_the_limit_widens_the_range() {
        let settings = settings(10, 5);
        let (fast, slow) = (Estimate::of(100, None, &settings), Estimate::of(100, Some(0.5), &settings));
        assert!(slow.unwrap().high_seconds > 3 * fast.unwrap().high_seconds);
        assert_eq!(Estimate::of(100, Some(0.0), &settings), None);
        assert_eq!(Estimate::of(10_000_000, None, &settings), None);
    }

    #[test]
    fn the_rate_is_measured_and_starts_over_with_the_store() {
        let (mut rate, settings) = (Rate::default(), settings(10, 5));
        for second in 0..30 {
            rate.observe(Time(second * 1000), second * 2, &settings);
        }
        assert!((rate.per_second(&settings).unwrap() - 2.0).abs() < 0.01);
        rate.observe(Time(31_000), 0, &settings);
        assert_eq!(rate.per_second(&settings), None);
    }
}
