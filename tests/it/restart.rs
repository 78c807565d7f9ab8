//! What the embedded store promises over a restart: a killed process loses nothing that matters, and a successor goes on
//! where the process before it stopped.
//!
//! Most are told of stores in this process: one that is dropped leaves what a killed one leaves, since every verb has
//! written what it has to before it answers. `killed` and `upgraded` put that to the test with
//! the real binary.

mod killed;
mod upgraded;

use super::support::{SOON, eventually, eventually_true};
use gatekeeper::clock::{Clock, ManualClock};
use gatekeeper::queue::{
    AddressKey, Arrival, Change, Entry, Finished, HOLD_SECONDS, Heartbeat, Known, Life, Newcomer, Renewal, Report,
    Settings, Standing, Stay, Synced, Ticket, Time, Value, Visitor,
};
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::{OpenError, RoomRef, Store, StoreError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The first moment of a window, whatever its length.
const START: Time = Time(1_800_000_000_000);

/// A store in a directory, and the clock of all its processes.
struct Ground {
    directory: TempDir,
    clock: Arc<ManualClock>,
    defaults: Settings,
    store: Option<MemoryStore>,
}

fn ground(change: impl FnOnce(&mut Settings)) -> Ground {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::at(START));
    let mut defaults = Settings { ip_enqueue_limit: 1_000_000, ..Settings::default() };
    change(&mut defaults);
    let mut ground = Ground { directory, clock, defaults, store: None };
    ground.start();
    ground
}

fn visitor(n: u32) -> Visitor {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    Visitor(bytes)
}

fn ticket(n: u32) -> Ticket {
    Ticket(Ticket::at(START).0 + u64::from(n))
}

impl Ground {
    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn start(&mut self) {
        self.store = Some(self.open().unwrap());
    }

    fn open(&self) -> Result<MemoryStore, OpenError> {
        MemoryStore::open(Arc::clone(&self.clock) as Arc<dyn Clock>, self.path())
    }

    /// The process that takes over from the running one.
    fn successor(&self) -> MemoryStore {
        MemoryStore::succeed(Arc::clone(&self.clock) as Arc<dyn Clock>, self.path()).unwrap()
    }

    /// Lets the successor take over, and talks to it from now on.
    async fn upgrade(&mut self, successor: MemoryStore) {
        self.store().hand_over().unwrap();
        eventually_true(SOON, || successor.is_serving()).await;
        self.store = Some(successor);
    }

    fn journal(&self) -> PathBuf {
        self.path().join("journal")
    }

    fn restart(&mut self) {
        self.store = None;
        self.start();
    }

    fn seconds(&self, seconds: u64) {
        self.clock.advance_ms(seconds * 1000);
    }

    fn room(&self) -> RoomRef<'_> {
        RoomRef { name: "shop", defaults: &self.defaults }
    }

    fn store(&self) -> &MemoryStore {
        self.store.as_ref().unwrap()
    }

    async fn enqueue(&self, n: u32) -> Arrival {
        self.arrive(n, ticket(n), Entry::Enqueue).await
    }

    async fn walk_in(&self, n: u32) -> Arrival {
        self.arrive(n, ticket(n), Entry::WalkIn).await
    }

    async fn arrive(&self, n: u32, ticket: Ticket, entry: Entry) -> Arrival {
        let newcomer =
            Newcomer { visitor: visitor(n), ticket, address: AddressKey(1), entry, until: None, met: Life::default() };
        self.store().arrive(self.room(), newcomer).await.unwrap()
    }

    async fn claim(&self, n: u32) -> Standing {
        self.store().claim(self.room(), visitor(n), ticket(n)).await.unwrap()
    }

    async fn finish(&self, n: u32) -> Finished {
        self.store().finish(self.room(), visitor(n), ticket(n)).await.unwrap()
    }

    async fn sync(&self) -> Synced {
        self.report(Report::default()).await
    }

    async fn report(&self, report: Report) -> Synced {
        self.store().sync(self.room(), &report).await.unwrap()
    }

    /// These visitors show the tickets of their waiting tokens.
    async fn beats(&self, people: impl IntoIterator<Item = u32>) -> Synced {
        let beat = |n| Heartbeat { visitor: visitor(n), ticket: ticket(n), late: false, first: None };
        self.report(Report { heartbeats: people.into_iter().map(beat).collect(), ..Report::default() }).await
    }
}

