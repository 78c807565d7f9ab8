//! What one visitor does next, and what an answer means to them. No I/O, no clock: the moment is an argument.

use super::Plan;
use super::browser::{Answer, Failure};
use super::record::{Moment, Promise, Record};
use std::sync::Arc;
use std::time::Duration;

/// A page asks for the first time about so long after it was loaded.
const FIRST_POLL_MS: u32 = 1000;
/// After something went wrong it is tried again after about so long, later each time …
const AGAIN_MS: u32 = 1000;
const AGAIN_AT_MOST_MS: u32 = 15_000;
/// … and given up after so many times in a row.
const TRIES: u8 = 12;
/// Who asked once and not again for so long may have been taken for absent: the least that `presence_seconds` can be.
pub const ABSENT_AFTER_MS: u32 = 30_000;
/// Of those who reload, so many of the polls are reloads.
const RELOADS: f64 = 0.25;

/// What is peculiar to a visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Habit {
    #[default]
    Waits,
    Reloads,
    Leaves,
    /// Until it was done once.
    Sleeps,
}

impl Habit {
    /// `dice`: 0 to 1.
    pub fn draw(plan: &Plan, dice: f64) -> Self {
        match dice {
            x if x < plan.leave => Self::Leaves,
            x if x < plan.leave + plan.sleep => Self::Sleeps,
            x if x < plan.leave + plan.sleep + plan.reload => Self::Reloads,
            _ => Self::Waits,
        }
    }
}

/// How far somebody has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Has no place yet.
    #[default]
    Coming,
    Waiting,
    /// Was told that the turn has come, and goes in.
    Called,
    Inside {
        /// Seen so far.
        pages: u16,
    },
    Leaving,
    Gone,
}

/// A request to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Page,
    Status,
    Enqueue,
    Finish,
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the visitor does the next thing, ms from now; none where there is nothing more.
    pub next: Option<u32>,
    pub mishap: Option<Mishap>,
}

/// Something that an operator wants to know of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    Failed(Failure),
    /// An answer that doesn't belong to the way in.
    Status(u16),
    /// The page came without any place: the path isn't guarded, or cookies don't come through.
    NotGuarded,
    /// The gate forgot a place before its turn.
    PlaceLost,
    /// The gate ended a stay while the visitor still looked around.
    StayLost,
}

impl std::fmt::Display for Mishap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Status(429) => f.write_str("429, too many requests from one address"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NotGuarded => f.write_str("let in without a place: the path is not guarded, or the gate is off"),
            Self::PlaceLost => f.write_str("place lost while waiting"),
            Self::StayLost => f.write_str("stay ended while inside"),
        }
    }
}

/// A simulated visitor.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    pub habit: Habit,
    pub stage: Stage,
    pub record: Record,
    /// The room's name; shared by all who wait for it.
    pub room: Option<Arc<str>>,
    pub token: Option<Box<str>>,
    /// Polls until a habit shows.
    patience: u8,
    failures: u8,
    /// Names tried by the API: a call that was cut off may have taken the one before.
    pub names: u8,
}

impl Visitor {
    /// `dice`: two of them, 0 to 1.
    pub fn new(plan: &Plan, dice: [f64; 2]) -> Self {
        let [habit, patience] = dice;
        Self { habit: Habit::draw(plan, habit), patience: 1 + whole(patience * 4.0), ..Self::default() }
    }

    /// The next request.
    pub fn ask(&self, plan: &Plan, dice: f64) -> Option<Ask> {
        match self.stage {
            Stage::Coming if plan.key.is_some() => Some(Ask::Enqueue),
            Stage::Waiting if self.habit != Habit::Reloads || plan.key.is_some() || dice > RELOADS => Some(Ask::Status),
            Stage::Coming | Stage::Waiting | Stage::Called | Stage::Inside { .. } => Some(Ask::Page),
            Stage::Leaving => Some(Ask::Finish),
            Stage::Gone => None,
        }
    }

