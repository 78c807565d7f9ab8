//! Keeps the time of a whole crowd: one heap of who is due when, and a bounded number of requests under way.
//!
//! One task owns every visitor, so nothing is locked; a request is a task of its own that takes what it needs with it and
//! brings back the answer.

use super::browser::{Answer, Browser, Call, Failure};
use super::record::{Moment, Record};
use super::tally::Live;
use super::visitor::{Stage, Step, Visitor};
use super::{Plan, Refusal};
use crate::clock::Clock;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// So often it is told how things stand.
pub const TELL_EVERY: Duration = Duration::from_secs(1);
/// Nobody is due: looked again after so long.
const IDLE_MS: u32 = 1000;

/// A crowd under way.
pub struct Engine {
    plan: Arc<Plan>,
    browser: Browser,
    clock: Arc<dyn Clock>,
    /// In µs, on `clock`.
    began: u64,
    visitors: Vec<Visitor>,
    /// Places in `visitors` of those who are gone and whose records nobody wants.
    spare: Vec<u32>,
    /// When, who.
    due: BinaryHeap<Reverse<(u32, u32)>>,
    under_way: JoinSet<Done>,
    room: Option<Arc<str>>,
    live: Live,
}

struct Done {
    n: u32,
    at: Moment,
    answer: Result<Answer, Failure>,
}

impl Engine {
    /// A crowd in front of `base`; nobody has come yet.
    ///
    /// # Errors
    /// The key can't be sent.
    pub fn new(base: &str, plan: Plan, clock: Arc<dyn Clock>) -> Result<Self, Refusal> {
        let browser = Browser::new(base, plan.key.as_deref(), plan.connections, plan.forwarded_for)?;
        let began = clock.micros();
        Ok(Self {
            plan: Arc::new(plan),
            browser,
            clock,
            began,
            visitors: Vec::new(),
            spare: Vec::new(),
            due: BinaryHeap::new(),
            under_way: JoinSet::new(),
            room: None,
            live: Live::default(),
        })
    }

    /// So many more come, evenly spread over a time that begins now. Who is gone makes room, and leaves no record.
    pub fn come(&mut self, visitors: u32, over: Duration) {
        let now = self.now();
        let over = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
        for k in 0..visitors {
            let dice = [crate::random::fraction(), crate::random::fraction()];
            let visitor = Visitor::new(&self.plan, dice);
            let at = now.saturating_add(ms(over.saturating_mul(u64::from(k)) / u64::from(visitors)));
            let n = match self.spare.pop() {
                Some(n) => {
                    if let Some(place) = self.visitors.get_mut(n as usize) {
                        *place = visitor;
                    }
                    n
                }
                None => {
                    self.visitors.push(visitor);
                    u32::try_from(self.visitors.len() - 1).unwrap_or(u32::MAX)
                }
            };
            self.due.push(Reverse((at, n)));
        }
        self.live.coming += u64::from(visitors);
    }

