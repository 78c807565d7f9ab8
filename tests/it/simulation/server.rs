//! The shared store's server: one room's machine (the pure rules, whose promises Redis keeps by the contract), what can
//! befall it, and what an observer beside it writes down.

use super::people::index_of;
use super::scenario::Memory;
use gatekeeper::queue::{
    Arrival, Change, Finished, Newcomer, Report, Room, Settings, Standing, Synced, Ticket, Time, Visitor,
};
use gatekeeper::store::StoreError;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::sync::oneshot;

/// When every run begins: a round hour.
pub const START: u64 = 1_800_000_000_000;

/// A call, as it travels.
#[derive(Clone, Debug)]
pub enum Call {
    Arrive(Newcomer),
    Claim(Visitor, Ticket),
    Finish(Visitor, Ticket),
    Sync(Box<Report>),
    Settings,
    Put(Change),
}

impl Call {
    /// Tells it from others at the same moment.
    pub fn part(&self) -> u64 {
        match self {
            Self::Arrive(newcomer) => 8 + 8 * index_of(newcomer.visitor) as u64,
            Self::Claim(visitor, _) => 9 + 8 * index_of(*visitor) as u64,
            Self::Finish(visitor, _) => 10 + 8 * index_of(*visitor) as u64,
            Self::Sync(_) => 1,
            Self::Settings => 2,
            Self::Put(_) => 3,
        }
    }
}

/// Its answer.
#[derive(Clone, Debug)]
pub enum Answer {
    Arrival(Arrival),
    Standing(Standing),
    Finished(Finished),
    Synced(Box<Synced>),
    Settings(u64, Change),
}

/// Whether calls are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Up,
    Down,
    Stalled,
    Full,
    Refuses,
}

/// What the store heard of somebody in its present life.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub ticket: Ticket,
    pub at: Time,
}

/// Everything that a dump holds.
#[derive(Clone)]
struct Dump {
    room: Option<Room>,
    heard: HashMap<usize, Heard>,
}

/// Turns that one call gave.
#[derive(Clone, Debug)]
pub struct Given {
    pub turns: Vec<(usize, Ticket)>,
    pub at: Time,
}

type Waiting = (Call, Option<oneshot::Sender<Result<Answer, StoreError>>>);

/// The server.
pub struct Server {
    pub room: Option<Room>,
    pub health: Health,
    /// The latest time that it ever told.
    latest: Time,
    pub heard: HashMap<usize, Heard>,
    /// Turns given per window, by its start; over all lives.
    pub windows: BTreeMap<u64, u64>,
    /// Calls that wait for a stalled server.
    pub stalled: Vec<Waiting>,
    step_ms: i64,
    /// Whose turn is known to have come.
    called: HashSet<(Visitor, Ticket)>,
    dump: Option<Dump>,
    defaults: Settings,
}

impl Server {
    pub fn new(defaults: Settings) -> Self {
        Self {
            room: None,
            health: Health::Up,
            latest: Time(0),
            heard: HashMap::new(),
            windows: BTreeMap::new(),
            stalled: Vec::new(),
            step_ms: 0,
            called: HashSet::new(),
            dump: None,
            defaults,
        }
    }

    /// The server's clock, `ms` into the run. What the room makes of it never goes back.
    pub fn time(&self, ms: u64) -> Time {
        Time((START + ms).saturating_add_signed(self.step_ms))
    }

    /// Whether a room that begins now begins in the past.
    pub fn lives_again(&self, ms: u64) -> bool {
        self.time(ms) < self.latest
    }

    pub fn step(&mut self, ms: i64) {
        self.step_ms += ms;
    }

    /// What an older memory will be.
    pub fn take_dump(&mut self) {
        self.dump = Some(Dump { room: self.room.clone(), heard: self.heard.clone() });
    }

    /// The server's process is gone, and with it what it had in memory.
    pub fn go(&mut self, memory: Memory) {
        self.health = Health::Down;
        self.stalled.clear();
        match memory {
            Memory::Whole => {}
            Memory::Nothing => {
                (self.room, self.heard) = (None, HashMap::new());
                self.called.clear();
            }
            Memory::Older(_) => {
                if let Some(dump) = self.dump.take() {
                    (self.room, self.heard) = (dump.room, dump.heard);
                    let turns = self.room.iter().flat_map(Room::turns);
                    self.called = turns.map(|(visitor, ticket, _)| (visitor, ticket)).collect();
                }
            }
        }
    }