    /// Takes an answer in. `dice` spreads what follows.
    pub fn take(&mut self, plan: &Plan, answer: Result<&Answer, Failure>, at: Moment, dice: f64) -> Step {
        let answer = match answer {
            Ok(answer) if answer.is_refusal() => {
                return self.again(Mishap::Status(answer.status), answer.retry_after, dice);
            }
            Ok(answer) => answer,
            Err(failure) => return self.again(Mishap::Failed(failure), None, dice),
        };
        if let Some(pass) = &answer.pass {
            self.token = Some(pass.token.clone());
            if self.record.ticket != Some(pass.ticket) {
                self.record =
                    Record { ticket: Some(pass.ticket), was_absent: self.record.ticket.is_some(), ..Record::default() };
            }
        }
        let step = match self.stage {
            Stage::Coming => self.arrived(plan, answer, at, dice),
            Stage::Waiting => self.heard(plan, answer, at, dice),
            Stage::Called | Stage::Inside { .. } => self.looked(plan, answer, at, dice),
            Stage::Leaving | Stage::Gone => self.gone(None),
        };
        if !matches!(step.mishap, Some(Mishap::Status(_))) {
            self.failures = 0;
        }
        step
    }

    fn arrived(&mut self, plan: &Plan, answer: &Answer, at: Moment, dice: f64) -> Step {
        match &answer.pass {
            Some(pass) if pass.is_ready => self.entered(plan, at, dice),
            Some(_) => self.waits(answer, at, false, around(FIRST_POLL_MS, dice)),
            // A name that a lost answer took; or a page of nobody's.
            None if answer.told.is_some() => {
                self.names = self.names.saturating_add(1);
                self.again(Mishap::Status(answer.status), None, dice)
            }
            None if answer.status < 400 => self.gone(Some(Mishap::NotGuarded)),
            None => self.again(Mishap::Status(answer.status), answer.retry_after, dice),
        }
    }

    /// An answer while waiting: of a poll, or of a reload.
    fn heard(&mut self, plan: &Plan, answer: &Answer, at: Moment, dice: f64) -> Step {
        if answer.pass.as_ref().is_some_and(|pass| pass.is_ready) {
            self.turn_came(at);
            return match answer.told {
                Some(_) => {
                    self.stage = Stage::Called;
                    then(0)
                }
                None => self.entered(plan, at, dice),
            };
        }
        match &answer.told {
            // Nobody has to wait any more: whoever asks for the page is forwarded, without a turn.
            Some(told) if told.is_ready => {
                self.stage = Stage::Called;
                then(0)
            }
            Some(told) if told.is_unknown => {
                self.begin_anew();
                Step { next: Some(around(AGAIN_MS, dice)), mishap: Some(Mishap::PlaceLost) }
            }
            Some(told) => {
                let again = told.poll_after_ms;
                self.waits(answer, at, true, again);
                self.patience(plan, again)
            }
            // The page again, or a status that this way in doesn't have.
            None if answer.pass.is_some() || answer.status == 200 || answer.status == 503 => {
                self.waits(answer, at, true, around(FIRST_POLL_MS * 2, dice))
            }
            None => self.again(Mishap::Status(answer.status), answer.retry_after, dice),
        }
    }

    /// Gives up or falls asleep, where that is the habit.
    fn patience(&mut self, plan: &Plan, again: u32) -> Step {
        self.patience = self.patience.saturating_sub(1);
        match self.habit {
            Habit::Leaves if self.patience == 0 => self.gone(None),
            Habit::Sleeps if self.patience == 0 => {
                self.habit = Habit::Waits;
                then(millis(plan.sleep_for))
            }
            _ => then(again),
        }
    }

    /// An answer of the site, or so it should be.
    fn looked(&mut self, plan: &Plan, answer: &Answer, at: Moment, dice: f64) -> Step {
        let waits_again = answer.pass.as_ref().is_some_and(|pass| !pass.is_ready);
        if waits_again {
            let _ = self.waits(answer, at, false, 0);
            return Step { next: Some(around(FIRST_POLL_MS, dice)), mishap: Some(Mishap::StayLost) };
        }
        if answer.status >= 500 {
            return self.again(Mishap::Status(answer.status), answer.retry_after, dice);
        }
        let pages = match self.stage {
            Stage::Inside { pages } => pages.saturating_add(1),
            _ => 1,
        };
        self.looks_on(plan, pages, dice)
    }

    fn entered(&mut self, plan: &Plan, at: Moment, dice: f64) -> Step {
        self.turn_came(at);
        self.looks_on(plan, 1, dice)
    }

    fn looks_on(&mut self, plan: &Plan, pages: u16, dice: f64) -> Step {
        self.stage = Stage::Inside { pages };
        if pages >= plan.pages {
            if plan.finish.is_none() && plan.key.is_none() {
                return self.gone(None);
            }
            self.stage = Stage::Leaving;
        }
        then(around(millis(plan.think), dice))
    }

