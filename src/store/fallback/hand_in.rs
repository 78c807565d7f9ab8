//! What a stand-in did, handed in to the shared store when that is back: ends first, then stays, then the line.
//!
//! All of it may be handed in twice: the store takes each act once.

use super::stand_in::StandIn;
use crate::queue::{Alone, Heartbeat, Renewal, Report, Stay, Ticket, Time, Visitor, Window};

/// A stay of which only the end is known.
const OVER: Stay = Stay { since: Time(0), until: Time(0) };

/// What is left to be handed in.
#[derive(Debug)]
pub struct HandIn {
    stand_in: StandIn,
    finished: Vec<(Visitor, Ticket)>,
    renewals: Vec<Renewal>,
    heartbeats: Vec<Heartbeat>,
    /// Turns given after the probe was sent that told of the others.
    untold: Option<Window>,
}

impl HandIn {
    /// `told`: how many of its turns the store has heard of.
    pub fn of(stand_in: StandIn, told: u64, now: Time) -> Self {
        let room = stand_in.room();
        let (mut finished, mut renewals) = (Vec::new(), Vec::new());
        for (visitor, ticket, is_finished) in room.over() {
            if is_finished {
                finished.push((visitor, ticket));
            } else {
                renewals.push(Renewal { visitor, ticket, stay: OVER });
            }
        }
        let mut heartbeats: Vec<_> = stand_in.kept().collect();
        heartbeats.extend(room.line());
        for (visitor, ticket, stay) in room.turns() {
            match stay {
                Some(stay) if stay.until > now => renewals.push(Renewal { visitor, ticket, stay }),
                Some(_) => {}
                // Nobody took it yet: the place is good as before.
                None => heartbeats.push(Heartbeat { visitor, ticket, late: false, first: None }),
            }
        }
        let (window, all) = stand_in.given();
        let untold = (all > told).then_some(Window { used: all - told, ..window });
        Self { stand_in, finished, renewals, heartbeats, untold }
    }

    /// One call's part; `None` when everything is handed in.
    pub fn next(&mut self) -> Option<Report> {
        if self.is_empty() {
            return None;
        }
        // While this goes on nobody is admitted: the line is not whole.
        let alone = Alone { long: false, window: self.untold.take().unwrap_or_default() };
        Some(Report {
            finished: some(&mut self.finished),
            renewals: some(&mut self.renewals),
            heartbeats: some(&mut self.heartbeats),
            alone: Some(alone),
            brief: true, // the caller's own report follows
            ..Report::default()
        })
    }

    /// Takes a part back that could not be handed in.
    pub fn put_back(&mut self, part: Report) {
        self.finished.extend(part.finished);
        self.renewals.extend(part.renewals);
        self.heartbeats.extend(part.heartbeats);
        self.untold = part.alone.map(|alone| alone.window).filter(|window| window.used > 0);
    }

    pub fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.renewals.is_empty() && self.heartbeats.is_empty() && self.untold.is_none()
    }

    /// The store is away again: whoever did all this goes on.
    pub fn into_stand_in(self) -> StandIn {
        self.stand_in
    }
}

fn some<T>(rest: &mut Vec<T>) -> Vec<T> {
    rest.split_off(rest.len().saturating_sub(Report::CHUNK))
}
