//! The judge of a room's whole history, by what its store wrote down: was the limit kept, was nobody overtaken, was no
//! ticket given two turns?
//!
//! It knows the shape of a room's keys (`src/store/redis/*.lua`) and the rule of whose turn is next, and nothing of the
//! program's code: the line is built up again from the log, and each turn that was given is held against it.

use super::append_log::Command;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A visitor, as the store knows one.
pub type Key = [u8; 16];

/// What the room had to keep to, all the time.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub limit: u64,
    pub window_seconds: u64,
    pub presence_seconds: u64,
}

/// A turn that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub visitor: Key,
    pub ticket: u64,
    /// The store's time, ms.
    pub at: u64,
    /// Had been away.
    pub late: bool,
}

/// What must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// More turns than the limit in the window that begins there, in ms.
    TooMany { window: u64, given: u64 },
    /// A turn was given while somebody present, with this ticket, was next.
    Overtaken { passed: u64, given: u64, at: u64 },
    /// A ticket got a turn though it held one, or its turn was used, or two of its turns were not taken, or it wasn't in
    /// line.
    Twice { ticket: u64, at: u64 },
}

/// A room's history.
#[derive(Debug)]
pub struct Replay {
    pub offers: Vec<Offer>,
    pub breaches: Vec<Breach>,
    /// Turns that were taken, by ticket.
    pub claimed: BTreeSet<u64>,
    /// Turns by the window in which they were given.
    pub windows: BTreeMap<u64, u64>,
    rules: Rules,
    prefix: Vec<u8>,
    places: HashMap<Key, Place>,
    turns: HashMap<Key, Turn>,
    spent: HashSet<(Key, u64)>,
    missed: HashMap<(Key, u64), u32>,
    after_late: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// None: heard from, but not in line.
    ticket: Option<(u64, bool)>,
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    ticket: u64,
    until: u64,
    since: Option<u64>,
}

/// What one transaction did beside changing the line.
#[derive(Debug, Default)]
struct Step {
    /// Those who left the line in it.
    left: HashMap<Key, Place>,
    held: Vec<(Key, Turn)>,
    spent: HashSet<(Key, u64)>,
    is_sync: bool,
}

impl Replay {
    /// Goes through the log of `room`.
    pub fn of(room: &str, rules: Rules, log: &[Vec<Command>]) -> Self {
        let mut replay = Self {
            offers: Vec::new(),
            breaches: Vec::new(),
            claimed: BTreeSet::new(),
            windows: BTreeMap::new(),
            rules,
            prefix: format!("gk:{{{room}}}:").into_bytes(),
            places: HashMap::new(),
            turns: HashMap::new(),
            spent: HashSet::new(),
            missed: HashMap::new(),
            after_late: false,
        };
        for transaction in log {
            replay.step(transaction);
        }
        let over = replay.windows.iter().filter(|(_, given)| **given > rules.limit);
        replay.breaches.extend(over.map(|(&window, &given)| Breach::TooMany { window, given }));
        replay
    }

    /// Tickets that are in line at the end.
    pub fn waiting(&self) -> BTreeSet<u64> {
        self.places.values().filter_map(|place| Some(place.ticket?.0)).collect()
    }

    fn step(&mut self, transaction: &[Command]) {
        let mut step = Step::default();
        for command in transaction {
            self.apply(command, &mut step);
        }
        let (offered, taken): (Vec<_>, Vec<_>) = step.held.iter().partition(|(_, turn)| turn.since.is_none());
        for (visitor, turn) in taken {
            self.taken(visitor, turn, step.is_sync);
        }
        if !offered.is_empty() {
            self.judge(&offered, &step);
        }
        self.spent.extend(step.spent);
    }

    fn apply(&mut self, command: &Command, step: &mut Step) {
        let (name, arguments) = (command[0].to_ascii_uppercase(), &command[1..]);
        if name == b"FLUSHALL" {
            self.forget();
            return;
        }
        let Some(end) = arguments.first().and_then(|key| key.strip_prefix(self.prefix.as_slice())) else { return };
        let rest = &arguments[1..];
        match (name.as_slice(), end) {
            (b"ZADD", b"line") => pairs(rest).for_each(|(score, who)| self.enters(who, score, false)),
            (b"ZADD", b"late") => pairs(rest).for_each(|(score, who)| self.enters(who, score, true)),
            (b"ZADD", b"seen") => {
                pairs(rest).for_each(|(score, who)| self.places.entry(key(who)).or_default().seen = score);
            }
            (b"ZREM", b"line") => rest.iter().for_each(|who| self.leaves(who, false, step)),
            (b"ZREM", b"late") => rest.iter().for_each(|who| self.leaves(who, true, step)),
            (b"ZREM", b"seen") => rest.iter().for_each(|who| {
                self.places.remove(&key(who));
            }),
            (b"ZADD", b"spent") => {
                let members = rest.iter().filter(|member| member.len() == 24);
                step.spent.extend(members.map(|member| (key(&member[..16]), number(&member[16..]))));
            }
            (b"HSET", b"turns") => step.held.extend(rest.chunks(2).map(|pair| (key(&pair[0]), turn(&pair[1])))),
            (b"HDEL", b"turns") => rest.iter().for_each(|who| self.ends(who)),
            (b"HSET", b"state") => step.is_sync |= rest.chunks(2).any(|pair| pair[0] == b"seq"),
            _ => {}
        }
    }

