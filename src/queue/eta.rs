//! How long the wait will be, as a range, and when to ask again.
//!
//! A line moves because people are let in and because people give up. Both are measured, on every instance, from the
//! snapshots alone; what can't be known yet makes the range wider. `eta/accuracy.rs` simulates crowds and holds the range
//! to its promise: of ten true waits, eight at least lie within the range that was shown first.

use super::{Settings, Snapshot, Ticket, Time};
use std::collections::VecDeque;

/// Above this a wait is called unknown rather than guessed: a day.
const UNKNOWN_ABOVE_SECONDS: u64 = 86_400;
/// Of those who wait, so many at most are taken to give up, per second, until that is measured: half in a quarter of an
/// hour.
const LEAVING_AT_MOST: f64 = 1.0 / 1200.0;
/// What was measured may be so much off, either way.
const DOUBT: f64 = 0.15;
/// Whoever came in the last seconds is not in the line yet: a page asks for the first time when it has loaded.
const UNSEEN_SECONDS: f64 = 1.5;
/// A turn is heard of at a poll: a range ends so much later at least.
const HEARD_WITHIN: f64 = 2.5;

/// A range of seconds until the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub low_seconds: u64,
    pub high_seconds: u64,
}

/// How fast a line moves, as far as that was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Turns given per second while the room was full or the limit was what held people back.
    pub turns: Option<f64>,
    /// Of those who wait, the share that gives up per second.
    pub leaving: Option<f64>,
    /// People who came per second, in the last seconds.
    pub joining: f64,
}

/// How a line moved lately: measured, since `max_active` and those who give up make it slower or faster than the limit says.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// Oldest first, a second apart at least.
    seen: VecDeque<Sample>,
    /// Limit, frequency and cap that held while they were taken.
    rules: (u64, u64, u64),
    speed: Speed,
    /// (when, people who came so far, less those who gave up), of the last seconds.
    lately: VecDeque<(Time, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    when: Time,
    /// Turns given so far.
    admitted: u64,
    /// Who was last in line then, and how many stood before.
    mark: Ticket,
    before: u64,
}

impl Rate {
    /// Turns are measured over so many seconds, or over four windows where those are longer.
    const SPAN_SECONDS: u64 = 60;
    /// Who gives up is missed after presence; so much longer is looked at, and so much at least.
    const LEAVING_SECONDS: u64 = 240;
    const LEAVING_LEAST_SECONDS: u64 = 60;
    /// Over so many who come are counted.
    const LATELY_MS: u64 = 3000;
    /// However long the windows are, no more samples than this are kept.
    const SAMPLES: usize = 512;

    /// Takes note of a snapshot; answers how fast the line moves. How fast shows only while there is a line, under the same
    /// rules, and nothing holds it back.
    pub fn observe(&mut self, snapshot: &Snapshot, settings: &Settings) -> Speed {
        let (now, cap, limit) = (snapshot.taken, settings.max_active, settings.admission_limit);
        let rules = (limit, settings.admission_frequency, cap);
        let is_held = !settings.mode.admits() || now < snapshot.hold_until;
        let is_filling = cap > 0 && snapshot.ready.saturating_add(limit) < cap;
        let began_anew = self.seen.back().is_some_and(|last| snapshot.admitted < last.admitted);
        if snapshot.waiting() == 0 || is_held || is_filling || began_anew || rules != self.rules {
            *self = Self { rules, lately: std::mem::take(&mut self.lately), ..Self::default() };
        }
        self.speed.joining = self.joining(snapshot);
        if snapshot.waiting() == 0 || is_held || is_filling {
            return self.speed;
        }
        let turns = Self::SPAN_SECONDS.max(settings.admission_frequency * 4);
        let span = turns.max(settings.presence_seconds + Self::LEAVING_SECONDS);
        let spacing = (span * 1000 / Self::SAMPLES as u64).max(1000);
        if self.seen.back().is_none_or(|last| now.ms_since(last.when) >= spacing) {
            let mark = snapshot.line.last().max(snapshot.late.last()).unwrap_or_default();
            let before = snapshot.position(mark) - 1;
            self.seen.push_back(Sample { when: now, admitted: snapshot.admitted, mark, before });
            while self.seen.len() > 2 && self.seen.get(1).is_some_and(|next| next.when < now.minus_seconds(span)) {
                self.seen.pop_front();
            }
            self.speed = Speed {
                turns: self.turns(now.minus_seconds(turns), settings),
                leaving: self.leaving(snapshot, settings).or(self.speed.leaving),
                ..self.speed
            };
        }
        self.speed
    }

