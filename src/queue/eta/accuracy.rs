//! How often the true wait falls into the range first shown: crowds of people before the pure machine, second by second,
//! told what an instance would tell them.
//!
//! Each crowd is drawn from a seed. The wait is what the visitor sees: from the page with the range to the poll that says
//! "come in". Who gives up has no true wait and doesn't count. To add a crowd: a function here, its test at the bottom.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers here are small")]

use super::{Estimate, Pace, Rate, Speed, next_poll};
use crate::queue::{
    AddressKey, Arrival, Entry, Heartbeat, Known, Life, Newcomer, Report, Room, Settings, Snapshot, Standing, Ticket,
    Time, Visitor,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const START: u64 = 1_800_000_000_000;
/// An instance syncs so often.
const TICK_MS: u64 = 250;
/// The target, of a hundred.
const RIGHT: f64 = 80.0;

/// SplitMix64: the same numbers for the same seed, wherever it runs.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// With this mean, without memory.
    fn lasting(&mut self, mean_ms: f64) -> u64 {
        (-(1.0 - self.next()).ln() * mean_ms) as u64
    }
}

/// Somebody who comes.
#[derive(Clone, Copy)]
struct Person {
    comes: u64,
    /// How long they wait at most; `u64::MAX`: as long as it takes.
    patience: u64,
    /// How long they stay inside.
    stay: u64,
}

/// Comes evenly: so many a second, for so many seconds.
fn even(dice: &mut Dice, from_s: u64, seconds: u64, per_second: f64) -> Vec<u64> {
    let people = (seconds as f64 * per_second) as u64;
    (0..people).map(|_| (from_s * 1000) + (dice.next() * seconds as f64 * 1000.0) as u64).collect()
}

fn people(dice: &mut Dice, mut comes: Vec<u64>, patience_s: Option<f64>, stay_s: f64) -> Vec<Person> {
    comes.sort_unstable();
    let mut person = |comes| Person {
        comes,
        patience: patience_s.map_or(u64::MAX, |mean| dice.lasting(mean * 1000.0)),
        stay: dice.lasting(stay_s * 1000.0),
    };
    comes.into_iter().map(&mut person).collect()
}

/// Where somebody is.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    Outside,
    Waiting,
    Inside,
    Gone,
}

struct Way {
    person: Person,
    at: Where,
    ticket: Ticket,
    heartbeat: Option<u64>,
    shown: Option<Estimate>,
    /// When the range was shown.
    since: u64,
}

/// One room, one instance, a crowd.
struct World {
    settings: Settings,
    room: Room,
    snapshot: Snapshot,
    /// The last finish that was told.
    revoked: u64,
    rate: Rate,
    speed: Speed,
    ways: Vec<Way>,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    pending: Vec<Heartbeat>,
    dice: Dice,
    /// Range and true wait in ms, of all who went in.
    outcomes: Vec<(Estimate, u64)>,
}

