//! What a campaign is found guilty of.

use super::diary::Ms;
use super::fault::Fault;
use crate::support::replay::{Breach, Replay};

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offence {
    PlaceLost,
    Inversion,
    OverAdmission,
    /// A ticket got a second turn.
    GivenTwice,
    /// Somebody inside got an error, or was told to wait.
    ErrorInside,
    /// Somebody who wants a place, or holds one, got an error.
    Refused,
    NeverAdmitted,
    /// The origin saw a request that no ready token opened.
    Unguarded,
    SlowAnswer,
    SlowRecovery,
}

impl Offence {
    pub const ALL: [Self; 10] = [
        Self::PlaceLost,
        Self::Inversion,
        Self::OverAdmission,
        Self::GivenTwice,
        Self::ErrorInside,
        Self::Refused,
        Self::NeverAdmitted,
        Self::Unguarded,
        Self::SlowAnswer,
        Self::SlowRecovery,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::PlaceLost => "places lost",
            Self::Inversion => "order inversions",
            Self::OverAdmission => "over-admissions",
            Self::GivenTwice => "tickets given two turns",
            Self::ErrorInside => "errors to admitted visitors",
            Self::Refused => "errors to waiting visitors",
            Self::NeverAdmitted => "never admitted",
            Self::Unguarded => "requests past the gate",
            Self::SlowAnswer => "answers above 5 s",
            Self::SlowRecovery => "slow recoveries",
        }
    }
}

/// One violation.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub offence: Offence,
    pub at: Ms,
    pub what: String,
    /// Whose history shows it.
    pub who: Vec<String>,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    /// How long it took until somebody was let in, by fault.
    pub recoveries: Vec<(Fault, Ms)>,
    pub admitted: usize,
}

impl Verdict {
    /// Adds what a store's own log shows: exact, but only of what this store gave itself since it was last empty.
    pub fn add(&mut self, log: &Replay) {
        for breach in &log.breaches {
            let (offence, at) = match *breach {
                Breach::TooMany { window, .. } => (Offence::OverAdmission, window),
                Breach::Overtaken { at, .. } => (Offence::Inversion, at),
                Breach::Twice { at, .. } => (Offence::GivenTwice, at),
            };
            self.violations.push(Violation { offence, at, what: format!("Redis's log: {breach:?}"), who: Vec::new() });
        }
    }
}
