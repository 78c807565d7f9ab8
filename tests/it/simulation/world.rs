//! A run's world: the store, the instances, the visitors' notes, one clock for all.

use super::instance::Slot;
use super::journal::Journal;
use super::people::{Event, index_of};
use super::promises;
use super::scenario::{Fault, Memory, Scenario};
use super::server::{Answer, Call, Health, START, Server};
use crate::support::chance::Chance;
use gatekeeper::clock::Clock;
use gatekeeper::queue::{Standing, Time};
use gatekeeper::store::StoreError;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// Everything there is.
pub struct World {
    pub scenario: Scenario,
    pub slots: Vec<Slot>,
    began: Instant,
    server: Mutex<Server>,
    journal: Mutex<Journal>,
}

/// An instance's clock.
pub struct SkewedClock {
    began: Instant,
    skew_ms: i64,
}

impl Clock for SkewedClock {
    fn micros(&self) -> u64 {
        let passed = u64::try_from(self.began.elapsed().as_micros()).unwrap();
        (START * 1000 + passed).saturating_add_signed(self.skew_ms * 1000)
    }
}

impl World {
    pub fn new(scenario: Scenario) -> Arc<Self> {
        Arc::new_cyclic(|world| Self {
            slots: (0..scenario.instances).map(|slot| Slot::new(slot, world.clone())).collect(),
            began: Instant::now(),
            server: Mutex::new(Server::new(scenario.settings.clone())),
            journal: Mutex::new(Journal::of(scenario.visitors)),
            scenario,
        })
    }

    /// Milliseconds since the run began.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub fn clock(&self, slot: usize) -> Arc<dyn Clock> {
        Arc::new(SkewedClock { began: self.began, skew_ms: self.scenario.skews[slot] })
    }

    pub fn chance(&self, part: u64) -> Chance {
        Chance::of(self.scenario.seed, part, super::STREAMS)
    }

    pub fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap()
    }

    pub fn health(&self) -> Health {
        self.server().health
    }

    pub fn is_broken(&self) -> bool {
        self.journal().broken.is_some()
    }

    pub fn note(&self, who: usize, event: Event) {
        self.journal().note(self.ms(), Some(who), event);
    }

    /// The server runs a call.
    pub fn run(&self, call: &Call) -> Result<Answer, StoreError> {
        let (ms, mut server) = (self.ms(), self.server());
        let (answer, given) = server.run(call, ms)?;
        if let (Call::Claim(visitor, _), Answer::Standing(Standing::Ready(_))) = (call, &answer) {
            self.journal().people[index_of(*visitor)].took = true;
        }
        if !given.turns.is_empty() {
            promises::at_turns(self, &server, &mut self.journal(), &given, ms);
        }
        Ok(answer)
    }

    /// The server takes a call, and runs it when it can; `None` where it never answers.
    pub async fn take(&self, call: Call) -> Option<Result<Answer, StoreError>> {
        if self.health() != Health::Stalled {
            return Some(self.run(&call));
        }
        let (done, answer) = oneshot::channel();
        self.server().stalled.push((call, Some(done)));
        answer.await.ok()
    }

    /// Everything that goes wrong, each at its time.
    pub fn begin_faults(self: &Arc<Self>) {
        for (at, fault) in self.scenario.faults.clone() {
            let world = Arc::clone(self);
            tokio::spawn(async move {
                sleep(Duration::from_millis(at)).await;
                world.journal().note(at, None, Event::Fault(format!("{fault:?}")));
                world.suffer(fault).await;
                let ms = world.ms();
                world.journal().note(ms, None, Event::Fault(format!("over: {fault:?}")));
            });
        }
    }

    async fn suffer(self: &Arc<Self>, fault: Fault) {
        let pause = |ms| sleep(Duration::from_millis(ms));
        match fault {
            Fault::StoreGone { ms, memory } => self.store_gone(ms, memory).await,
            Fault::StoreStalls { ms } => {
                self.ail(Health::Stalled, ms).await;
                let stalled = std::mem::take(&mut self.server().stalled);
                for (call, done) in stalled {
                    let result = self.run(&call);
                    done.map(|done| done.send(result));
                }
            }
            Fault::StoreFull { ms } => self.ail(Health::Full, ms).await,
            Fault::StoreRefuses { ms } => self.ail(Health::Refuses, ms).await,
            Fault::ClockStep { ms } => self.step(ms),
            Fault::Partition { slot, ms } => {
                self.slots[slot].link.set_cut(true);
                pause(ms).await;
                self.slots[slot].link.set_cut(false);
            }
            Fault::PartitionAll { ms } => {
                self.slots.iter().for_each(|slot| slot.link.set_cut(true));
                pause(ms).await;
                self.slots.iter().for_each(|slot| slot.link.set_cut(false));
            }
            Fault::BadLink { slot, ms } => {
                self.slots[slot].link.set_bad(true);
                pause(ms).await;
                self.slots[slot].link.set_bad(false);
            }
            Fault::Crash { slot, ms } => self.crash(slot, ms).await,
            Fault::Upgrade { slot } => self.upgrade(slot).await,
            Fault::Freeze { slot, ms } => self.slots[slot].freeze(self.ms() + ms),
            Fault::Operator { slot } => self.operate(slot).await,
        }
    }

    /// Something is wrong with the server, unless something else is.
    async fn ail(&self, health: Health, ms: u64) {
        if self.health() != Health::Up {
            return;
        }
        self.server().health = health;
        sleep(Duration::from_millis(ms)).await;
        let mut server = self.server();
        if server.health == health {
            server.health = Health::Up;
        }
    }

    async fn store_gone(&self, ms: u64, memory: Memory) {
        if self.health() != Health::Up {
            return;
        }
        if let Memory::Older(older) = memory {
            self.server().take_dump();
            sleep(Duration::from_millis(older)).await;
            if self.health() != Health::Up {
                return;
            }
        }
        if memory != Memory::Whole {
            promises::at_loss(self);
        }
        self.server().go(memory);
        sleep(Duration::from_millis(ms)).await;
        let now = self.ms();
        let mut server = self.server();
        server.health = Health::Up;
        if memory != Memory::Whole {
            let mut journal = self.journal();
            journal.losses.push(now);
            journal.clock_spoils_order |= memory == Memory::Nothing && server.lives_again(now);
        }
    }

    /// Whether admission waits for the line to come back, as an instance knows.
    pub fn is_held(&self) -> bool {
        let now = self.store_time();
        self.slots.iter().filter_map(Slot::process).any(|process| process.room.view().snapshot.hold_until > now)
    }

    fn step(&self, ms: i64) {
        let cuts_a_hold = ms > 0 && self.is_held();
        self.journal().clock_spoils_order |= cuts_a_hold;
        self.server().step(ms);
        let presence = self.scenario.settings.presence_seconds * 1000;
        // To the store they have all been silent for so much longer.
        if ms.unsigned_abs() + presence / 4 + 26_000 > presence {
            self.journal().people.iter_mut().for_each(|person| person.strayed = true);
        }
    }

    /// The store's time now.
    pub fn store_time(&self) -> Time {
        self.server().time(self.ms())
    }
}