fn visitor(n: usize) -> Visitor {
    let mut key = [7; 16];
    key[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Visitor(key)
}

impl World {
    fn new(settings: Settings, crowd: Vec<Person>, dice: Dice) -> Self {
        let due = crowd.iter().enumerate().map(|(n, person)| Reverse((person.comes, n))).collect();
        let way =
            |person| Way { person, at: Where::Outside, ticket: Ticket(0), heartbeat: None, shown: None, since: 0 };
        Self {
            room: Room::new(START, &settings),
            settings,
            snapshot: Snapshot::default(),
            revoked: 0,
            rate: Rate::default(),
            speed: Speed::default(),
            ways: crowd.into_iter().map(way).collect(),
            due,
            pending: Vec::new(),
            dice,
            outcomes: Vec::new(),
        }
    }

    fn run(&mut self) {
        for tick in 0..6 * 3600 * 1000 / TICK_MS {
            let now = tick * TICK_MS;
            while let Some(Reverse((at, n))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
                self.due.pop();
                if let Some(wait) = self.step(n, at) {
                    self.due.push(Reverse((at + wait.max(1), n)));
                }
            }
            self.sync(now);
            if self.due.is_empty() {
                return;
            }
        }
        panic!("{} people are still there after six hours", self.due.len());
    }

    fn sync(&mut self, now: u64) {
        loop {
            let chunk = self.pending.split_off(self.pending.len().saturating_sub(Report::CHUNK));
            let (epoch, seq, revoked) = (self.snapshot.epoch, self.snapshot.seq, self.revoked);
            let known = Known { epoch, seq, revoked, ..Known::default() };
            let report = Report { instance: 1, heartbeats: chunk, known, ..Report::default() };
            let synced = self.room.sync(&report, Time(START + now));
            self.snapshot = synced.snapshot;
            self.revoked = synced.revocations.last().map_or(self.revoked, |last| last.number);
            if self.pending.is_empty() && !synced.more {
                break;
            }
        }
        self.speed = self.rate.observe(&self.snapshot, &self.settings);
    }

    fn estimate(&self, ticket: Ticket, is_new: bool) -> Option<Estimate> {
        let free = match self.settings.max_active {
            0 => u64::MAX,
            cap => cap.saturating_sub(self.snapshot.ready),
        };
        Estimate::of(self.snapshot.position(ticket) - 1, is_new, free, self.speed, &self.settings)
    }

    /// What somebody does now; answers with how long until the next thing.
    fn step(&mut self, n: usize, now: u64) -> Option<u64> {
        let (at, person) = (self.ways[n].at, self.ways[n].person);
        match at {
            Where::Outside => self.comes(n, now),
            Where::Waiting if now - person.comes > person.patience => None,
            Where::Waiting => self.polls(n, now),
            Where::Inside => {
                let way = &mut self.ways[n];
                way.at = Where::Gone;
                self.room.finish(visitor(n), way.ticket, Time(START + now));
                None
            }
            Where::Gone => None,
        }
    }

    fn comes(&mut self, n: usize, now: u64) -> Option<u64> {
        let ticket = Ticket((START + now) * 1000 + n as u64 % 1000);
        let time = Time(START + now);
        self.ways[n].ticket = ticket;
        if !self.snapshot.is_busy(&self.settings, time) {
            let newcomer = Newcomer {
                visitor: visitor(n),
                ticket,
                address: AddressKey(n as u64),
                entry: Entry::WalkIn,
                until: None,
                met: Life::default(),
            };
            if let Arrival::Admitted(_) = self.room.arrive(newcomer, time) {
                self.ways[n].at = Where::Inside;
                return Some(self.ways[n].person.stay);
            }
        }
        let shown = self.estimate(ticket, true);
        let way = &mut self.ways[n];
        (way.at, way.shown, way.since) = (Where::Waiting, shown, now);
        Some(1000)
    }

    fn polls(&mut self, n: usize, now: u64) -> Option<u64> {
        let (ticket, heartbeat) = (self.ways[n].ticket, self.ways[n].heartbeat);
        let time = Time(START + now);
        if ticket <= self.snapshot.watermark
            && let Standing::Ready(_) = self.room.claim(visitor(n), ticket, time)
        {
            let way = &mut self.ways[n];
            way.at = Where::Inside;
            if let Some(shown) = way.shown {
                self.outcomes.push((shown, now - way.since));
            }
            return Some(way.person.stay);
        }
        if heartbeat.is_none_or(|last| now - last >= self.settings.presence_seconds * 250) {
            let first = heartbeat.is_none().then_some(AddressKey(n as u64));
            self.pending.push(Heartbeat { visitor: visitor(n), ticket, late: false, first });
            self.ways[n].heartbeat = Some(now);
        }
        let estimate = self.estimate(ticket, false);
        Some(next_poll(estimate, &self.settings, Pace { jitter: self.dice.next(), load: 1.0 }))
    }
}

/// What came out: how many of a hundred true waits lay within the range first shown, and how wide the ranges were, as a
/// share of the true wait, in the middle.
struct Accuracy {
    right: f64,
    early: f64,
    late: f64,
    width: f64,
    people: usize,
}

fn accuracy(settings: &Settings, crowd: impl Fn(&mut Dice) -> Vec<Person>) -> Accuracy {
    let mut outcomes = Vec::new();
    for seed in [1, 2, 3] {
        let mut dice = Dice(seed);
        let people = crowd(&mut dice);
        let mut world = World::new(settings.clone(), people, dice);
        world.run();
        outcomes.extend(world.outcomes);
    }
    let share = |count: usize| count as f64 * 100.0 / outcomes.len().max(1) as f64;
    let early = outcomes.iter().filter(|(range, wait)| *wait < range.low_seconds * 1000).count();
    let late = outcomes.iter().filter(|(range, wait)| *wait > range.high_seconds * 1000).count();
    let width = |(range, wait): &(Estimate, u64)| {
        (range.high_seconds - range.low_seconds) as f64 * 1000.0 / (*wait).max(1000) as f64
    };
    let mut widths: Vec<f64> = outcomes.iter().map(width).collect();
    widths.sort_by(f64::total_cmp);
    let width = widths.get(widths.len() / 2).copied().unwrap_or(f64::MAX);
    let people = outcomes.len();
    Accuracy { right: share(people - early - late), early: share(early), late: share(late), width, people }
}

fn holds(name: &str, settings: &Settings, crowd: impl Fn(&mut Dice) -> Vec<Person>, at_most_wide: f64) {
    let Accuracy { right, early, late, width, people } = accuracy(settings, crowd);
    println!(
        "{name}: {right:.1} % of {people} waits within the range first shown, {early:.1} % shorter, {late:.1} % longer; \
         the range is {width:.2} of the wait"
    );
    assert!(people > 1000, "{name}: only {people} were shown a range");
    assert!(right >= RIGHT, "{name}: {right:.1} %, {early:.1} % came in earlier and {late:.1} % later");
    assert!(width <= at_most_wide, "{name}: a range of {width:.2} times the wait is no estimate");
}

/// Two people a second, ten every five seconds.
fn slow() -> Settings {
    Settings { admission_limit: 10, admission_frequency: 5, ip_enqueue_limit: 1_000_000, ..Settings::default() }
}

#[test]
fn of_a_steady_crowd() {
    let crowd = |dice: &mut Dice| {
        let comes = even(dice, 0, 1200, 2.5);
        people(dice, comes, None, 30.0)
    };
    holds("steady", &slow(), crowd, 1.0);
}

#[test]
fn of_bursts() {
    let crowd = |dice: &mut Dice| {
        let comes = [(0, 30, 40.0), (400, 10, 60.0), (900, 60, 10.0)];
        let comes = comes.into_iter().flat_map(|(from, seconds, rate)| even(dice, from, seconds, rate)).collect();
        people(dice, comes, None, 30.0)
    };
    holds("bursts", &slow(), crowd, 1.0);
}

#[test]
fn of_bursts_with_short_windows() {
    let settings = Settings { admission_limit: 20, admission_frequency: 1, ..slow() };
    let crowd = |dice: &mut Dice| {
        let comes = [(0, 20, 200.0), (300, 30, 100.0)];
        let comes = comes.into_iter().flat_map(|(from, seconds, rate)| even(dice, from, seconds, rate)).collect();
        people(dice, comes, None, 30.0)
    };
    holds("bursts, short windows", &settings, crowd, 1.0);
}

#[test]
fn of_a_burst_from_which_a_third_gives_up() {
    let crowd = |dice: &mut Dice| {
        let comes = even(dice, 0, 30, 60.0);
        people(dice, comes, Some(1500.0), 30.0)
    };
    holds("a burst that gives up", &slow(), crowd, 1.0);
}

#[test]
fn of_a_crowd_that_keeps_coming_and_giving_up() {
    let crowd = |dice: &mut Dice| {
        let comes = even(dice, 0, 1800, 5.0);
        people(dice, comes, Some(600.0), 30.0)
    };
    holds("steady, giving up", &slow(), crowd, 1.0);
}

#[test]
fn of_a_full_house() {
    let settings = Settings { max_active: 100, ready_ttl_seconds: 300, ..slow() };
    let crowd = |dice: &mut Dice| {
        let comes = even(dice, 0, 1200, 2.0);
        people(dice, comes, None, 90.0)
    };
    holds("a full house", &settings, crowd, 1.2);
}

#[test]
fn of_a_burst_before_a_full_house() {
    let settings = Settings { max_active: 100, ready_ttl_seconds: 300, ..slow() };
    let crowd = |dice: &mut Dice| {
        let mut comes = even(dice, 0, 30, 20.0);
        comes.extend(even(dice, 300, 900, 0.5));
        people(dice, comes, None, 60.0)
    };
    // How long people stay inside is not known before the first have gone.
    holds("a burst before a full house", &settings, crowd, 5.0);
}