    /// Goes on until everybody is gone or `stop` says so. `tell` hears how things stand once a second, and answers how
    /// many more shall come.
    pub async fn run(&mut self, mut tell: impl FnMut(&Live) -> u32, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut second = tokio::time::interval(TELL_EVERY);
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.start_due();
            let (is_full, wait) = (self.is_full(), self.until_next());
            tokio::select! {
                Some(done) = self.under_way.join_next() => self.ended(done.ok()),
                () = tokio::time::sleep(wait), if !is_full => {}
                _ = second.tick() => {
                    let more = tell(&self.tally());
                    self.come(more, Duration::ZERO);
                    if self.due.is_empty() && self.under_way.is_empty() && more == 0 {
                        break;
                    }
                }
                () = &mut stop => break,
            }
            while let Some(done) = self.under_way.try_join_next() {
                self.ended(done.ok());
            }
        }
        self.under_way.abort_all();
    }

    /// From now on who is gone makes room for who comes: for a crowd without end.
    pub fn forget_gone(&mut self) {
        self.live.forgets = true;
    }

    /// How things stand.
    pub fn tally(&self) -> Live {
        Live { elapsed_ms: self.now(), under_way: self.under_way.len(), ..self.live.clone() }
    }

    /// What everybody's way was, in the order in which they were sent.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.visitors.iter().map(|visitor| &visitor.record)
    }

    /// Bytes that the crowd holds, not counting connections: what it costs to have so many wait.
    pub fn bytes(&self) -> usize {
        let tokens: usize =
            self.visitors.iter().filter_map(|visitor| visitor.token.as_ref()).map(|token| token.len()).sum();
        self.visitors.capacity() * size_of::<Visitor>() + self.due.capacity() * size_of::<(u32, u32)>() + tokens
    }

    fn now(&self) -> u32 {
        ms(self.clock.micros().saturating_sub(self.began) / 1000)
    }

    fn is_full(&self) -> bool {
        self.under_way.len() >= self.plan.connections
    }

    fn until_next(&self) -> Duration {
        let next = self.due.peek().map_or(IDLE_MS, |Reverse((at, _))| at.saturating_sub(self.now()));
        Duration::from_millis(u64::from(next.clamp(1, IDLE_MS)))
    }

    fn start_due(&mut self) {
        while !self.is_full() {
            let now = self.now();
            let Some(Reverse((at, n))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) else { return };
            self.due.pop();
            self.live.late_ms = self.live.late_ms.max(now - at);
            self.start(n);
        }
    }

    fn start(&mut self, n: u32) {
        let Some(visitor) = self.visitors.get(n as usize) else { return };
        let Some(ask) = visitor.ask(&self.plan, crate::random::fraction()) else { return };
        let is_end = ask == super::visitor::Ask::Finish;
        let path = self.plan.finish.as_ref().filter(|_| is_end).unwrap_or(&self.plan.path).clone();
        let user = format!("crowd-{}-{n}-{}", self.began, visitor.names);
        let call = Call { ask, n, path, room: visitor.room.clone(), token: visitor.token.clone(), user };
        let (browser, clock, began) = (self.browser.clone(), Arc::clone(&self.clock), self.began);
        self.live.requests += 1;
        self.under_way.spawn(async move {
            let now = || ms(clock.micros().saturating_sub(began) / 1000);
            let sent = now();
            let answer = browser.call(&call).await;
            Done { n, at: Moment { sent, answered: now() }, answer }
        });
    }

    fn ended(&mut self, done: Option<Done>) {
        let Some(Done { n, at, answer }) = done else { return };
        let room = answer.as_ref().ok().and_then(|answer| Some(answer.pass.as_ref()?.room.as_str()));
        let room = room.map(|name| self.known_room(name));
        let Some(visitor) = self.visitors.get_mut(n as usize) else { return };
        if room.is_some() {
            visitor.room = room;
        }
        let (before, turn) = (visitor.stage, visitor.record.turn);
        let dice = crate::random::fraction();
        let Step { next, mishap } = visitor.take(&self.plan, answer.as_ref().map_err(|failure| *failure), at, dice);
        let (after, is_turn) = (visitor.stage, visitor.record.turn.is_some() && visitor.record.turn != turn);
        self.live.moved(before, after, is_turn);
        self.live.answered(at);
        if let Some(mishap) = mishap {
            *self.live.mishaps.entry(mishap).or_default() += 1;
        }
        match next {
            Some(wait) => self.due.push(Reverse((at.answered.saturating_add(wait), n))),
            None if after == Stage::Gone && self.live.forgets => self.spare.push(n),
            None => {}
        }
    }

    /// The one name that all who wait for a room share.
    fn known_room(&mut self, name: &str) -> Arc<str> {
        match &self.room {
            Some(room) if **room == *name => Arc::clone(room),
            _ => {
                let room: Arc<str> = name.into();
                self.room = Some(Arc::clone(&room));
                room
            }
        }
    }
}

fn ms(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