    fn turn_came(&mut self, at: Moment) {
        self.note_silence(at);
        self.record.turn.get_or_insert(at.answered);
        self.record.turn_asked.get_or_insert(at.sent);
    }

    /// Told to wait. `counts`: the place was in hand when it was asked, so it stands in the line now.
    fn waits(&mut self, answer: &Answer, at: Moment, counts: bool, again: u32) -> Step {
        self.stage = Stage::Waiting;
        self.note_silence(at);
        self.record.waits_since.get_or_insert(at.answered);
        if counts {
            self.record.in_line.get_or_insert(at.answered);
            self.record.waits_until = Some(at.sent);
        }
        if let Some((low_seconds, high_seconds)) = answer.told.as_ref().and_then(|told| told.estimate) {
            self.record.promised.get_or_insert(Promise { at: at.answered, low_seconds, high_seconds });
        }
        then(again)
    }

    fn note_silence(&mut self, at: Moment) {
        let last = self.record.waits_until.or(self.record.waits_since);
        if last.is_some_and(|last| at.answered.saturating_sub(last) >= ABSENT_AFTER_MS) {
            self.record.was_absent = true;
        }
    }

    fn begin_anew(&mut self) {
        self.stage = Stage::Coming;
        self.token = None;
        self.names = self.names.saturating_add(1);
    }

    fn gone(&mut self, mishap: Option<Mishap>) -> Step {
        self.stage = Stage::Gone;
        self.token = None;
        Step { next: None, mishap }
    }

    /// Tries the same again, later each time.
    fn again(&mut self, mishap: Mishap, retry_after: Option<u32>, dice: f64) -> Step {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TRIES || self.stage == Stage::Leaving {
            return self.gone(Some(mishap));
        }
        let doubled = AGAIN_MS.saturating_mul(1 << u32::from(self.failures.min(5))).min(AGAIN_AT_MOST_MS);
        Step { next: Some(around(retry_after.unwrap_or(doubled), dice)), mishap: Some(mishap) }
    }
}

const fn then(ms: u32) -> Step {
    Step { next: Some(ms), mishap: None }
}

