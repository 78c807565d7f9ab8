//! A small world around a room: visitors who come, poll, fall silent, come back, go in and finish, through two instances
//! which do what real ones do. Everything is drawn from a list of steps and a seed, so that a failure repeats and shrinks.

use crate::queue::{
    AddressKey, Arrival, Change, Entry, Finished, Heartbeat, Known, Life, Mode, Newcomer, Renewal, Report, Room,
    Settings, Standing, Stay, Synced, Ticket, Time, Value, Visitor, turns::Turn,
};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// Where every world begins: a round hour, so that windows of all lengths begin there.
pub const START: Time = Time(1_800_000_000_000);
pub const PEOPLE: usize = 20;

/// What a run is checked for, after every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Order,
    Window,
    Cap,
    SpentOnce,
    FinishedOnce,
    WalkIn,
    Nothing,
}

#[derive(Clone, Debug)]
pub enum Step {
    Pass(u64),
    Enqueue(usize),
    /// Gets the waiting page: has a ticket, is registered by the first poll.
    OpenPage(usize),
    WalkIn(usize),
    Sleep(usize),
    /// Comes back by itself after so many seconds.
    Nap(usize, u64),
    Wake(usize),
    Finish(usize),
    Set(&'static str, Value),
    /// Sends some message of the past again.
    Replay(usize),
}

/// Steps of every kind, replays aside.
pub fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..PEOPLE;
    let step = prop_oneof![
        6 => (1u64..25).prop_map(Step::Pass),
        1 => (60u64..250).prop_map(Step::Pass),
        4 => who().prop_map(Step::Enqueue),
        4 => who().prop_map(Step::OpenPage),
        2 => who().prop_map(Step::WalkIn),
        2 => who().prop_map(Step::Sleep),
        4 => (who(), 20u64..100).prop_map(|(n, seconds)| Step::Nap(n, seconds)),
        3 => who().prop_map(Step::Wake),
        2 => who().prop_map(Step::Finish),
        3 => setting().prop_map(|(name, value)| Step::Set(name, value)),
    ];
    prop::collection::vec(step, 1..length)
}

pub fn steps_with_replays(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let replay = any::<usize>().prop_map(Step::Replay);
    (steps(length), prop::collection::vec((any::<prop::sample::Index>(), replay), length / 2)).prop_map(
        |(mut steps, replays)| {
            for (index, replay) in replays {
                steps.insert(index.index(steps.len() + 1), replay);
            }
            steps
        },
    )
}

pub fn setting() -> impl Strategy<Value = (&'static str, Value)> {
    let mode = prop_oneof![3 => Just("auto"), 1 => Just("pause"), 1 => Just("closed"), 1 => Just("off")];
    prop_oneof![
        2 => mode.prop_map(|mode| ("mode", Value::Text(mode.to_owned()))),
        2 => (1u64..4).prop_map(|limit| ("admission_limit", Value::Int(limit))),
        3 => (1u64..20).prop_map(|seconds| ("admission_frequency", Value::Int(seconds))),
        2 => (0u64..6).prop_map(|cap| ("max_active", Value::Int(cap))),
        2 => prop::sample::select(vec![30u64, 60, 600]).prop_map(|seconds| ("presence_seconds", Value::Int(seconds))),
    ]
}

pub fn change(name: &str, value: Value) -> Change {
    let mut change = Change::default();
    change.set(name, value).unwrap();
    change
}

/// A short ready time, so that turns end while one looks.
pub fn defaults() -> Settings {
    let short = Settings { admission_limit: 1, ready_ttl_seconds: 60, ready_max_seconds: 120, ..Settings::default() };
    Settings { presence_seconds: 30, ip_enqueue_limit: 3, ip_enqueue_limit_interval: 30, ..short }
}

