//! The store that goes on while the shared one is away, between a shared one that can be switched off and a clock that
//! the test moves: nothing sleeps.

use super::contract::START;
use async_trait::async_trait;
use gatekeeper::clock::{Clock, ManualClock};
use gatekeeper::queue::{
    AddressKey, Arrival, Change, Entry, Finished, Heartbeat, Life, Newcomer, Renewal, Report, Settings, Standing, Stay,
    Synced, Ticket, Time, Visitor,
};
use gatekeeper::store::fallback::Fallback;
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::{RoomRef, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A store that can be switched off.
struct Switched {
    store: MemoryStore,
    off: AtomicBool,
    calls: AtomicUsize,
}

impl Switched {
    fn answer(&self) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.off.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".to_owned()));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl Store for Switched {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        self.answer()?.arrive(room, newcomer).await
    }
    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        self.answer()?.claim(room, visitor, ticket).await
    }
    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        self.answer()?.finish(room, visitor, ticket).await
    }
    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        self.answer()?.sync(room, report).await
    }
    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        self.answer()?.settings(room).await
    }
    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        self.answer()?.put_settings(room, change).await
    }
}

/// Some instances before one store.
struct House {
    clock: Arc<ManualClock>,
    shared: Arc<Switched>,
    instances: Vec<Fallback>,
    settings: Settings,
}

impl House {
    fn new(instances: usize, stands_in: bool, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let shared = Arc::new(Switched { store, off: AtomicBool::new(false), calls: AtomicUsize::new(0) });
        let instance = |_| {
            let shared = Arc::clone(&shared) as Arc<dyn Store>;
            Fallback::new(shared, Arc::clone(&clock) as Arc<dyn Clock>, Duration::from_millis(250), stands_in)
        };
        Self { instances: (0..instances).map(instance).collect(), clock, shared, settings }
    }

    fn room(&self) -> RoomRef<'_> {
        RoomRef { name: "room", defaults: &self.settings }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn sync(&self, instance: usize, report: Report) -> Result<Synced, StoreError> {
        // A probe that was sent has its answer by the next sync.
        tokio::task::yield_now().await;
        self.instances[instance].sync(self.room(), &Report { instance: instance as u64 + 1, ..report }).await
    }

    /// A quarter of a second passes, in which these people are heard by that instance.
    async fn tick(&self, instance: usize, people: impl IntoIterator<Item = u64>) -> Result<Synced, StoreError> {
        let heartbeats = people.into_iter().map(beat).collect();
        self.clock.advance_ms(250);
        self.sync(instance, Report { heartbeats, ..Report::default() }).await
    }

    /// The store goes away, and every instance has noticed.
    async fn lose_store(&self) {
        self.shared.off.store(true, Ordering::SeqCst);
        for instance in (0..5).flat_map(|_| 0..self.instances.len()) {
            if instance == 0 {
                self.clock.advance_ms(250);
            }
            let lost = self.sync(instance, Report::default()).await;
            assert!(lost.is_err(), "nobody admits by itself so soon");
        }
    }

    /// The store is back, and every instance has handed in what it did.
    async fn find_store(&self) -> Synced {
        self.shared.off.store(false, Ordering::SeqCst);
        let mut last = None;
        for _ in 0..5 {
            for instance in 0..self.instances.len() {
                last = Some(self.tick(instance, []).await.unwrap());
            }
        }
        last.filter(|synced| !synced.alone).expect("the shared store answers")
    }

    async fn claim(&self, instance: usize, n: u64) -> Result<Standing, StoreError> {
        self.instances[instance].claim(self.room(), visitor(n), ticket(n)).await
    }
}

fn visitor(n: u64) -> Visitor {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&n.to_be_bytes());
    Visitor(name)
}

/// The `n`th of those who came long before the test.
fn ticket(n: u64) -> Ticket {
    Ticket(START.0 * 1000 - 1_000_000 + n)
}

