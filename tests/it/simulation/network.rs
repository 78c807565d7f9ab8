//! An instance's way to the store: latency, lost calls, lost answers, repetitions, a cut; and the caller's patience.

use super::server::{Answer, Call, Health};
use super::world::World;
use async_trait::async_trait;
use gatekeeper::queue::{Arrival, Change, Finished, Newcomer, Report, Standing, Synced, Ticket, Visitor};
use gatekeeper::store::{RoomRef, Store, StoreError};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How long one call may take.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// A way to the store.
pub struct Link {
    world: Weak<World>,
    slot: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    is_bad: bool,
}

/// What the network does with one call.
struct Fate {
    request_ms: u64,
    answer_ms: u64,
    loses_call: bool,
    loses_answer: bool,
    repeats: bool,
}

impl Link {
    pub fn new(world: Weak<World>, slot: usize) -> Self {
        Self { world, slot, state: Mutex::default() }
    }

    pub fn set_cut(&self, is_cut: bool) {
        self.state.lock().unwrap().is_cut = is_cut;
    }

    pub fn is_cut(&self) -> bool {
        self.state.lock().unwrap().is_cut
    }

    pub fn set_bad(&self, is_bad: bool) {
        self.state.lock().unwrap().is_bad = is_bad;
    }

    /// Drawn for each call by itself: tokio wakes those who wait for one event in an order that it draws without us.
    fn fate(&self, world: &World, call: &Call) -> Fate {
        let State { is_cut, is_bad } = &*self.state.lock().unwrap();
        let chance = &mut world.chance(call.part().wrapping_add(world.ms() << 20).wrapping_add(self.slot as u64));
        let quick = Fate {
            request_ms: chance.within(0, 1),
            answer_ms: 0,
            loses_call: *is_cut,
            loses_answer: false,
            repeats: false,
        };
        if *is_cut || !*is_bad {
            return quick;
        }
        let slow = chance.pick(&[2, 20, 120, 400]);
        Fate {
            request_ms: chance.within(0, slow),
            answer_ms: chance.within(0, slow),
            loses_call: chance.percent(8),
            loses_answer: chance.percent(8),
            repeats: chance.percent(5),
        }
    }

    /// Runs a call at the server, as far as the network and the server let it through.
    async fn call(&self, call: Call) -> Result<Answer, StoreError> {
        let Some(world) = self.world.upgrade() else { return Err(too_late()) };
        let fate = self.fate(&world, &call);
        if fate.loses_call {
            sleep(PATIENCE).await;
            return Err(too_late());
        }
        if fate.repeats {
            let (world, call) = (Arc::clone(&world), call.clone());
            let later = Duration::from_millis(fate.request_ms + fate.answer_ms + 30);
            tokio::spawn(async move {
                sleep(later).await;
                drop(world.take(call).await);
            });
        }
        let mut request_ms = fate.request_ms;
        if request_ms + fate.answer_ms < 200 && !fate.loses_answer {
            pause(request_ms).await;
            request_ms = 0;
            if world.health() != Health::Stalled {
                let result = world.run(&call);
                pause(fate.answer_ms).await;
                return result;
            }
        }
        let way = through(Arc::clone(&world), call, request_ms, fate.answer_ms);
        // The caller may give up; the call runs all the same.
        let (answered, answer) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(result) = way.await {
                let _ = answered.send(result);
            }
        });
        let result = timeout(PATIENCE, answer).await;
        if fate.loses_answer {
            return Err(too_late());
        }
        result.ok().and_then(Result::ok).unwrap_or_else(|| Err(too_late()))
    }
}

/// There and back; `None` where no answer ever comes.
async fn through(world: Arc<World>, call: Call, request_ms: u64, answer_ms: u64) -> Option<Result<Answer, StoreError>> {
    pause(request_ms).await;
    let answer = world.take(call).await;
    pause(answer_ms).await;
    answer
}

async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

fn too_late() -> StoreError {
    StoreError::Unavailable("no answer in time".to_owned())
}

#[async_trait]
impl Store for Link {
    async fn arrive(&self, _: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        match self.call(Call::Arrive(newcomer)).await? {
            Answer::Arrival(arrival) => Ok(arrival),
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, _: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        match self.call(Call::Claim(visitor, ticket)).await? {
            Answer::Standing(standing) => Ok(standing),
            other => panic!("{other:?}"),
        }
    }

    async fn finish(&self, _: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        match self.call(Call::Finish(visitor, ticket)).await? {
            Answer::Finished(finished) => Ok(finished),
            other => panic!("{other:?}"),
        }
    }

    async fn sync(&self, _: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        let mut report = report.clone();
        // They come out of hash maps, whose order differs from run to run.
        report.heartbeats.sort_by_key(|heartbeat| (heartbeat.ticket, heartbeat.visitor));
        report.renewals.sort_by_key(|renewal| (renewal.ticket, renewal.visitor));
        report.finished.sort_unstable();
        match self.call(Call::Sync(Box::new(report))).await? {
            Answer::Synced(synced) => Ok(*synced),
            other => panic!("{other:?}"),
        }
    }

    async fn settings(&self, _: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        match self.call(Call::Settings).await? {
            Answer::Settings(version, changed) => Ok((version, changed)),
            other => panic!("{other:?}"),
        }
    }

    async fn put_settings(&self, _: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        match self.call(Call::Put(change.clone())).await? {
            Answer::Settings(version, changed) => Ok((version, changed)),
            other => panic!("{other:?}"),
        }
    }
}