#[tokio::test]
async fn a_ticket_whose_turn_was_used_is_spent_after_a_restart() {
    let mut ground = ground(|settings| settings.ready_ttl_seconds = 60);
    ground.enqueue(1).await;
    ground.sync().await;
    assert!(matches!(ground.claim(1).await, Standing::Ready(_)));
    ground.seconds(61);
    ground.restart();
    ground.sync().await;
    assert_eq!(ground.claim(1).await, Standing::Spent);
    ground.seconds(HOLD_SECONDS);
    assert_eq!(ground.beats([1]).await.snapshot.waiting(), 0, "a used ticket stands in line again");
    assert_eq!(ground.claim(1).await, Standing::Spent);
}

#[tokio::test]
async fn who_is_ready_stays_ready_until_the_same_moment_and_counts() {
    let mut ground = ground(|settings| settings.max_active = 2);
    let Arrival::Admitted(first) = ground.walk_in(1).await else { panic!() };
    let Arrival::Admitted(second) = ground.walk_in(2).await else { panic!() };
    ground.seconds(5);
    let longer = Stay { until: second.until.plus_seconds(30), ..second };
    let renewal = Renewal { visitor: visitor(2), ticket: ticket(2), stay: longer };
    ground.report(Report { renewals: vec![renewal], ..Report::default() }).await;
    ground.restart();
    assert_eq!(ground.claim(1).await, Standing::Ready(first));
    assert_eq!(ground.claim(2).await, Standing::Ready(longer));
    ground.seconds(HOLD_SECONDS);
    assert_eq!(ground.walk_in(3).await, Arrival::Busy);
    ground.enqueue(3).await;
    assert_eq!(ground.sync().await.snapshot.ready, 2);
    assert_eq!(ground.finish(1).await, Finished::Cleared);
    assert!(matches!(ground.claim(1).await, Standing::Spent));
    ground.sync().await;
    assert!(matches!(ground.claim(3).await, Standing::Ready(_)));
}

#[tokio::test]
async fn a_finished_turn_stays_finished_under_its_number() {
    let mut ground = ground(|_| {});
    for n in 1..=3 {
        ground.walk_in(n).await;
    }
    assert_eq!(ground.finish(2).await, Finished::Cleared);
    let handed_in = Report { finished: vec![(visitor(3), ticket(3)), (visitor(4), ticket(4))], ..Report::default() };
    let told = ground.report(handed_in).await.revocations;
    assert_eq!(told.len(), 3);
    for _ in 0..2 {
        ground.restart();
        assert_eq!(ground.sync().await.revocations, told);
        let known = Known { revoked: told[1].number, ..Known::default() };
        assert_eq!(ground.report(Report { known, ..Report::default() }).await.revocations, told[2..]);
        for n in 2..=4 {
            assert_eq!((ground.claim(n).await, ground.finish(n).await), (Standing::Spent, Finished::NotReady), "{n}");
        }
        ground.seconds(HOLD_SECONDS);
        assert_eq!(ground.beats(2..=4).await.snapshot.waiting(), 0);
    }
}