fn beat(n: u64) -> Heartbeat {
    Heartbeat { visitor: visitor(n), ticket: ticket(n), late: false, first: None }
}

fn is_ready(standing: &Result<Standing, StoreError>) -> bool {
    matches!(standing, Ok(Standing::Ready(_)))
}

fn settings(limit: u64, frequency: u64) -> Settings {
    Settings { admission_limit: limit, admission_frequency: frequency, ..Settings::default() }
}

#[tokio::test]
async fn each_instance_gives_its_share_from_the_next_window_on_and_in_order() {
    let house = House::new(2, true, settings(6, 10));
    for instance in [0, 1, 0, 1] {
        house.tick(instance, []).await.unwrap();
    }
    house.lose_store().await;
    let mut given = 0;
    while house.now().plus_ms(250) < START.plus_seconds(10) {
        let synced = house.tick(0, [30, 10, 20, 50, 40]).await.unwrap();
        assert!(synced.alone);
        assert_eq!(synced.snapshot.admitted, 0, "the window in which the store was lost may be used up");
        given += 1;
    }
    assert!(given > 5);
    let synced = house.tick(0, []).await.unwrap();
    assert_eq!((synced.snapshot.admitted, synced.snapshot.waiting()), (3, 2), "half of six");
    assert!(is_ready(&house.claim(0, 10).await) && is_ready(&house.claim(0, 20).await));
    assert!(matches!(house.claim(0, 40).await, Ok(Standing::Waiting { position: 1 })));
}

