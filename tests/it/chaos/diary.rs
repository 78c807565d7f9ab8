//! What is written down while a campaign runs: by each visitor, by the origin, and of each fault. The judge reads nothing
//! else.

use super::fault::Fault;
use crate::support::doors::{Token, Way};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch: the store's clock too, since all run on one machine.
pub type Ms = u64;

/// One clock for everybody.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    begun: Instant,
    unix: Ms,
}

impl Watch {
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Self { begun: Instant::now(), unix: Ms::try_from(unix).unwrap() }
    }

    pub fn now(&self) -> Ms {
        self.at(Instant::now())
    }

    pub fn at(&self, instant: Instant) -> Ms {
        self.unix + Ms::try_from((instant - self.begun).as_millis()).unwrap()
    }

    /// Seconds since the start, for people.
    pub fn since_start(&self, at: Ms) -> f64 {
        Duration::from_millis(at.saturating_sub(self.unix)).as_secs_f64()
    }
}

/// What a visitor heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Has a ticket.
    Ticket(u64),
    /// The API took the visitor in.
    Entered,
    Waiting {
        position: u64,
        next: Ms,
    },
    Ready,
    /// "User not found in queue."
    Unknown,
    /// The API says that it can't, for now (429, 503).
    NotNow(u16),
    /// A page of the site, from the origin.
    Site,
    /// The origin could not be reached.
    BadGateway(u16),
    /// Told to wait at a path of the site.
    Page,
    /// `ready_cleared` or not.
    Finished(bool),
    /// No answer: refused, reset, timed out.
    Cut(String),
    /// Anything else.
    Odd(String),
}

/// A question and what came of it.
#[derive(Clone, Debug)]
pub struct Note {
    pub asked: Ms,
    pub answered: Ms,
    pub door: usize,
    pub told: Told,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Went away while waiting.
    GaveUp,
    /// Was inside, and left.
    Left,
    /// Was inside, and finished.
    Finished,
    /// The campaign was over before anything came of it.
    StillThere,
}

/// One visitor's history.
#[derive(Clone, Debug)]
pub struct Story {
    pub name: String,
    pub way: Way,
    pub notes: Vec<Note>,
    pub end: End,
    /// The token at the end.
    pub token: Option<Token>,
}

impl Story {
    /// The first ticket, and every other one that followed it.
    pub fn tickets(&self) -> impl Iterator<Item = u64> {
        self.notes.iter().filter_map(|note| match note.told {
            Told::Ticket(ticket) => Some(ticket),
            _ => None,
        })
    }

    pub fn first_ready(&self) -> Option<&Note> {
        self.notes.iter().find(|note| note.told == Told::Ready)
    }

    pub fn waits(&self) -> impl DoubleEndedIterator<Item = &Note> {
        self.notes.iter().filter(|note| matches!(note.told, Told::Waiting { .. }))
    }
}

/// A request that reached the origin.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Ms,
    pub path: String,
    /// The token that came with it.
    pub token: Option<Token>,
}

/// A fault, from its first sign to when all was as before.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub fault: Fault,
    pub begin: Ms,
    pub end: Ms,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Diary {
    pub stories: Mutex<Vec<Story>>,
    pub seen: Mutex<Vec<Seen>>,
    pub troubles: Mutex<Vec<Trouble>>,
}