#[tokio::test]
async fn a_window_gives_no_more_than_its_limit_over_restarts() {
    let limits = |settings: &mut Settings| (settings.admission_limit, settings.admission_frequency) = (3, 3600);
    let mut ground = ground(limits);
    ground.walk_in(1).await;
    ground.enqueue(2).await;
    ground.sync().await;
    for n in 10..20 {
        ground.restart();
        ground.seconds(HOLD_SECONDS);
        ground.enqueue(n).await;
        ground.sync().await;
    }
    let window = ground.sync().await.snapshot.window;
    assert_eq!((window.used, window.left(&ground.defaults, ground.clock.now())), (3, 0));
    // The next window is a whole one again.
    ground.seconds(3600);
    assert_eq!(ground.beats(30..40).await.snapshot.waiting(), 7);
}

#[tokio::test]
async fn the_visitors_bring_the_line_back_in_its_order_before_anybody_is_admitted() {
    let mut ground = ground(|settings| settings.admission_limit = 2);
    for n in 1..=6 {
        ground.enqueue(n).await;
    }
    ground.sync().await;
    ground.claim(1).await;
    ground.restart();
    // The second was offered a turn and hadn't taken it.
    let snapshot = ground.beats([6, 4, 3]).await.snapshot;
    assert_eq!((snapshot.waiting(), snapshot.ready), (3, 1));
    ground.seconds(HOLD_SECONDS - 1);
    assert_eq!(ground.beats([5, 2]).await.snapshot.waiting(), 5);
    ground.seconds(1);
    ground.sync().await;
    for n in 2..=6 {
        let place = ground.claim(n).await;
        assert_eq!(matches!(place, Standing::Ready(_)), n <= 3, "{n}: {place:?}");
    }
}

#[tokio::test]
async fn settings_and_the_state_of_several_rooms_survive_each_for_itself() {
    let mut ground = ground(|_| {});
    let mut change = Change::default();
    change.set("admission_limit", Value::Int(7)).unwrap();
    let other = RoomRef { name: "other", defaults: &ground.defaults.clone() };
    let put = ground.store().put_settings(other, &change).await.unwrap();
    ground.walk_in(1).await;
    let newcomer = Newcomer {
        visitor: visitor(1),
        ticket: ticket(9),
        address: AddressKey(1),
        entry: Entry::WalkIn,
        until: None,
        met: Life::default(),
    };
    ground.store().arrive(other, newcomer).await.unwrap();
    ground.store().finish(other, visitor(1), ticket(9)).await.unwrap();
    ground.restart();
    assert_eq!(ground.store().settings(other).await.unwrap(), put);
    assert_eq!(ground.store().settings(ground.room()).await.unwrap(), (0, Change::default()));
    assert!(matches!(ground.claim(1).await, Standing::Ready(_)));
    assert_eq!(ground.store().claim(other, visitor(1), ticket(9)).await, Ok(Standing::Spent));
}

#[tokio::test]
async fn a_second_process_is_refused_and_disturbs_nothing() {
    let mut ground = ground(|_| {});
    ground.walk_in(1).await;
    let refused = ground.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    ground.walk_in(2).await;
    ground.restart();
    assert_eq!(ground.sync().await.snapshot.ready, 2);
}

#[tokio::test]
async fn a_damaged_journal_costs_what_is_damaged() {
    let mut ground = ground(|_| {});
    for n in 1..=9 {
        ground.walk_in(n).await;
    }
    ground.store = None;
    let text = fs::read_to_string(ground.journal()).unwrap();
    let hit = text.lines().position(|line| line.contains(" s shop 00000005")).unwrap();
    let lines: Vec<&str> =
        text.lines().enumerate().map(|(n, line)| if n == hit { "\u{0}\u{0}garbage" } else { line }).collect();
    fs::write(ground.journal(), lines.join("\n") + "\ntorn").unwrap();
    ground.start();
    for n in 1..=9 {
        assert_eq!(matches!(ground.claim(n).await, Standing::Ready(_)), n != 5, "{n}");
    }
    ground.seconds(HOLD_SECONDS);
    ground.walk_in(10).await;
    ground.restart();
    assert_eq!(ground.sync().await.snapshot.ready, 9);
    let text = fs::read_to_string(ground.journal()).unwrap();
    assert!(!text.contains("garbage") && !text.contains("torn"), "the journal was not written anew");
}