pub fn visitor(n: usize) -> Visitor {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    Visitor(name)
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Person {
    visitor: Visitor,
    address: AddressKey,
    pub ticket: Option<Ticket>,
    pub stay: Option<Stay>,
    /// The store heard of the ticket.
    registered: bool,
    awake: bool,
    /// Never slept since the ticket was minted: polls whenever told to.
    pub faithful: bool,
    beat: Time,
    poll: Time,
}

impl Person {
    /// Waits by every right: known to the store, and polling as told.
    fn is_waiting(&self) -> bool {
        self.registered && self.faithful && self.stay.is_none() && self.ticket.is_some()
    }
}

/// One gatekeeper process.
#[derive(Debug)]
struct Instance {
    settings: Settings,
    report: Report,
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Arrive(Newcomer),
    Claim(Visitor, Ticket),
    Heartbeat(Heartbeat),
    Renewal(Renewal),
    Finish(Visitor, Ticket),
}

type Key = (Visitor, Ticket);

pub struct World {
    pub room: Room,
    pub now: Time,
    pub settings: Settings,
    pub people: Vec<Person>,
    /// Every turn ever offered: when, to whom.
    pub offers: Vec<(Time, Key)>,
    promise: Promise,
    instances: Vec<Instance>,
    sent: Vec<Message>,
    minted: Ticket,
    dice: u64,
    /// Turns given before this moment were given in a window that a change of its length ended.
    counted_from: Time,
    held: HashMap<Visitor, Turn>,
    stays: HashMap<Key, Time>,
    ends: HashMap<Key, Time>,
    /// Who finished, and where the store knows.
    leaving: HashSet<Key>,
    finished: HashSet<Key>,
    cleared: HashSet<Key>,
}

impl World {
    pub fn new(promise: Promise, seed: u64) -> Self {
        let settings = defaults();
        let person = |n| Person { visitor: visitor(n), address: AddressKey(n as u64 % 8), ..Person::default() };
        let instance = |n| Instance { settings: settings.clone(), report: Report { instance: n, ..Report::default() } };
        Self {
            room: Room::new(1, &settings),
            now: START,
            people: (0..PEOPLE).map(person).collect(),
            offers: vec![],
            promise,
            instances: (1..=2).map(instance).collect(),
            sent: vec![],
            minted: Ticket::at(START),
            dice: seed,
            counted_from: Time(0),
            held: HashMap::new(),
            stays: HashMap::new(),
            ends: HashMap::new(),
            leaving: HashSet::new(),
            finished: HashSet::new(),
            cleared: HashSet::new(),
            settings,
        }
    }

    /// Takes the steps, from a rush on.
    pub fn run(&mut self, steps: Vec<Step>) {
        (0..PEOPLE).for_each(|n| self.open_page(n));
        for step in steps {
            self.step(step);
        }
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => (0..seconds).for_each(|_| self.tick()),
            Step::Enqueue(n) => self.arrive(n, Entry::Enqueue),
            Step::WalkIn(n) => self.arrive(n, Entry::WalkIn),
            Step::OpenPage(n) => self.open_page(n),
            Step::Sleep(n) => (self.people[n].awake, self.people[n].faithful) = (false, false),
            Step::Nap(n, seconds) => {
                (self.people[n].poll, self.people[n].faithful) = (self.now.plus_seconds(seconds), false);
            }
            Step::Wake(n) => (self.people[n].awake, self.people[n].poll) = (true, self.now),
            Step::Finish(n) => self.finish(n),
            Step::Set(name, value) => self.set(name, value),
            Step::Replay(n) => self.replay(n),
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % sides
    }

    fn mint(&mut self) -> Ticket {
        self.minted = Ticket(self.minted.0 + 1).max(Ticket::at(self.now));
        self.minted
    }

    /// About a second: polls, then a sync of every instance.
    fn tick(&mut self) {
        self.now = self.now.plus_ms(800 + self.roll(400));
        for n in 0..self.people.len() {
            if self.people[n].awake && self.people[n].poll <= self.now {
                self.poll(n);
            }
        }
        for which in 0..self.instances.len() {
            self.sync(which);
        }
    }

    fn arrive(&mut self, n: usize, entry: Entry) {
        if self.people[n].ticket.is_some() {
            return;
        }
        let ticket = self.mint();
        let Person { visitor, address, .. } = self.people[n];
        let newcomer = Newcomer { visitor, ticket, address, entry, until: None, met: Life::default() };
        self.sent.push(Message::Arrive(newcomer));
        let waits = self.people.iter().any(|person| person.is_waiting() && !self.held.contains_key(&person.visitor));
        let arrival = self.room.arrive(newcomer, self.now);
        let person = &mut self.people[n];
        match arrival {
            Arrival::Entered { .. } | Arrival::Admitted(_) => {
                (person.ticket, person.registered) = (Some(ticket), true);
                (person.awake, person.faithful) = (true, true);
                (person.beat, person.poll) = (self.now, self.now.plus_seconds(1));
            }
            _ => {}
        }
        if let Arrival::Admitted(stay) = arrival {
            person.stay = Some(stay);
            self.ends.insert((visitor, ticket), stay.until);
            assert!(!waits || self.promise != Promise::WalkIn, "walked in past somebody");
        }
        self.look();
    }

    fn open_page(&mut self, n: usize) {
        if self.people[n].ticket.is_none() {
            let ticket = self.mint();
            let Person { visitor, address, .. } = self.people[n];
            let poll = self.now.plus_seconds(1);
            let new = Person { visitor, address, beat: self.now, poll, awake: true, ..Person::default() };
            self.people[n] = Person { ticket: Some(ticket), faithful: true, ..new };
        }
    }

    /// What an instance does for a visitor who polls.
    fn poll(&mut self, n: usize) {
        let which = usize::from(self.roll(2) == 1);
        let presence = self.instances[which].settings.presence_seconds;
        let longest = if self.roll(8) == 0 { presence / 3 } else { (presence / 3).min(24) };
        self.people[n].poll = self.now.plus_seconds(1 + self.roll(longest - 1));
        let person = self.people[n];
        let Some(ticket) = person.ticket else { return };
        if self.now.ms_since(person.beat) > self.settings.retention() * 1000 && person.stay.is_none() {
            self.people[n].ticket = None;
        } else if let Some(stay) = person.stay {
            self.pass_through(n, ticket, stay, which);
        } else if ticket > self.instances[which].report.known.watermark || !self.claim(n, ticket) {
            self.beat(n, ticket, which);
        }
    }

    /// Uses the site: the stay goes on, or is over.
    fn pass_through(&mut self, n: usize, ticket: Ticket, stay: Stay, which: usize) {
        let person = &mut self.people[n];
        if stay.until <= self.now {
            (person.ticket, person.stay, person.registered) = (None, None, false);
            return;
        }
        let settings = &self.instances[which].settings;
        let end = stay.since.plus_seconds(settings.ready_max());
        let stay = Stay { until: self.now.plus_seconds(settings.ready_ttl_seconds).min(end).max(stay.until), ..stay };
        person.stay = Some(stay);
        let renewal = Renewal { visitor: person.visitor, ticket, stay };
        self.ends.insert((person.visitor, ticket), stay.until);
        self.instances[which].report.renewals.push(renewal);
        self.sent.push(Message::Renewal(renewal));
    }

    /// `false`: unknown to the store.
    fn claim(&mut self, n: usize, ticket: Ticket) -> bool {
        let visitor = self.people[n].visitor;
        self.sent.push(Message::Claim(visitor, ticket));
        let standing = self.room.claim(visitor, ticket, self.now);
        let person = &mut self.people[n];
        match standing {
            Standing::Ready(stay) => {
                person.stay = Some(stay);
                self.ends.entry((visitor, ticket)).or_insert(stay.until);
            }
            Standing::Spent => (person.ticket, person.registered) = (None, false),
            Standing::Waiting { .. } => person.beat = self.now,
            Standing::Unknown => {}
        }
        self.look();
        standing != Standing::Unknown
    }

    fn beat(&mut self, n: usize, ticket: Ticket, which: usize) {
        let instance = &mut self.instances[which];
        let person = &mut self.people[n];
        let presence = instance.settings.presence_seconds * 1000;
        let gap = self.now.ms_since(person.beat);
        let known = person.registered && ticket > instance.report.known.watermark;
        if known && gap < presence / 4 {
            return;
        }
        person.beat = self.now;
        let first = (!person.registered).then_some(person.address);
        let heartbeat = Heartbeat { visitor: person.visitor, ticket, late: gap > presence, first };
        instance.report.heartbeats.push(heartbeat);
        self.sent.push(Message::Heartbeat(heartbeat));
    }

    fn sync(&mut self, which: usize) {
        let report = self.instances[which].report.clone();
        let synced = self.room.sync(&report, self.now);
        self.note(&report, &synced);
        let instance = &mut self.instances[which];
        let Synced { snapshot, settings, revocations, .. } = synced;
        let mut known = report.known;
        if let Some((version, changed)) = settings {
            instance.settings = Settings::with(&defaults(), &changed);
            known.settings = version;
        }
        known.revoked = revocations.last().map_or(known.revoked, |last| last.number);
        let known = Known { epoch: snapshot.epoch, seq: snapshot.seq, watermark: snapshot.watermark, ..known };
        instance.report = Report { instance: report.instance, known, ..Report::default() };
        self.look();
    }

    fn note(&mut self, report: &Report, synced: &Synced) {
        self.finished.extend(&report.finished);
        for heartbeat in &report.heartbeats {
            let closed = heartbeat.first.is_some() && self.settings.mode == Mode::Closed;
            let limited = synced.limited.contains(&(heartbeat.visitor, heartbeat.ticket));
            let holder =
                |person: &&mut Person| (person.visitor, person.ticket) == (heartbeat.visitor, Some(heartbeat.ticket));
            if let Some(person) = self.people.iter_mut().find(holder) {
                person.registered |= !closed && !limited;
                person.ticket = person.ticket.filter(|_| !limited);
            }
        }
    }

    fn finish(&mut self, n: usize) {
        let Person { visitor, ticket: Some(ticket), stay: Some(_), .. } = self.people[n] else { return };
        self.leaving.insert((visitor, ticket));
        if self.roll(3) == 0 {
            // The store is away for a moment.
            self.instances[0].report.finished.push((visitor, ticket));
        } else {
            self.finish_now(visitor, ticket);
        }
        let person = &mut self.people[n];
        (person.ticket, person.stay, person.registered) = (None, None, false);
    }

    fn finish_now(&mut self, visitor: Visitor, ticket: Ticket) {
        let held = self.room.held(self.now).iter().any(|(who, turn)| (*who, turn.ticket) == (visitor, ticket));
        self.sent.push(Message::Finish(visitor, ticket));
        let finished = self.room.finish(visitor, ticket, self.now);
        if self.promise == Promise::FinishedOnce {
            assert_eq!(finished == Finished::Cleared, held, "a turn that is held is cleared, no other is");
            assert!(finished == Finished::NotReady || self.cleared.insert((visitor, ticket)), "cleared twice");
        }
        self.leaving.insert((visitor, ticket));
        self.finished.insert((visitor, ticket));
        self.look();
    }

    pub fn set(&mut self, name: &'static str, value: Value) {
        if name == "admission_frequency" {
            self.counted_from = self.counted_from.max(window_start(self.now, &self.settings));
        }
        let change = change(name, value);
        self.settings.apply(&change);
        self.room.put_settings(&change, self.now);
        self.look();
    }

    fn replay(&mut self, n: usize) {
        let Some(message) = self.sent.get(n % self.sent.len().max(1)).copied() else { return };
        let mut report = Report { instance: 9, ..Report::default() };
        match message {
            Message::Arrive(newcomer) => {
                self.room.arrive(newcomer, self.now);
            }
            Message::Claim(visitor, ticket) => {
                if let Standing::Ready(stay) = self.room.claim(visitor, ticket, self.now) {
                    self.ends.entry((visitor, ticket)).or_insert(stay.until);
                }
            }
            Message::Finish(visitor, ticket) => self.finish_now(visitor, ticket),
            Message::Heartbeat(heartbeat) => report.heartbeats.push(heartbeat),
            Message::Renewal(renewal) => report.renewals.push(renewal),
        }
        self.room.sync(&report, self.now);
        self.look();
    }

    /// Compares the turns with those before the verb.
    fn look(&mut self) {
        let now = self.now;
        let held: HashMap<_, _> = self.room.held(now).into_iter().collect();
        let mut offered = vec![];
        for (visitor, turn) in &held {
            let known = self.held.get(visitor).is_some_and(|old| old.ticket == turn.ticket && old.until > now);
            if !known && turn.since.is_none_or(|since| since == now) {
                offered.push((*visitor, turn.ticket));
            }
        }
        offered.sort_by_key(|(_, ticket)| *ticket);
        let before = std::mem::replace(&mut self.held, held);
        self.offers.extend(offered.iter().map(|key| (now, *key)));
        self.check(&before, &offered);
    }

    fn check(&mut self, before: &HashMap<Visitor, Turn>, offered: &[Key]) {
        match self.promise {
            Promise::Order => self.check_order(before, offered),
            Promise::Window => self.check_window(offered),
            Promise::Cap => self.check_cap(before, offered),
            Promise::SpentOnce => self.check_spent(),
            Promise::WalkIn => {
                self.check_window(offered);
                self.check_cap(before, offered);
            }
            Promise::FinishedOnce | Promise::Nothing => {}
        }
    }

    fn check_order(&self, before: &HashMap<Visitor, Turn>, offered: &[Key]) {
        for person in self.people.iter().filter(|person| person.is_waiting()) {
            let lost = before.get(&person.visitor).filter(|turn| turn.since.is_none() && turn.until <= self.now);
            assert!(lost.is_none(), "a turn of somebody who came when told was taken back: {person:?}");
            if !self.held.contains_key(&person.visitor) {
                let past = offered.iter().find(|(_, ticket)| Some(*ticket) > person.ticket);
                assert_eq!(past, None, "overtook {person:?}");
            }
        }
    }

    fn check_window(&self, offered: &[Key]) {
        let from = window_start(self.now, &self.settings).max(self.counted_from);
        let given = self.offers.iter().rev().take_while(|(when, _)| *when >= from).count() as u64;
        let limit = self.settings.admission_limit;
        assert!(offered.is_empty() || given <= limit, "{given} turns in a window of {limit}");
    }

    fn check_cap(&self, before: &HashMap<Visitor, Turn>, offered: &[Key]) {
        let (count, cap) = (self.held.len() as u64, self.settings.max_active);
        assert!(offered.is_empty() || cap == 0 || count <= cap, "{count} hold a turn, {cap} may");
        for (visitor, turn) in before {
            let over = turn.until <= self.now || self.leaving.contains(&(*visitor, turn.ticket));
            assert!(over || self.held.contains_key(visitor), "{visitor:?} was thrown out");
        }
    }

    fn check_spent(&mut self) {
        for (visitor, turn) in &self.held {
            let key = (*visitor, turn.ticket);
            assert!(!self.finished.contains(&key), "a finished ticket holds a turn");
            let Some(since) = turn.since else {
                assert!(!self.stays.contains_key(&key), "a claimed ticket was offered a turn");
                continue;
            };
            assert_eq!(*self.stays.entry(key).or_insert(since), since, "one ticket claimed two stays");
            let end = self.ends.get(&key).copied().unwrap_or(turn.until);
            assert!(turn.until <= end, "a stay went on beyond its end");
        }
    }
}

fn window_start(now: Time, settings: &Settings) -> Time {
    Time(now.0 - now.0 % (settings.admission_frequency * 1000))
}