    fn joining(&mut self, snapshot: &Snapshot) -> f64 {
        let (now, joined) = (snapshot.taken, snapshot.waiting() + snapshot.admitted);
        self.lately.retain(|(when, before)| now.ms_since(*when) <= Self::LATELY_MS && *before <= joined);
        self.lately.push_back((now, joined));
        self.lately.truncate(Self::SAMPLES);
        let Some((since, before)) = self.lately.front() else { return 0.0 };
        (joined - before) as f64 * 1000.0 / now.ms_since(*since).max(1) as f64
    }

    /// People per second since that moment or the beginning; `None` until two whole windows were seen.
    fn turns(&self, since: Time, settings: &Settings) -> Option<f64> {
        let from = self.seen.partition_point(|sample| sample.when < since);
        let (first, last) = (self.seen.get(from)?, self.seen.back()?);
        let ms = last.when.ms_since(first.when);
        if ms < settings.admission_frequency * 2000 {
            return None;
        }
        Some((last.admitted - first.admitted) as f64 * 1000.0 / ms as f64)
    }

    /// Who stood before a mark and was neither let in nor is there now has given up. `None` until those who were there when
    /// it began could be missed.
    fn leaving(&self, snapshot: &Snapshot, settings: &Settings) -> Option<f64> {
        let least = (settings.presence_seconds + Self::LEAVING_LEAST_SECONDS) * 1000;
        let still_there = |sample: &&Sample| snapshot.position(sample.mark) > 1;
        let from = self.seen.iter().find(still_there)?;
        let ms = snapshot.taken.ms_since(from.when);
        if ms < least || from.before == 0 {
            return None;
        }
        let before = snapshot.position(from.mark) - 1;
        let moved = from.before.saturating_sub(before);
        let gone = moved.saturating_sub(snapshot.admitted - from.admitted);
        let stood = (from.before + before) as f64 / 2.0;
        Some(gone as f64 * 1000.0 / (ms as f64 * stood))
    }
}

impl Estimate {
    /// The wait of somebody with `ahead` people in front, while nobody's turn is held back and `free` places inside are
    /// free (without a cap: all). `is_new`: not in the line yet, where others may be about to stand in front.
    ///
    /// The low end trusts the limit that was set and that many give up, the high end the slower of the limit and what was
    /// measured, and that nearly all stay; both allow for a window of luck. `None`: not known (nobody was admitted lately,
    /// or it would be above a day).
    pub fn of(ahead: u64, is_new: bool, free: u64, speed: Speed, settings: &Settings) -> Option<Self> {
        let window = settings.admission_frequency as f64;
        let nominal = settings.admission_limit as f64 / window;
        // A full room that was not yet watched may let in no faster than its stays run out.
        let unwatched = match settings.max_active {
            0 => nominal,
            cap => cap as f64 / settings.ready_ttl_seconds as f64,
        };
        let (fast, slow) = match speed.turns {
            Some(turns) => (turns * (1.0 + DOUBT), turns),
            None => (nominal, unwatched),
        };
        let (many, few) = match speed.leaving {
            Some(leaving) => (leaving * 1.5 + LEAVING_AT_MOST / 4.0, leaving * 0.5),
            None => (LEAVING_AT_MOST, 0.0),
        };
        let unseen = if is_new { whole_seconds(speed.joining * UNSEEN_SECONDS) } else { 0 };
        let wait = |until: u64, rate: f64, leaving| {
            let (at_once, later) = (until.min(free), until.saturating_sub(free));
            seconds(at_once as f64, nominal, leaving) + seconds(later as f64, rate.min(nominal), leaving)
        };
        let low = wait(ahead.saturating_add(1), fast, many);
        let high = wait(ahead.saturating_add(1).saturating_add(unseen), slow, few);
        let low = (low * (1.0 - DOUBT) - window).max(0.0);
        let high = high * (1.0 + DOUBT) + window.max(HEARD_WITHIN);
        (high <= UNKNOWN_ABOVE_SECONDS as f64)
            .then(|| Self { low_seconds: whole_seconds(low.floor()), high_seconds: whole_seconds(high.ceil()) })
    }
}