#[tokio::test]
async fn settings_that_could_not_be_written_are_written_later() {
    let mut ground = ground(|_| {});
    let in_the_way = ground.path().join("rooms.new");
    fs::create_dir(&in_the_way).unwrap();
    let mut change = Change::default();
    change.set("admission_limit", Value::Int(7)).unwrap();
    let put = ground.store().put_settings(ground.room(), &change).await.unwrap();
    ground.walk_in(1).await;
    assert!(!ground.path().join("rooms.json").exists());
    fs::remove_dir(&in_the_way).unwrap();
    eventually_true(SOON, || ground.path().join("rooms.json").exists()).await;
    ground.restart();
    assert_eq!(ground.store().settings(ground.room()).await.unwrap(), put);
    assert!(matches!(ground.claim(1).await, Standing::Ready(_)));
}

/// A room with a bit of everything: ready, finished, offered, missed once, in line, late, absent.
async fn lively() -> Ground {
    let ground = ground(|settings| {
        (settings.admission_limit, settings.presence_seconds) = (4, 30);
    });
    for n in 1..=12 {
        ground.enqueue(n).await;
    }
    ground.sync().await;
    ground.claim(1).await;
    ground.claim(2).await;
    ground.finish(2).await;
    // The third and the fourth don't take their turns; the next ones do or are offered one.
    ground.seconds(29);
    ground.beats(5..=12).await;
    ground.seconds(2);
    ground.beats([3]).await;
    ground.claim(5).await;
    let late = Heartbeat { visitor: visitor(20), ticket: ticket(20), late: true, first: Some(AddressKey(7)) };
    ground.report(Report { instance: 9, heartbeats: vec![late], ..Report::default() }).await;
    ground
}