#[tokio::test]
async fn what_was_given_counts_as_spent_and_the_lines_merge_in_ticket_order() {
    let house = House::new(2, true, settings(4, 1));
    for instance in [0, 1, 0, 1] {
        house.tick(instance, []).await.unwrap();
    }
    house.lose_store().await;
    house.clock.advance_ms(1000);
    // Two for each: 1 and 3 here, 2 and 4 there.
    house.tick(0, [1, 3, 5, 7]).await.unwrap();
    house.tick(1, [2, 4, 6, 8]).await.unwrap();
    let Ok(Standing::Ready(stay)) = house.claim(0, 1).await else { panic!("1 was called") };
    assert!(is_ready(&house.claim(1, 2).await));
    assert!(is_ready(&house.claim(0, 3).await));
    let finished = house.instances[0].finish(house.room(), visitor(3), ticket(3)).await;
    assert_eq!(finished, Ok(Finished::Cleared));
    // 4 did not hear it.
    let synced = house.find_store().await;
    assert!(house.now() < synced.snapshot.hold_until.plus_seconds(1), "they had a second to come back");
    let mut order = Vec::new();
    for _ in 0..12 {
        house.tick(0, []).await.unwrap();
        for n in 1..=8 {
            match house.claim((n % 2) as usize, n).await.unwrap() {
                Standing::Ready(_) if !order.contains(&n) => order.push(n),
                Standing::Ready(_) | Standing::Waiting { .. } => {}
                Standing::Spent => assert_eq!(n, 3, "finished while the store was away"),
                Standing::Unknown => panic!("{n} lost the place"),
            }
        }
    }
    assert_eq!(order, [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(house.claim(1, 1).await, Ok(Standing::Ready(stay)), "the same stay, not another one");
}

#[tokio::test]
async fn what_was_given_alone_counts_in_the_window_in_which_the_store_comes_back() {
    let house = House::new(1, true, settings(4, 60));
    house.tick(0, []).await.unwrap();
    house.lose_store().await;
    house.clock.advance_ms(60_000);
    let synced = house.tick(0, 1..=2).await.unwrap();
    assert_eq!(synced.snapshot.admitted, 2);
    assert!(is_ready(&house.claim(0, 1).await) && is_ready(&house.claim(0, 2).await));
    house.find_store().await;
    house.clock.advance_ms(1000);
    let synced = house.tick(0, 3..=8).await.unwrap();
    assert_eq!(synced.snapshot.window.used, 4);
    assert!(is_ready(&house.claim(0, 4).await));
    assert!(matches!(house.claim(0, 5).await, Ok(Standing::Waiting { .. })));
}

#[tokio::test]
async fn a_ticket_that_may_be_spent_waits_for_the_store_but_who_was_just_called_goes_first() {
    let house = House::new(1, true, settings(2, 1));
    house.tick(0, [1, 2]).await.unwrap();
    assert!(is_ready(&house.claim(0, 1).await));
    house.clock.advance_ms(20_000);
    // 11 and 12 are called, and don't hear it.
    house.tick(0, [11, 12]).await.unwrap();
    house.lose_store().await;
    house.clock.advance_ms(1000);
    for n in [1, 2] {
        assert!(house.claim(0, n).await.is_err(), "only the store knows whether {n} is spent");
    }
    house.tick(0, [1, 2, 11, 12, 21, 22]).await.unwrap();
    house.clock.advance_ms(1000);
    house.tick(0, []).await.unwrap();
    assert!(is_ready(&house.claim(0, 11).await) && is_ready(&house.claim(0, 12).await));
    assert!(!is_ready(&house.claim(0, 1).await) && !is_ready(&house.claim(0, 2).await));
    house.find_store().await;
    assert!(is_ready(&house.claim(0, 1).await), "still inside");
    assert!(is_ready(&house.claim(0, 2).await), "was called before, and hears it now");
}

#[tokio::test]
async fn the_places_inside_are_shared_too_and_those_of_people_not_seen_are_taken() {
    let house = House::new(2, true, Settings { max_active: 6, ready_ttl_seconds: 60, ..settings(100, 1) });
    for instance in [0, 1] {
        house.tick(instance, 1..=4).await.unwrap();
    }
    for n in 1..=4 {
        assert!(is_ready(&house.claim(0, n).await));
    }
    house.tick(0, []).await.unwrap();
    house.tick(1, []).await.unwrap();
    house.lose_store().await;
    house.clock.advance_ms(1000);
    // Half of six are three; half of the four inside are two.
    assert_eq!(house.tick(0, 11..=19).await.unwrap().snapshot.admitted, 1);
    let stay = Stay { since: START, until: house.now().plus_seconds(50) };
    let renewals = [1, 2].map(|n| Renewal { visitor: visitor(n), ticket: ticket(n), stay }).to_vec();
    house.clock.advance_ms(1000);
    let synced = house.sync(0, Report { renewals, ..Report::default() }).await.unwrap();
    assert_eq!((synced.snapshot.ready, synced.snapshot.admitted), (3, 1), "seen now, and counted once");
    let left = house.instances[0].finish(house.room(), visitor(1), ticket(1)).await;
    assert_eq!(left, Ok(Finished::Cleared));
    house.clock.advance_ms(1000);
    assert_eq!(house.tick(0, []).await.unwrap().snapshot.admitted, 2);
}

#[tokio::test]
async fn who_may_not_stand_in_or_never_met_the_store_admits_nobody_and_asks_it_seldom() {
    for (stands_in, met) in [(false, true), (true, false)] {
        let house = House::new(1, stands_in, settings(5, 1));
        if met {
            house.tick(0, []).await.unwrap();
        }
        house.lose_store().await;
        let before = house.shared.calls.load(Ordering::SeqCst);
        for _ in 0..40 {
            assert!(house.tick(0, [1]).await.is_err());
            assert!(house.claim(0, 1).await.is_err());
            let address = AddressKey(1);
            let newcomer = Newcomer {
                visitor: visitor(9),
                ticket: ticket(9),
                address,
                entry: Entry::Enqueue,
                until: None,
                met: Life::default(),
            };
            assert!(house.instances[0].arrive(house.room(), newcomer).await.is_err());
        }
        let calls = house.shared.calls.load(Ordering::SeqCst) - before;
        assert!((15..=21).contains(&calls), "a probe every half second, in ten seconds: {calls}");
        house.find_store().await;
        assert!(!is_ready(&house.claim(0, 1).await));
    }
}