/// How long it takes until nobody of so many is left, when so many go in per second and that share of the rest gives up.
fn seconds(people: f64, rate: f64, leaving: f64) -> f64 {
    if people <= 0.0 {
        return 0.0;
    }
    if rate <= 0.0 {
        return f64::INFINITY;
    }
    let share = leaving * people / rate;
    // Where next to nobody gives up, the logarithm is the number itself.
    if share < 1e-6 { people / rate } else { share.ln_1p() / leaving }
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
mod accuracy;

#[cfg(test)]
mod tests {
    use super::super::Ranks;
    use super::*;
    use proptest::prelude::*;

    fn turns(per_second: f64) -> Speed {
        Speed { turns: Some(per_second), leaving: Some(0.0), joining: 0.0 }
    }

    /// A line of so many, a millisecond apart, the first `gone` of whom are not there any more.
    fn snapshot(second: u64, admitted: u64, gone: u64, len: u64) -> Snapshot {
        let head = (gone..len).map(|n| Ticket(1000 + n)).collect();
        let line = Ranks { head, samples: vec![], len: len - gone };
        Snapshot { taken: Time(second * 1000), admitted, line, ..Snapshot::default() }
    }

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
            if let Some(range) = Estimate::of(ahead, false, u64::MAX, turns(nominal), &settings) {
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
            let estimate = Estimate::of(ahead, false, u64::MAX, Speed::default(), &settings);
            let poll = next_poll(estimate, &settings, Pace { jitter, load });
            prop_assert!((1000..presence * 1000 / 3).contains(&poll));
        }
    }

    #[test]
    fn a_slower_rate_than_the_limit_makes_it_later_and_no_rate_makes_it_unknown() {
        let settings = Settings { max_active: 50, ..settings(10, 5) };
        let of = |ahead, free, speed| Estimate::of(ahead, false, free, speed, &settings);
        let (fast, slow) = (of(100, 0, turns(2.0)).unwrap(), of(100, 0, turns(0.5)).unwrap());
        assert!(slow.low_seconds > 3 * fast.low_seconds && slow.high_seconds > 3 * fast.high_seconds);
        assert_eq!(of(100, 0, turns(0.0)), None);
        assert_eq!(of(10_000_000, 0, turns(2.0)), None);
        assert_eq!(of(20, 40, turns(0.0)), of(20, u64::MAX, turns(2.0)), "who finds a place free needs nobody to go");
        let unwatched = of(100, 0, Speed::default()).unwrap();
        assert!(unwatched.high_seconds > 1000 && unwatched.low_seconds < 60, "{unwatched:?}");
    }

    #[test]
    fn the_more_give_up_the_shorter_it_takes() {
        let settings = settings(10, 5);
        let of = |leaving| Estimate::of(3000, false, u64::MAX, Speed { leaving, ..turns(2.0) }, &settings).unwrap();
        let [nobody, some, many] = [Some(0.0), Some(0.001), Some(0.01)].map(of);
        assert!(nobody.high_seconds > some.high_seconds && some.high_seconds > many.high_seconds);
        assert!(nobody.low_seconds > some.low_seconds && some.low_seconds > many.low_seconds);
        assert!(of(None).low_seconds < nobody.low_seconds && of(None).high_seconds == nobody.high_seconds);
    }

    #[test]
    fn turns_are_measured_and_start_over_with_the_store_and_with_other_rules() {
        let (mut rate, slow) = (Rate::default(), settings(10, 5));
        let mut observe =
            |second, admitted, settings: &Settings| rate.observe(&snapshot(second, admitted, 0, 9), settings).turns;
        for second in 0..30 {
            observe(second, second * 2, &slow);
        }
        assert!((observe(30, 60, &slow).unwrap() - 2.0).abs() < 0.01);
        assert_eq!(observe(31, 62, &settings(20, 5)), None, "other rules");
        for second in 32..60 {
            observe(second, second * 2, &slow);
        }
        assert!(observe(60, 120, &slow).is_some());
        assert_eq!(observe(61, 0, &slow), None, "another store");
    }

    #[test]
    fn who_comes_with_many_others_is_told_that_some_may_stand_in_front() {
        let (mut rate, settings) = (Rate::default(), settings(10, 5));
        let speeds: Vec<_> =
            (0..4).map(|second| rate.observe(&snapshot(second, 0, 0, second * 100), &settings)).collect();
        let speed = *speeds.last().unwrap();
        assert!((90.0..110.0).contains(&speed.joining), "{speed:?}");
        let of = |is_new| Estimate::of(300, is_new, u64::MAX, speed, &settings).unwrap();
        assert!(of(true).high_seconds > of(false).high_seconds + 60 && of(true).low_seconds == of(false).low_seconds);
    }

    #[test]
    fn who_gives_up_is_measured_once_presence_is_over() {
        let (mut rate, settings) = (Rate::default(), settings(10, 5));
        let mut last = Speed::default();
        // Of a thousand two a second go in and one gives up.
        for second in 0..250 {
            last = rate.observe(&snapshot(second, second * 2, second * 3, 1000), &settings);
            assert!(second >= 180 || last.leaving.is_none());
        }
        let leaving = last.leaving.unwrap();
        assert!((0.0013..0.0019).contains(&leaving), "{leaving}");
    }
}