    fn enters(&mut self, who: &[u8], ticket: u64, late: bool) {
        self.places.entry(key(who)).or_default().ticket = Some((ticket, late));
    }

    fn leaves(&mut self, who: &[u8], late: bool, step: &mut Step) {
        let Some(place) = self.places.get_mut(&key(who)) else { return };
        if place.ticket.is_some_and(|(_, part)| part == late) {
            step.left.insert(key(who), *place);
            place.ticket = None;
        }
    }

    /// A turn that nobody took may be given once more.
    fn ends(&mut self, who: &[u8]) {
        if let Some(Turn { ticket, since: None, .. }) = self.turns.remove(&key(who)) {
            *self.missed.entry((key(who), ticket)).or_default() += 1;
        }
    }

    /// A turn is inside: taken, renewed, or given to somebody who walked in.
    fn taken(&mut self, visitor: Key, turn: Turn, by_sync: bool) {
        let since = turn.since.unwrap_or_default();
        let before = self.turns.insert(visitor, turn);
        let is_known = before.is_some_and(|before| before.ticket == turn.ticket);
        if !is_known && !by_sync {
            self.note(Offer { visitor, ticket: turn.ticket, at: since, late: false });
        }
        self.spent.insert((visitor, turn.ticket));
        self.claimed.insert(turn.ticket);
    }

    /// Were those who got a turn the ones whose turn it was?
    fn judge(&mut self, offered: &[(Key, Turn)], step: &Step) {
        let at = offered[0].1.until - self.rules.presence_seconds * 1000;
        let mut parts = self.present(at, step);
        let mut offered: HashMap<Key, Turn> = offered.iter().copied().collect();
        // To somebody who held a turn, or was absent, or wasn't in line at all.
        offered.retain(|&who, turn| {
            let stood = parts.iter().any(|part| part.contains(&(turn.ticket, who)));
            if !stood {
                self.breaches.push(Breach::Twice { ticket: turn.ticket, at });
                self.give(who, *turn, at, false);
            }
            stood
        });
        while !offered.is_empty() {
            let Some((ticket, who, late)) = next(&mut parts, self.after_late) else { break };
            let Some(turn) = offered.remove(&who) else {
                let given = offered.values().map(|turn| turn.ticket).max().unwrap_or_default();
                self.breaches.push(Breach::Overtaken { passed: ticket, given, at });
                break;
            };
            self.give(who, turn, at, late);
        }
        offered.into_iter().for_each(|(who, turn)| self.give(who, turn, at, false));
    }

    /// Who stood in line and could be given a turn, at the moment of the step: the prompt and the late.
    fn present(&self, at: u64, step: &Step) -> [BTreeSet<(u64, Key)>; 2] {
        let present_since = at - self.rules.presence_seconds * 1000;
        let mut parts = [BTreeSet::new(), BTreeSet::new()];
        for (&who, place) in self.places.iter().chain(&step.left) {
            let Some((ticket, late)) = place.ticket else { continue };
            let finished = step.spent.contains(&(who, ticket));
            if place.seen >= present_since && !finished && !self.turns.contains_key(&who) {
                parts[usize::from(late)].insert((ticket, who));
            }
        }
        parts
    }

    fn give(&mut self, visitor: Key, turn: Turn, at: u64, late: bool) {
        self.note(Offer { visitor, ticket: turn.ticket, at, late });
        self.turns.insert(visitor, turn);
    }

    fn note(&mut self, offer: Offer) {
        let Offer { visitor, ticket, at, late } = offer;
        let is_over = self.spent.contains(&(visitor, ticket)) || self.missed.get(&(visitor, ticket)) > Some(&1);
        if is_over {
            self.breaches.push(Breach::Twice { ticket, at });
        }
        self.after_late = late;
        let length = self.rules.window_seconds * 1000;
        *self.windows.entry(at - at % length).or_default() += 1;
        self.offers.push(offer);
    }

    /// The store lost its memory; what it had given counts on.
    fn forget(&mut self) {
        self.places.clear();
        self.turns.clear();
        self.spent.clear();
        self.missed.clear();
        self.after_late = false;
    }
}

/// Whose turn is next, `parts` being the prompt and those who had been away: the lowest ticket, but of two turns in a row
/// one at most is for the latter as long as anybody else is there.
fn next(parts: &mut [BTreeSet<(u64, Key)>; 2], after_late: bool) -> Option<(u64, Key, bool)> {
    let late = match (parts[0].first(), parts[1].first()) {
        (None, _) => true,
        (Some(prompt), Some(late)) => late < prompt && !after_late,
        (Some(_), None) => false,
    };
    parts[usize::from(late)].pop_first().map(|(ticket, who)| (ticket, who, late))
}

/// Scores and members; flags (`NX`) are passed over.
fn pairs(words: &[Vec<u8>]) -> impl Iterator<Item = (u64, &[u8])> {
    let flags = usize::from(words.len() % 2 == 1);
    words[flags..].chunks(2).map(|pair| (score(&pair[0]), pair[1].as_slice()))
}

fn score(text: &[u8]) -> u64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

fn key(bytes: &[u8]) -> Key {
    bytes.try_into().expect("a visitor is 16 bytes")
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

/// `>I8I8I8B` of `turns.lua`.
fn turn(packed: &[u8]) -> Turn {
    let since = (packed[24] == 1).then(|| number(&packed[16..24]));
    Turn { ticket: number(&packed[..8]), until: number(&packed[8..16]), since }
}

#[cfg(test)]
mod tests;