/// A fifth more or less.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a u32, rounded down")]
fn around(ms: u32, dice: f64) -> u32 {
    (f64::from(ms) * (0.8 + 0.4 * dice.clamp(0.0, 1.0))) as u32
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 4")]
fn whole(number: f64) -> u8 {
    number as u8
}

#[cfg(test)]
mod tests {
    use super::super::browser::{Pass, Told};
    use super::*;

    fn pass(ticket: u64, is_ready: bool) -> Option<Pass> {
        Some(Pass { room: "a".to_owned(), token: "t".into(), ticket, is_ready })
    }

    fn page(status: u16, pass: Option<Pass>) -> Answer {
        Answer { status, pass, ..Answer::default() }
    }

    fn told(ticket: u64, is_ready: bool) -> Answer {
        let told = Told { is_ready, poll_after_ms: 3000, estimate: Some((10, 20)), ..Told::default() };
        Answer { status: 200, pass: pass(ticket, is_ready), told: Some(told), ..Answer::default() }
    }

    fn at(ms: u32) -> Moment {
        Moment { sent: ms, answered: ms + 5 }
    }

    #[test]
    fn a_visitor_comes_waits_goes_in_looks_around_and_leaves() {
        let plan = Plan { pages: 2, finish: Some("/bye".to_owned()), ..Plan::default() };
        let mut visitor = Visitor::new(&plan, [0.5, 0.5]);
        assert_eq!(visitor.ask(&plan, 0.5), Some(Ask::Page));
        let step = visitor.take(&plan, Ok(&page(503, pass(7, false))), at(0), 0.5);
        assert_eq!((visitor.stage, step.next), (Stage::Waiting, Some(1000)));
        assert_eq!(visitor.ask(&plan, 0.0), Some(Ask::Status));
        assert_eq!(visitor.take(&plan, Ok(&told(7, false)), at(1000), 0.5).next, Some(3000));
        assert_eq!(visitor.take(&plan, Ok(&told(7, true)), at(4000), 0.5).next, Some(0));
        assert_eq!((visitor.stage, visitor.ask(&plan, 0.5)), (Stage::Called, Some(Ask::Page)));
        visitor.take(&plan, Ok(&page(200, None)), at(4010), 0.5);
        assert_eq!((visitor.stage, visitor.ask(&plan, 0.5)), (Stage::Inside { pages: 1 }, Some(Ask::Page)));
        visitor.take(&plan, Ok(&page(200, None)), at(9000), 0.5);
        assert_eq!((visitor.stage, visitor.ask(&plan, 0.5)), (Stage::Leaving, Some(Ask::Finish)));
        assert_eq!(visitor.take(&plan, Ok(&page(200, None)), at(9900), 0.5).next, None);
        let expected = Record {
            ticket: Some(7),
            waits_since: Some(5),
            in_line: Some(1005),
            waits_until: Some(1000),
            turn: Some(4005),
            turn_asked: Some(4000),
            promised: Some(Promise { at: 1005, low_seconds: 10, high_seconds: 20 }),
            was_absent: false,
        };
        assert_eq!((visitor.stage, visitor.record), (Stage::Gone, expected));
    }

    #[test]
    fn who_is_silent_for_long_or_gets_another_place_does_not_count_as_always_present() {
        let plan = Plan { sleep: 1.0, sleep_for: Duration::from_secs(40), ..Plan::default() };
        let mut visitor = Visitor::new(&plan, [0.5, 0.0]);
        visitor.take(&plan, Ok(&page(503, pass(7, false))), at(0), 0.5);
        let step = visitor.take(&plan, Ok(&told(7, false)), at(1000), 0.5);
        assert_eq!(step.next, Some(40_000), "falls asleep, once");
        assert_eq!(visitor.take(&plan, Ok(&told(7, false)), at(41_000), 0.5).next, Some(3000));
        assert!(visitor.record.was_absent);
        let mut other = Visitor::new(&Plan::default(), [0.5, 0.5]);
        other.take(&plan, Ok(&page(503, pass(7, false))), at(0), 0.5);
        other.take(&plan, Ok(&told(9, false)), at(1000), 0.5);
        assert!(other.record.was_absent && other.record.ticket == Some(9));
    }

    #[test]
    fn what_went_wrong_is_named_and_tried_again_but_not_for_ever() {
        let plan = Plan::default();
        let mut visitor = Visitor::new(&plan, [0.5, 0.5]);
        let step =
            visitor.take(&plan, Ok(&Answer { status: 429, retry_after: Some(7000), ..Answer::default() }), at(0), 0.5);
        assert_eq!((step.next, step.mishap), (Some(7000), Some(Mishap::Status(429))));
        for _ in 0..30 {
            visitor.take(&plan, Err(Failure::Timeout), at(0), 0.5);
        }
        assert_eq!(visitor.stage, Stage::Gone);
        let mut unguarded = Visitor::new(&plan, [0.5, 0.5]);
        assert_eq!(unguarded.take(&plan, Ok(&page(200, None)), at(0), 0.5).mishap, Some(Mishap::NotGuarded));
        let mut lost = Visitor::new(&plan, [0.5, 0.5]);
        lost.take(&plan, Ok(&page(503, pass(7, false))), at(0), 0.5);
        let unknown = Told { is_unknown: true, ..Told::default() };
        let step = lost.take(&plan, Ok(&Answer { status: 200, told: Some(unknown), ..Answer::default() }), at(9), 0.5);
        assert_eq!((lost.stage, step.mishap), (Stage::Coming, Some(Mishap::PlaceLost)));
    }

    #[test]
    fn a_stay_that_ends_inside_is_noticed_and_waited_for_again() {
        let plan = Plan::default();
        let mut visitor = Visitor::new(&plan, [0.5, 0.5]);
        visitor.take(&plan, Ok(&page(200, pass(7, true))), at(0), 0.5);
        assert_eq!((visitor.stage, visitor.record.turn), (Stage::Inside { pages: 1 }, Some(5)));
        let step = visitor.take(&plan, Ok(&page(503, pass(9, false))), at(5000), 0.5);
        assert_eq!((visitor.stage, step.mishap), (Stage::Waiting, Some(Mishap::StayLost)));
    }

    #[test]
    fn the_shares_of_the_habits_are_as_asked() {
        let plan = Plan { leave: 0.1, sleep: 0.2, reload: 0.3, ..Plan::default() };
        let share = |habit| (0..1000).filter(|n| Habit::draw(&plan, (f64::from(*n) + 0.5) / 1000.0) == habit).count();
        assert_eq!([Habit::Leaves, Habit::Sleeps, Habit::Reloads, Habit::Waits].map(share), [100, 200, 300, 400]);
    }
}