#[tokio::test]
async fn a_successor_goes_on_as_if_nothing_had_happened() {
    let (mut upgraded, control) = (lively().await, lively().await);
    let successor = upgraded.successor();
    let newcomer = Newcomer {
        visitor: visitor(99),
        ticket: ticket(99),
        address: AddressKey(1),
        entry: Entry::Enqueue,
        until: None,
        met: Life::default(),
    };
    let early = successor.arrive(upgraded.room(), newcomer).await;
    assert!(matches!(early, Err(StoreError::Unavailable(_))), "{early:?}");
    let before = upgraded.store.take().unwrap();
    before.hand_over().unwrap();
    eventually_true(SOON, || successor.is_serving()).await;
    let late = before.claim(upgraded.room(), visitor(5), ticket(5)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(before.hand_over().is_err());
    upgraded.store = Some(successor);
    let report = || Report { instance: 9, ..Report::default() };
    for step in 0..30 {
        let mine = upgraded.report(report()).await;
        assert_eq!(mine, control.report(report()).await, "step {step}");
        let n = 1 + step % 21;
        assert_eq!(upgraded.claim(n).await, control.claim(n).await, "step {step}: claim {n}");
        assert_eq!(upgraded.enqueue(n).await, control.enqueue(n).await, "step {step}: enqueue {n}");
        for ground in [&upgraded, &control] {
            ground.seconds(u64::from(step % 7));
        }
    }
}

#[tokio::test]
async fn a_hand_over_that_nobody_took_up_is_a_restart() {
    let mut ground = lively().await;
    let before = ground.sync().await.snapshot;
    ground.store().hand_over().unwrap();
    // At once, it is as good as a successor; after a while nobody knows who is still there.
    ground.restart();
    let at_once = ground.sync().await.snapshot;
    assert_eq!((at_once.epoch, at_once.seq), (before.epoch, before.seq + 1));
    assert_eq!((at_once.waiting(), at_once.hold_until), (before.waiting(), before.hold_until));
    ground.store().hand_over().unwrap();
    ground.seconds(HOLD_SECONDS);
    ground.restart();
    let later = ground.sync().await.snapshot;
    assert_eq!(later.hold_until, ground.clock.now().plus_seconds(HOLD_SECONDS));
    assert_eq!(ground.claim(2).await, Standing::Spent);
}

#[tokio::test]
async fn a_successor_that_was_killed_leaves_a_plain_restart() {
    let mut ground = lively().await;
    let successor = ground.successor();
    ground.upgrade(successor).await;
    assert!(matches!(ground.claim(1).await, Standing::Ready(_)));
    ground.finish(1).await;
    ground.restart();
    let snapshot = ground.sync().await.snapshot;
    assert_eq!((snapshot.waiting(), snapshot.hold_until), (0, ground.clock.now().plus_seconds(HOLD_SECONDS)));
    for n in 1..=2 {
        assert_eq!(ground.claim(n).await, Standing::Spent, "{n}");
    }
    assert!(matches!(ground.claim(5).await, Standing::Ready(_)));
}

#[tokio::test]
async fn a_hand_over_that_the_disk_refuses_changes_nothing() {
    let ground = lively().await;
    let before = ground.sync().await.snapshot;
    let in_the_way = ground.path().join("journal.new");
    // The first one is still being written, maybe.
    eventually_true(SOON, || fs::create_dir(&in_the_way).is_ok()).await;
    assert!(ground.store().hand_over().is_err());
    let after = ground.sync().await.snapshot;
    assert_eq!((after.waiting(), after.ready, after.seq), (before.waiting(), before.ready, before.seq + 1));
    fs::remove_dir(&in_the_way).unwrap();
    ground.store().hand_over().unwrap();
}

#[tokio::test]
async fn rooms_are_taken_back_with_what_a_successor_did_meanwhile() {
    let mut ground = lively().await;
    let before = ground.sync().await.snapshot;
    let first = ground.store.take().unwrap();
    first.hand_over().unwrap();
    first.take_back().unwrap();
    eventually_true(SOON, || first.is_serving()).await;
    ground.store = Some(first);
    let back = ground.sync().await.snapshot;
    assert_eq!((back.epoch, back.waiting(), back.hold_until), (before.epoch, before.waiting(), before.hold_until));
    // Another time the successor comes, does something, and dies.
    let successor = ground.successor();
    let first = ground.store.take().unwrap();
    first.hand_over().unwrap();
    eventually_true(SOON, || successor.is_serving()).await;
    ground.store = Some(successor);
    ground.finish(1).await;
    first.take_back().unwrap();
    assert!(!first.is_serving());
    ground.store = None;
    eventually_true(SOON, || first.is_serving()).await;
    ground.store = Some(first);
    assert_eq!(ground.claim(1).await, Standing::Spent);
}

#[tokio::test]
async fn a_finish_after_the_hand_over_is_done_by_the_successor() {
    let mut ground = lively().await;
    let successor = ground.successor();
    let before = ground.store.take().unwrap();
    before.hand_over().unwrap();
    eventually_true(SOON, || successor.is_serving()).await;
    ground.store = Some(successor);
    // One who is inside, one in line, one who is neither.
    for n in [1, 20, 77] {
        let told = before.finish(ground.room(), visitor(n), ticket(n)).await;
        assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
    }
    eventually(SOON, async || (ground.claim(1).await == Standing::Spent).then_some(())).await;
    assert!(matches!(ground.claim(20).await, Standing::Waiting { .. }));
    assert_eq!(ground.claim(77).await, Standing::Unknown);
    assert_eq!(ground.sync().await.revocations.iter().filter(|each| each.visitor == visitor(1)).count(), 1);
}

#[tokio::test]
async fn without_a_directory_nothing_is_handed_over() {
    let store = MemoryStore::new(Arc::new(ManualClock::at(START)));
    assert!(store.hand_over().is_err() && store.is_serving());
}