    /// The start of the window at `time`.
    pub fn window(&self, time: Time) -> u64 {
        let length = self.defaults.admission_frequency * 1000;
        time.0 - time.0 % length
    }

    /// Runs a call.
    pub fn run(&mut self, call: &Call, ms: u64) -> Result<(Answer, Given), StoreError> {
        match self.health {
            Health::Down => return Err(StoreError::Unavailable("connection refused".to_owned())),
            Health::Refuses => return Err(StoreError::Refused("WRONGPASS".to_owned())),
            Health::Full if !matches!(call, Call::Settings) => {
                return Err(StoreError::Unavailable("OOM".to_owned()));
            }
            _ => {}
        }
        let now = self.time(ms);
        self.latest = self.latest.max(now);
        let room = self.room.get_or_insert_with(|| Room::new(now.0, &self.defaults));
        let admitted = room.given().1;
        if let Call::Sync(report) = call {
            // Who is heard of again may be called again.
            let heard = report.heartbeats.iter().map(|heartbeat| (heartbeat.visitor, heartbeat.ticket));
            heard
                .filter(|(visitor, ticket)| !room.holds(*visitor, *ticket))
                .for_each(|key| _ = self.called.remove(&key));
        }
        let answer = verb(room, call, now);
        let (window, after) = room.given();
        let mut given = Given { turns: Vec::new(), at: window.last };
        if after > admitted {
            let walked_in = match (call, &answer) {
                (Call::Arrive(newcomer), Answer::Arrival(Arrival::Admitted(_))) => Some(newcomer.visitor),
                _ => None,
            };
            let new = room.turns().filter(|(visitor, ticket, stay)| {
                !self.called.contains(&(*visitor, *ticket)) && (stay.is_none() || walked_in == Some(*visitor))
            });
            let new: Vec<_> = new.map(|(visitor, ticket, _)| (visitor, ticket)).collect();
            self.called.extend(&new);
            given.turns = new.into_iter().map(|(visitor, ticket)| (index_of(visitor), ticket)).collect();
            given.turns.sort_by_key(|(who, ticket)| (*ticket, *who));
            *self.windows.entry(self.window(window.last)).or_default() += after - admitted;
        }
        self.listen(call, &answer, now);
        for (who, _) in &given.turns {
            self.heard.remove(who);
        }
        Ok((answer, given))
    }

    /// Writes down who was heard.
    fn listen(&mut self, call: &Call, answer: &Answer, now: Time) {
        let Self { room, heard, .. } = self;
        let mut hear = |visitor: Visitor, ticket: Ticket| {
            // Whose turn came isn't in line any more.
            if room.as_ref().is_some_and(|room| room.knows(visitor, ticket)) {
                return;
            }
            heard.insert(index_of(visitor), Heard { ticket, at: now });
        };
        match (call, answer) {
            (Call::Arrive(newcomer), Answer::Arrival(Arrival::Entered { .. })) => {
                hear(newcomer.visitor, newcomer.ticket);
            }
            (Call::Claim(visitor, ticket), Answer::Standing(Standing::Waiting { .. })) => hear(*visitor, *ticket),
            (Call::Sync(report), Answer::Synced(_)) => {
                for heartbeat in &report.heartbeats {
                    hear(heartbeat.visitor, heartbeat.ticket);
                }
            }
            _ => {}
        }
    }
}

fn verb(room: &mut Room, call: &Call, now: Time) -> Answer {
    let settings = |(version, changed): (u64, &Change)| Answer::Settings(version, changed.clone());
    match call {
        Call::Arrive(newcomer) => Answer::Arrival(room.arrive(*newcomer, now)),
        Call::Claim(visitor, ticket) => Answer::Standing(room.claim(*visitor, *ticket, now)),
        Call::Finish(visitor, ticket) => Answer::Finished(room.finish(*visitor, *ticket, now)),
        Call::Sync(report) => Answer::Synced(Box::new(room.sync(report, now))),
        Call::Settings => settings(room.changed()),
        Call::Put(change) => settings(room.put_settings(change, now)),
    }
}
