//! The log of a run, and the first promise that was broken.

use super::people::{Event, Person};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// The promises, as the module's doc counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    Order,
    OneStay,
    Limit,
    ReadyPass,
    Liveness,
    PlaceKept,
    SettingsKept,
    Determinism,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    pub ms: u64,
    pub who: Vec<usize>,
    pub why: String,
}

/// What was seen of one stand-in.
#[derive(Clone, Debug, Default)]
pub struct Alone {
    /// Turns given per window, by its start.
    pub windows: HashMap<u64, u64>,
    /// When it was seen to stand in last, in ms.
    pub last: u64,
}

/// The log.
#[derive(Default)]
pub struct Journal {
    pub people: Vec<Person>,
    pub events: Vec<(u64, Option<usize>, Event)>,
    pub broken: Option<Broken>,
    /// What stand-ins gave, by process.
    pub alone: HashMap<u64, Alone>,
    /// Losses of the store's memory: when, in ms.
    pub losses: Vec<u64>,
    /// When the syncs of each process began that reached the store, in ms.
    pub syncs: HashMap<u64, Vec<u64>>,
    /// Processes that visitors came to.
    pub served: HashSet<u64>,
    /// The store forgot the time too: it lost its memory after its clock was set back, and lives through some of it again.
    /// Or its clock was set forward while it waited for the line to come back.
    pub clock_spoils_order: bool,
    /// When each process died, in ms.
    pub deaths: HashMap<u64, u64>,
    /// Turns given in a window of the store, and forgotten before any instance could know of them.
    pub forgotten: HashMap<u64, u64>,
    /// The last message that an operator set, by which process.
    pub message: Option<(String, u64)>,
    /// The first turn that was given after the last fault, in ms.
    pub first_after: Option<u64>,
}

impl Journal {
    pub fn of(people: usize) -> Self {
        Self { people: vec![Person::default(); people], ..Self::default() }
    }

    pub fn note(&mut self, ms: u64, who: Option<usize>, event: Event) {
        self.events.push((ms, who, event));
    }

    /// The first one counts: what follows may follow from it.
    pub fn breaks(&mut self, promise: Promise, ms: u64, who: &[usize], why: String) {
        self.broken.get_or_insert(Broken { promise, ms, who: who.to_vec(), why });
    }

    /// All of the log.
    pub fn text(&self) -> String {
        self.events.iter().map(|(ms, who, event)| format!("{ms} {who:?} {event}\n")).collect()
    }

    /// The part of the log that explains what broke.
    pub fn history(&self, broken: &Broken) -> String {
        let mut text = String::new();
        for (ms, who, event) in &self.events {
            if who.is_none_or(|who| broken.who.contains(&who)) {
                let name = who.map_or_else(String::new, |who| format!("visitor {who}"));
                let _ = writeln!(text, "  {:>8.3} s  {name:<11} {event}", *ms as f64 / 1000.0);
            }
        }
        text
    }
}
