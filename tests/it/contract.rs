//! Every promise of `Store`, each a function whose name is the promise, kept by every store.
//!
//! To add a promise: a function here, its name in [`PROMISES`]. To add a store: a test at the bottom. Each promise gets a
//! room of its own and a clock that it moves itself, so nothing sleeps.

use super::support::redis::Redis;
use super::support::redis_groups::{RedisCluster, RedisSentinel};
use gatekeeper::clock::{Clock, ManualClock};
use gatekeeper::queue::{
    AddressKey, Alone, Arrival, Change, Entry, Finished, Heartbeat, Known, Life, Newcomer, Renewal, Report, Settings,
    Snapshot, Standing, Stay, Synced, Ticket, Time, Value, Visitor, Window,
};
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::redis::{RedisStore, Target};
use gatekeeper::store::{RoomRef, Store};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// When every promise begins: the first moment of a window, whatever its length.
pub const START: Time = Time(1_800_000_000_000);
/// Generous: these tests are about promises, not about speed.
pub const PATIENCE: Duration = Duration::from_secs(5);

type Promise = for<'a> fn(&'a Ground) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

macro_rules! promises {
    ($($name:ident,)*) => { const PROMISES: &[(&str, Promise)] = &[$((stringify!($name), |ground| Box::pin($name(ground)))),*]; };
}

promises! {
    a_newcomer_stands_in_line_and_hears_the_place,
    a_repeated_arrival_gets_the_first_answer_again,
    who_waits_or_is_ready_gets_no_second_place,
    the_lowest_ticket_goes_first_whatever_the_order_of_arrival,
    equal_tickets_are_ordered_by_visitor,
    a_window_gives_no_more_than_its_limit_and_loses_what_is_left,
    who_walks_in_takes_a_turn_of_the_window_or_nothing,
    an_address_enters_only_so_often_per_interval,
    the_ready_time_begins_with_the_claim_and_is_claimed_once,
    a_turn_that_nobody_takes_is_offered_once_more_and_then_spent,
    of_many_finishes_one_clears,
    finished_turns_are_told_once_oldest_first,
    who_was_not_heard_from_leaves_and_returns_to_the_same_place,
    a_claim_is_a_sign_of_life,
    who_was_away_gets_half_of_a_window_while_others_wait,
    no_more_are_ready_than_max_active,
    a_paused_room_keeps_its_line_and_a_closed_one_takes_nobody,
    a_changed_setting_holds_at_once_and_is_told_once,
    a_lost_memory_holds_admission_once,
    a_store_that_is_behind_begins_a_new_epoch,
    a_store_that_lost_one_sync_of_an_instance_is_behind,
    a_store_that_is_back_in_a_former_life_begins_a_new_one,
    a_room_in_which_nobody_waited_is_not_held,
    a_lost_memory_does_not_give_the_window_twice,
    settings_that_were_forgotten_are_restored_under_newer_ones,
    settings_of_an_older_copy_give_way_to_what_an_instance_knows,
    what_an_instance_gave_by_itself_counts_in_the_window,
    a_line_that_nobody_heard_of_for_long_is_awaited,
    a_call_that_runs_late_admits_nobody,
    a_stay_that_the_store_forgot_is_taken_from_the_instance,
    a_stay_that_is_over_for_one_instance_goes_on_where_another_extended_it,
    of_two_stays_of_one_visitor_the_later_counts,
    of_a_stay_and_an_offer_the_newer_ticket_counts,
    a_newer_place_is_called_though_an_old_stay_was_never_ended,
    an_arrival_at_a_store_that_is_behind_gets_no_turn,
    a_stay_never_lasts_longer_than_its_maximum,
    a_finish_handed_in_later_ends_the_turn,
    a_spent_ticket_does_not_return_to_the_line,
    instances_are_counted_for_ten_seconds,
    rooms_do_not_touch_each_other,
    places_are_exact_in_front_and_sampled_behind,
    a_brief_report_is_taken_whole_and_tells_only_how_long_the_line_is,
    a_long_absence_of_many_is_dealt_with_in_bounded_steps,
}

/// One store, one room, one clock.
struct Ground {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    room: &'static str,
    defaults: Settings,
}

impl Ground {
    fn room(&self) -> RoomRef<'_> {
        RoomRef { name: self.room, defaults: &self.defaults }
    }

    fn seconds(&self, seconds: u64) {
        self.clock.advance_ms(seconds * 1000);
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn arrive(&self, name: u32, ticket: u64, entry: Entry) -> Arrival {
        let address = AddressKey(u64::MAX);
        let newcomer =
            Newcomer { visitor: visitor(name), ticket: at(ticket), address, entry, until: None, met: Life::default() };
        self.store.arrive(self.room(), newcomer).await.unwrap()
    }

    async fn enqueue(&self, name: u32, ticket: u64) -> Arrival {
        self.arrive(name, ticket, Entry::Enqueue).await
    }

    async fn walk_in(&self, name: u32, ticket: u64) -> Arrival {
        self.arrive(name, ticket, Entry::WalkIn).await
    }

    async fn claim(&self, name: u32, ticket: u64) -> Standing {
        self.store.claim(self.room(), visitor(name), at(ticket)).await.unwrap()
    }

    async fn finish(&self, name: u32, ticket: u64) -> Finished {
        self.store.finish(self.room(), visitor(name), at(ticket)).await.unwrap()
    }

    async fn report(&self, report: Report) -> Synced {
        self.store.sync(self.room(), &report).await.unwrap()
    }

    /// A sync with nothing to report.
    async fn sync(&self) -> Snapshot {
        self.report(Report::default()).await.snapshot
    }

    async fn know(&self, known: Known) -> Synced {
        self.report(Report { known, ..Report::default() }).await
    }

    async fn heartbeat(&self, name: u32, ticket: u64, late: bool) -> Synced {
        let heartbeat = Heartbeat { visitor: visitor(name), ticket: at(ticket), late, first: None };
        self.report(Report { heartbeats: vec![heartbeat], ..Report::default() }).await
    }

    async fn renew(&self, name: u32, ticket: u64, stay: Stay) -> Synced {
        let renewal = Renewal { visitor: visitor(name), ticket: at(ticket), stay };
        self.report(Report { renewals: vec![renewal], ..Report::default() }).await
    }

    async fn set(&self, name: &str, value: Value) -> u64 {
        let mut change = Change::default();
        change.set(name, value).unwrap();
        self.store.put_settings(self.room(), &change).await.unwrap().0
    }

    async fn set_number(&self, name: &str, number: u64) {
        self.set(name, Value::Int(number)).await;
    }

    /// Nobody is admitted until [`Self::open`].
    async fn pause(&self) {
        self.set("mode", Value::Text("pause".into())).await;
    }

    async fn open(&self) {
        self.set("mode", Value::Text("auto".into())).await;
    }
}

fn visitor(name: u32) -> Visitor {
    let mut bytes = [0xF0; 16];
    bytes[..4].copy_from_slice(&name.to_be_bytes());
    Visitor(bytes)
}

/// The ticket of the `n`th microsecond.
fn at(n: u64) -> Ticket {
    Ticket(START.0 * 1000 + n)
}

fn is_ready(standing: Standing) -> bool {
    matches!(standing, Standing::Ready(_))
}

async fn a_newcomer_stands_in_line_and_hears_the_place(ground: &Ground) {
    ground.pause().await;
    assert_eq!(ground.enqueue(1, 10).await, Arrival::Entered { position: 1 });
    assert_eq!(ground.enqueue(2, 20).await, Arrival::Entered { position: 2 });
    assert_eq!(ground.enqueue(3, 15).await, Arrival::Entered { position: 2 });
    assert_eq!(ground.claim(2, 20).await, Standing::Waiting { position: 3 });
    assert_eq!(ground.claim(4, 5).await, Standing::Unknown);
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.line.head, snapshot.late.len), (vec![at(10), at(15), at(20)], 0));
}

async fn a_repeated_arrival_gets_the_first_answer_again(ground: &Ground) {
    ground.pause().await;
    assert_eq!(ground.enqueue(1, 10).await, Arrival::Entered { position: 1 });
    assert_eq!(ground.enqueue(1, 10).await, Arrival::Entered { position: 1 });
    ground.open().await;
    ground.sync().await;
    assert_eq!(ground.enqueue(1, 10).await, Arrival::Entered { position: 1 }, "a turn is offered, not taken");
    let stay = ground.walk_in(2, 20).await;
    assert!(matches!(stay, Arrival::Admitted(_)));
    ground.seconds(3);
    assert_eq!(ground.walk_in(2, 20).await, stay);
}

async fn who_waits_or_is_ready_gets_no_second_place(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 10).await;
    assert_eq!(ground.enqueue(1, 20).await, Arrival::AlreadyWaiting { position: 1 });
    ground.open().await;
    ground.sync().await;
    assert_eq!(ground.enqueue(1, 30).await, Arrival::AlreadyReady);
    assert!(is_ready(ground.claim(1, 10).await));
    assert_eq!(ground.enqueue(1, 10).await, Arrival::AlreadyReady);
}

async fn the_lowest_ticket_goes_first_whatever_the_order_of_arrival(ground: &Ground) {
    ground.pause().await;
    for n in [5, 3, 9, 1, 7] {
        ground.enqueue(n, u64::from(n)).await;
    }
    ground.set_number("admission_limit", 3).await;
    ground.open().await;
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.ready, snapshot.watermark, snapshot.line.head), (3, at(5), vec![at(7), at(9)]));
    for (n, ready) in [(1, true), (3, true), (5, true), (7, false), (9, false)] {
        assert_eq!(is_ready(ground.claim(n, u64::from(n)).await), ready, "{n}");
    }
}

async fn equal_tickets_are_ordered_by_visitor(ground: &Ground) {
    ground.pause().await;
    // Bytes above 0x7F, and both parts of the line: no locale, no sign may decide.
    for name in [0x8000_0000, 0x7F00_0000, 0x0041_0000, 0x0061_0000] {
        ground.enqueue(name, 10).await;
    }
    ground.heartbeat(0x0050_0000, 10, true).await;
    ground.set_number("admission_limit", 3).await;
    ground.open().await;
    ground.sync().await;
    for (name, ready) in
        [(0x0041_0000, true), (0x0050_0000, true), (0x0061_0000, true), (0x7F00_0000, false), (0x8000_0000, false)]
    {
        assert_eq!(is_ready(ground.claim(name, 10).await), ready, "{name:x}");
    }
}

async fn a_window_gives_no_more_than_its_limit_and_loses_what_is_left(ground: &Ground) {
    ground.set_number("admission_limit", 2).await;
    ground.seconds(100);
    for n in 0..5 {
        ground.enqueue(n, u64::from(n)).await;
    }
    let ready = async || ground.sync().await.ready;
    assert_eq!(ready().await, 2);
    ground.clock.advance_ms(4999);
    assert_eq!(ready().await, 2);
    ground.clock.advance_ms(1);
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.ready, snapshot.admitted, snapshot.window.used), (4, 4, 2));
    assert_eq!(snapshot.window.last, ground.now());
}

async fn who_walks_in_takes_a_turn_of_the_window_or_nothing(ground: &Ground) {
    ground.set_number("admission_limit", 2).await;
    let stay = Stay { since: START, until: START.plus_seconds(600) };
    assert_eq!(ground.walk_in(1, 1).await, Arrival::Admitted(stay));
    assert!(matches!(ground.walk_in(2, 2).await, Arrival::Admitted(_)));
    assert_eq!(ground.walk_in(3, 3).await, Arrival::Busy);
    ground.enqueue(4, 4).await;
    ground.clock.advance_ms(4999);
    assert_eq!(ground.walk_in(3, 3).await, Arrival::Busy);
    ground.clock.advance_ms(1);
    assert_eq!(ground.walk_in(3, 3).await, Arrival::Busy, "somebody waits");
    assert_eq!(ground.sync().await.ready, 3);
    assert!(matches!(ground.walk_in(3, 3).await, Arrival::Admitted(_)));
}

async fn an_address_enters_only_so_often_per_interval(ground: &Ground) {
    ground.pause().await;
    ground.set_number("ip_enqueue_limit", 2).await;
    ground.seconds(50);
    ground.enqueue(1, 1).await;
    let first = |name, address| Heartbeat {
        visitor: visitor(name),
        ticket: at(u64::from(name)),
        late: false,
        first: Some(AddressKey(address)),
    };
    let heartbeats = vec![first(2, u64::MAX), first(3, u64::MAX), first(4, 7), first(2, u64::MAX)];
    let synced = ground.report(Report { heartbeats, ..Report::default() }).await;
    assert_eq!(synced.limited, vec![(visitor(3), at(3))]);
    assert_eq!(synced.snapshot.line.len, 3);
    assert_eq!(ground.enqueue(5, 5).await, Arrival::Limited { retry_after: 10 });
    assert_eq!(ground.enqueue(1, 1).await, Arrival::Entered { position: 1 }, "who is in line isn't counted again");
    ground.seconds(10);
    assert_eq!(ground.enqueue(5, 5).await, Arrival::Entered { position: 4 });
}

async fn the_ready_time_begins_with_the_claim_and_is_claimed_once(ground: &Ground) {
    ground.enqueue(1, 1).await;
    ground.seconds(60);
    let stay = Stay { since: ground.now(), until: ground.now().plus_seconds(600) };
    assert_eq!(ground.claim(1, 1).await, Standing::Ready(stay));
    ground.seconds(599);
    assert_eq!(ground.claim(1, 1).await, Standing::Ready(stay));
    ground.seconds(1);
    assert_eq!(ground.claim(1, 1).await, Standing::Spent);
    assert_eq!(ground.claim(1, 2).await, Standing::Unknown);
    assert_eq!(ground.sync().await.ready, 0);
}

async fn a_turn_that_nobody_takes_is_offered_once_more_and_then_spent(ground: &Ground) {
    ground.enqueue(1, 1).await;
    assert_eq!(ground.sync().await.ready, 1);
    ground.seconds(120);
    assert_eq!(ground.sync().await.ready, 0);
    assert_eq!(ground.claim(1, 1).await, Standing::Unknown);
    assert_eq!(ground.heartbeat(1, 1, true).await.snapshot.ready, 1);
    ground.seconds(120);
    assert_eq!(ground.sync().await.ready, 0);
    assert_eq!(ground.claim(1, 1).await, Standing::Spent);
    assert_eq!(ground.heartbeat(1, 1, true).await.snapshot.waiting(), 0);
}

async fn of_many_finishes_one_clears(ground: &Ground) {
    ground.walk_in(1, 1).await;
    assert_eq!(ground.finish(1, 2).await, Finished::NotReady);
    let mut finishing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, room, defaults) = (Arc::clone(&ground.store), ground.room, ground.defaults.clone());
        finishing.spawn(async move {
            store.finish(RoomRef { name: room, defaults: &defaults }, visitor(1), at(1)).await.unwrap()
        });
    }
    let answers = finishing.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Finished::Cleared).count(), 1);
    assert_eq!(ground.claim(1, 1).await, Standing::Spent);
}

async fn finished_turns_are_told_once_oldest_first(ground: &Ground) {
    for n in 1..=3 {
        ground.walk_in(n, u64::from(n)).await;
    }
    for n in [2, 1] {
        ground.finish(n, u64::from(n)).await;
    }
    let news = ground.know(Known::default()).await.revocations;
    assert_eq!(news.iter().map(|each| each.visitor).collect::<Vec<_>>(), [visitor(2), visitor(1)]);
    let known = Known { revoked: news[1].number, ..Known::default() };
    assert_eq!(ground.know(known).await.revocations, []);
    ground.finish(3, 3).await;
    let news = ground.know(known).await.revocations;
    assert_eq!(news.iter().map(|each| (each.visitor, each.ticket)).collect::<Vec<_>>(), [(visitor(3), at(3))]);
}

async fn who_was_not_heard_from_leaves_and_returns_to_the_same_place(ground: &Ground) {
    ground.pause().await;
    for n in 1..=3 {
        ground.enqueue(n, u64::from(n)).await;
    }
    ground.seconds(60);
    for n in 2..=3 {
        ground.heartbeat(n, u64::from(n), false).await;
    }
    ground.seconds(61);
    assert_eq!(ground.sync().await.line.head, [at(2), at(3)]);
    ground.heartbeat(1, 1, true).await;
    assert_eq!(ground.claim(1, 1).await, Standing::Waiting { position: 1 });
    assert_eq!(ground.claim(3, 3).await, Standing::Waiting { position: 3 });
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.line.len, snapshot.late.head), (2, vec![at(1)]));
}

async fn a_claim_is_a_sign_of_life(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 1).await;
    for _ in 0..4 {
        ground.seconds(110);
        assert_eq!(ground.claim(1, 1).await, Standing::Waiting { position: 1 });
        assert_eq!(ground.sync().await.line.len, 1);
    }
}

async fn who_was_away_gets_half_of_a_window_while_others_wait(ground: &Ground) {
    ground.pause().await;
    ground.set_number("admission_limit", 4).await;
    for n in 1..=6 {
        ground.heartbeat(n, u64::from(n), n <= 4).await;
    }
    ground.open().await;
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.late.head, snapshot.line.len), (vec![at(3), at(4)], 0));
    assert_eq!(
        (snapshot.window.used, snapshot.window.late),
        (4, false),
        "turns alternate, the last went to who had stayed"
    );
    ground.seconds(5);
    assert_eq!(ground.sync().await.waiting(), 0, "where nobody else waits, all of it is theirs");
}

async fn no_more_are_ready_than_max_active(ground: &Ground) {
    ground.set_number("max_active", 2).await;
    for n in 1..=4 {
        ground.enqueue(n, u64::from(n)).await;
    }
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.ready, snapshot.line.len), (2, 2));
    assert_eq!(ground.walk_in(9, 9).await, Arrival::Busy);
    ground.claim(1, 1).await;
    assert_eq!(ground.finish(1, 1).await, Finished::Cleared);
    let snapshot = ground.sync().await;
    assert_eq!((snapshot.ready, snapshot.line.len, snapshot.admitted), (2, 1, 3));
}

async fn a_paused_room_keeps_its_line_and_a_closed_one_takes_nobody(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 1).await;
    assert_eq!(ground.walk_in(2, 2).await, Arrival::Busy);
    ground.set("mode", Value::Text("closed".into())).await;
    assert_eq!(ground.enqueue(2, 2).await, Arrival::Closed);
    let first = Heartbeat { visitor: visitor(3), ticket: at(3), late: false, first: Some(AddressKey(1)) };
    let synced = ground.report(Report { heartbeats: vec![first], ..Report::default() }).await;
    assert_eq!((synced.snapshot.waiting(), synced.limited.len()), (1, 0));
    ground.open().await;
    assert_eq!(ground.sync().await.ready, 1);
}

async fn a_changed_setting_holds_at_once_and_is_told_once(ground: &Ground) {
    assert_eq!(ground.store.settings(ground.room()).await.unwrap(), (0, Change::default()));
    ground.pause().await;
    let message = "Gleich geht's los: »warten«\n\u{1F39F} 100 %".to_owned();
    let set = ground.set("message", Value::Text(message.clone())).await;
    let (version, changed) = ground.store.settings(ground.room()).await.unwrap();
    let mut expected = Change::default();
    expected.set("mode", Value::Text("pause".into())).unwrap();
    expected.set("message", Value::Text(message)).unwrap();
    assert_eq!((version, &changed), (set, &expected));
    assert_eq!(ground.know(Known::default()).await.settings, Some((set, expected)));
    assert_eq!(ground.know(Known { settings: set, ..Known::default() }).await.settings, None);
    ground.enqueue(1, 1).await;
    assert_eq!(ground.sync().await.ready, 0);
}

async fn a_lost_memory_holds_admission_once(ground: &Ground) {
    let before = Known { epoch: 77, seq: 500, watermark: at(40), busy: true, ..Known::default() };
    let snapshot = ground.know(before).await.snapshot;
    assert_eq!((snapshot.hold_until, snapshot.watermark), (START.plus_seconds(24), at(40)));
    assert_eq!(ground.enqueue(1, 50).await, Arrival::Entered { position: 1 });
    assert_eq!(ground.walk_in(2, 60).await, Arrival::Busy);
    ground.clock.advance_ms(23_999);
    let snapshot = ground.know(before).await.snapshot;
    assert_eq!((snapshot.hold_until, snapshot.ready), (START.plus_seconds(24), 0), "held once, not again");
    ground.clock.advance_ms(1);
    assert_eq!(ground.sync().await.ready, 1);
}

async fn a_store_that_is_behind_begins_a_new_epoch(ground: &Ground) {
    let first = ground.sync().await;
    let second = ground.know(Known { epoch: first.epoch, seq: first.seq, ..Known::default() }).await.snapshot;
    assert_eq!((second.epoch, second.seq, second.hold_until), (first.epoch, first.seq + 1, Time(0)));
    let ahead = Known { epoch: first.epoch, seq: second.seq + 5, busy: true, ..Known::default() };
    let third = ground.know(ahead).await.snapshot;
    assert_ne!(third.epoch, first.epoch);
    assert_eq!((third.seq, third.hold_until), (second.seq + 6, START.plus_seconds(24)));
}

async fn a_store_that_lost_one_sync_of_an_instance_is_behind(ground: &Ground) {
    let sync = async |instance, known| ground.report(Report { instance, known, ..Report::default() }).await.snapshot;
    let known = |snapshot: &Snapshot| Known { epoch: snapshot.epoch, seq: snapshot.seq, ..Known::default() };
    let first = sync(1, Known::default()).await;
    let other = sync(2, Known::default()).await;
    let again = sync(1, known(&first)).await;
    assert_eq!((sync(1, known(&first)).await.epoch, again.epoch), (first.epoch, first.epoch), "an answer was lost");
    // The second instance had one more sync than this store remembers; all together had fewer.
    let ahead = Known { seq: other.seq + 1, busy: true, ..known(&other) };
    let found = sync(2, ahead).await;
    assert!(found.epoch > first.epoch && found.hold_until == START.plus_seconds(24));
    assert_eq!(sync(1, known(&again)).await.epoch, found.epoch, "found out once");
}

async fn a_store_that_is_back_in_a_former_life_begins_a_new_one(ground: &Ground) {
    // The life that came back had a hold of its own, that is over.
    let before = Known { epoch: 77, busy: true, ..Known::default() };
    let held = ground.know(before).await.snapshot;
    assert_eq!(held.hold_until, START.plus_seconds(24));
    ground.seconds(100);
    let later = Known { epoch: held.epoch + 5, seq: 3, busy: true, ..Known::default() };
    let found = ground.know(later).await.snapshot;
    assert!(found.epoch > later.epoch);
    assert_eq!(found.hold_until, START.plus_seconds(124));
    assert_eq!(ground.know(later).await.snapshot.epoch, found.epoch);
}

async fn a_room_in_which_nobody_waited_is_not_held(ground: &Ground) {
    let before = Known { epoch: 77, seq: 500, watermark: at(40), ..Known::default() };
    assert_eq!(ground.know(before).await.snapshot.hold_until, Time(0));
    assert!(matches!(ground.walk_in(1, 60).await, Arrival::Admitted(_)));
}

async fn a_lost_memory_does_not_give_the_window_twice(ground: &Ground) {
    ground.set_number("admission_frequency", 60).await;
    ground.set_number("admission_limit", 3).await;
    ground.seconds(1);
    let window = Window { last: START, used: 2, late: false };
    let before = Known { epoch: 77, window, ..Known::default() };
    for _ in 0..2 {
        assert_eq!(ground.know(before).await.snapshot.window, window, "taken over, not added");
    }
    assert!(matches!(ground.walk_in(1, 1).await, Arrival::Admitted(_)));
    assert_eq!(ground.walk_in(2, 2).await, Arrival::Busy);
    ground.seconds(59);
    ground.know(Known { epoch: 78, window: Window { used: 3, ..window }, ..Known::default() }).await;
    assert!(matches!(ground.walk_in(2, 2).await, Arrival::Admitted(_)), "that window is over");
}

async fn settings_that_were_forgotten_are_restored_under_newer_ones(ground: &Ground) {
    let set = ground.set("admission_limit", Value::Int(3)).await;
    assert!(set >= START.0, "a version is a moment, so that those of two lives can be compared");
    let mut old = Change::default();
    old.set("admission_limit", Value::Int(7)).unwrap();
    old.set("presence_seconds", Value::Int(60)).unwrap();
    let mut both = old.clone();
    both.set("admission_limit", Value::Int(3)).unwrap();
    let restore = |version| Report { settings: Some((version, old.clone())), ..Report::default() };
    for _ in 0..2 {
        assert_eq!(ground.report(restore(5)).await.settings, Some((set + 1, both.clone())));
    }
    ground.enqueue(1, 1).await;
    ground.pause().await;
    ground.enqueue(2, 2).await;
    ground.seconds(61);
    assert_eq!(ground.sync().await.waiting(), 0, "the presence of 60 s holds");
}

async fn settings_of_an_older_copy_give_way_to_what_an_instance_knows(ground: &Ground) {
    let set = ground.set("admission_limit", Value::Int(3)).await;
    let mut known = Change::default();
    known.set("admission_limit", Value::Int(7)).unwrap();
    let restore = || Report { settings: Some((set + 10, known.clone())), ..Report::default() };
    for _ in 0..2 {
        assert_eq!(ground.report(restore()).await.settings, Some((set + 11, known.clone())));
    }
    assert!(ground.set("admission_limit", Value::Int(4)).await > set + 11);
    let settings = ground.report(restore()).await.settings.unwrap().1;
    assert_eq!(settings.iter().next().unwrap().1, &Value::Int(4), "what was set since is newer");
}

async fn what_an_instance_gave_by_itself_counts_in_the_window(ground: &Ground) {
    ground.set_number("admission_frequency", 10).await;
    ground.set_number("admission_limit", 5).await;
    ground.seconds(1);
    ground.walk_in(1, 1).await;
    ground.seconds(1);
    let given = |ms, used| Window { last: START.plus_ms(ms), used, late: false };
    let alone = |window| Report { alone: Some(Alone { long: false, window }), ..Report::default() };
    let snapshot = ground.report(alone(given(1500, 3))).await.snapshot;
    assert_eq!(snapshot.window, given(1500, 4));
    assert_eq!(snapshot.hold_until, START.plus_ms(3000), "the others have a second to come back");
    assert_eq!(ground.walk_in(2, 2).await, Arrival::Busy);
    ground.seconds(1);
    assert!(matches!(ground.walk_in(2, 2).await, Arrival::Admitted(_)));
    assert_eq!(ground.walk_in(3, 3).await, Arrival::Busy);
    ground.seconds(8);
    let snapshot = ground.report(alone(given(9_999, 4))).await.snapshot;
    assert_eq!(snapshot.window.used, 0, "what was given in the window before doesn't count");
}

async fn a_line_that_nobody_heard_of_for_long_is_awaited(ground: &Ground) {
    let back = |instance, long| Report {
        instance,
        alone: Some(Alone { long, window: Window::default() }),
        ..Report::default()
    };
    let settled = |snapshot: &Snapshot| snapshot.taken.plus_ms(1000) == snapshot.hold_until;
    let snapshot = ground.report(back(1, true)).await.snapshot;
    assert!(settled(&snapshot), "nobody waits: {snapshot:?}");
    ground.pause().await;
    ground.enqueue(1, 1).await;
    let snapshot = ground.report(back(2, true)).await.snapshot;
    assert!(settled(&snapshot), "another instance kept in touch: {snapshot:?}");
    ground.seconds(40);
    let snapshot = ground.report(back(2, false)).await.snapshot;
    assert!(settled(&snapshot), "not for long: {snapshot:?}");
    ground.seconds(40);
    let snapshot = ground.report(back(1, true)).await.snapshot;
    let whole = ground.now().plus_seconds(24);
    assert_eq!(snapshot.hold_until, whole);
    ground.seconds(1);
    assert_eq!(ground.report(back(2, true)).await.snapshot.hold_until, whole, "once for all of them");
}

async fn a_call_that_runs_late_admits_nobody(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 1).await;
    ground.open().await;
    ground.seconds(1);
    let by = |until: Time| Report { until: Some(until), ..Report::default() };
    let late = ground.report(by(START.plus_ms(999))).await.snapshot;
    assert_eq!((late.ready, late.waiting()), (0, 1));
    let newcomer = Newcomer {
        visitor: visitor(2),
        ticket: at(2),
        address: AddressKey(1),
        entry: Entry::WalkIn,
        until: Some(START.plus_ms(999)),
        met: Life::default(),
    };
    assert_eq!(ground.store.arrive(ground.room(), newcomer).await.unwrap(), Arrival::Busy);
    let right = ground.report(by(START.plus_ms(1000))).await.snapshot;
    assert_eq!((right.ready, right.waiting()), (1, 0));
}

async fn a_stay_that_the_store_forgot_is_taken_from_the_instance(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 1).await;
    let stay = Stay { since: START, until: START.plus_seconds(600) };
    let snapshot = ground.renew(1, 1, stay).await.snapshot;
    assert_eq!((snapshot.ready, snapshot.waiting(), snapshot.watermark), (1, 0, at(1)));
    assert_eq!(ground.claim(1, 1).await, Standing::Ready(stay));
    assert_eq!(ground.finish(1, 1).await, Finished::Cleared);
    assert_eq!(ground.renew(1, 1, stay).await.snapshot.ready, 0, "what was finished stays finished");
}

async fn a_stay_that_is_over_for_one_instance_goes_on_where_another_extended_it(ground: &Ground) {
    ground.seconds(100);
    let over = Stay { since: START, until: START.plus_seconds(60) };
    let extended = Stay { since: START, until: START.plus_seconds(160) };
    ground.renew(1, 1, over).await;
    assert_eq!(ground.claim(1, 1).await, Standing::Spent, "its ticket counts as spent");
    ground.renew(1, 1, extended).await;
    ground.renew(1, 1, over).await;
    assert_eq!(ground.claim(1, 1).await, Standing::Ready(extended));
    // Whose end is known is called no more, and leaves the line.
    ground.enqueue(2, 2).await;
    ground.renew(2, 2, over).await;
    assert_eq!(ground.claim(2, 2).await, Standing::Spent);
    ground.pause().await;
    ground.enqueue(3, 3).await;
    ground.enqueue(4, 5).await;
    ground.renew(3, 3, over).await;
    let synced = ground.renew(4, 4, over).await;
    assert_eq!((synced.snapshot.waiting(), synced.snapshot.watermark), (1, at(4)), "a newer place stays");
}

async fn of_two_stays_of_one_visitor_the_later_counts(ground: &Ground) {
    let (first, second) = (START, START.plus_seconds(50));
    ground.seconds(60);
    let stay = |since: Time| Stay { since, until: since.plus_seconds(100) };
    for (name, told) in [(1, [(1, first), (2, second)]), (2, [(2, second), (1, first)])] {
        for (ticket, since) in told {
            ground.renew(name, ticket, stay(since)).await;
        }
        assert_eq!(ground.claim(name, 2).await, Standing::Ready(stay(second)));
        assert_eq!(ground.claim(name, 1).await, Standing::Spent);
    }
    assert_eq!(ground.sync().await.ready, 2);
}

async fn of_a_stay_and_an_offer_the_newer_ticket_counts(ground: &Ground) {
    let stay = Stay { since: START, until: START.plus_seconds(100) };
    ground.enqueue(4, 9).await;
    ground.renew(4, 8, stay).await;
    assert!(matches!(ground.claim(4, 9).await, Standing::Ready(_)));
    assert_eq!(ground.claim(4, 8).await, Standing::Spent);
    ground.enqueue(3, 3).await;
    ground.renew(3, 4, stay).await;
    assert_eq!((ground.claim(3, 4).await, ground.claim(3, 3).await), (Standing::Ready(stay), Standing::Spent));
    assert_eq!(ground.sync().await.ready, 2);
}

async fn a_newer_place_is_called_though_an_old_stay_was_never_ended(ground: &Ground) {
    ground.walk_in(1, 1).await;
    // The visitor finished where the store did not hear of it, and took a place again.
    assert_eq!(ground.heartbeat(1, 2, false).await.snapshot.waiting(), 0);
    assert!(matches!(ground.claim(1, 2).await, Standing::Ready(_)));
    assert_eq!(ground.claim(1, 1).await, Standing::Spent);
    // But nobody is given two turns at a time.
    ground.enqueue(2, 3).await;
    ground.heartbeat(2, 4, false).await;
    assert_eq!(ground.sync().await.ready, 2);
    assert!(matches!(ground.claim(2, 3).await, Standing::Ready(_)));
}

async fn an_arrival_at_a_store_that_is_behind_gets_no_turn(ground: &Ground) {
    let Snapshot { epoch, seq, .. } = ground.sync().await;
    let newcomer = |n: u32, entry, met| {
        let (visitor, ticket) = (visitor(n), at(u64::from(n)));
        Newcomer { visitor, ticket, address: AddressKey(1), entry, until: None, met }
    };
    for (n, met) in [(1, Life { epoch: epoch + 1, seq }), (2, Life { epoch, seq: seq + 1 })] {
        let walk_in = newcomer(n, Entry::WalkIn, met);
        assert_eq!(ground.store.arrive(ground.room(), walk_in).await.unwrap(), Arrival::Busy);
    }
    let enqueue = newcomer(3, Entry::Enqueue, Life { epoch, seq: seq + 1 });
    let entered = ground.store.arrive(ground.room(), enqueue).await.unwrap();
    assert_eq!(entered, Arrival::Entered { position: 1 });
    assert!(matches!(ground.claim(3, 3).await, Standing::Waiting { .. }), "no turn yet");
    assert_eq!(ground.sync().await.ready, 1, "the next sync gives it");
    let walk_in = newcomer(4, Entry::WalkIn, Life { epoch, seq });
    let walked_in = ground.store.arrive(ground.room(), walk_in).await.unwrap();
    assert!(matches!(walked_in, Arrival::Admitted(_)), "{walked_in:?}");
}

async fn a_stay_never_lasts_longer_than_its_maximum(ground: &Ground) {
    ground.set_number("ready_max_seconds", 900).await;
    ground.walk_in(1, 1).await;
    ground.seconds(300);
    ground.renew(1, 1, Stay { since: START, until: START.plus_seconds(5000) }).await;
    assert_eq!(ground.claim(1, 1).await, Standing::Ready(Stay { since: START, until: START.plus_seconds(900) }));
    ground.renew(1, 1, Stay { since: START, until: START.plus_seconds(700) }).await;
    ground.seconds(599);
    assert!(is_ready(ground.claim(1, 1).await), "a renewal that came late takes nothing away");
    ground.seconds(1);
    assert_eq!(ground.claim(1, 1).await, Standing::Spent);
}

async fn a_finish_handed_in_later_ends_the_turn(ground: &Ground) {
    ground.walk_in(1, 1).await;
    ground.pause().await;
    ground.enqueue(2, 2).await;
    let finished = vec![(visitor(1), at(1)), (visitor(2), at(2)), (visitor(3), at(3))];
    let synced = ground.report(Report { finished, ..Report::default() }).await;
    assert_eq!((synced.snapshot.ready, synced.snapshot.waiting(), synced.snapshot.watermark), (0, 0, at(3)));
    assert_eq!(synced.revocations.len(), 3);
    for n in 1..=3 {
        assert_eq!(ground.claim(n, u64::from(n)).await, Standing::Spent);
    }
}

async fn a_spent_ticket_does_not_return_to_the_line(ground: &Ground) {
    ground.walk_in(1, 1).await;
    ground.finish(1, 1).await;
    ground.pause().await;
    assert_eq!(ground.heartbeat(1, 1, false).await.snapshot.waiting(), 0);
    assert_eq!(ground.enqueue(1, 2).await, Arrival::Entered { position: 1 }, "who comes again starts anew");
}

async fn instances_are_counted_for_ten_seconds(ground: &Ground) {
    let count = async |instance| ground.report(Report { instance, ..Report::default() }).await.snapshot.instances;
    assert_eq!((count(1).await, count(u64::MAX).await, count(1).await), (1, 2, 2));
    ground.seconds(10);
    assert_eq!(count(1).await, 2);
    ground.clock.advance_ms(1);
    assert_eq!(count(1).await, 1);
}

async fn rooms_do_not_touch_each_other(ground: &Ground) {
    ground.pause().await;
    ground.enqueue(1, 1).await;
    let other = Ground {
        store: Arc::clone(&ground.store),
        clock: Arc::clone(&ground.clock),
        room: "rooms_do_not_touch_each_other-2",
        defaults: ground.defaults.clone(),
    };
    assert!(matches!(other.walk_in(1, 1).await, Arrival::Admitted(_)));
    assert_eq!(ground.claim(1, 1).await, Standing::Waiting { position: 1 });
    assert_eq!(other.store.settings(other.room()).await.unwrap().0, 0);
}

/// Registers people `from..to`, whose tickets are a microsecond apart, in chunks.
async fn fill(ground: &Ground, from: u32, to: u32) -> Synced {
    let mut last = Synced::default();
    let people = (from..to).collect::<Vec<_>>();
    for chunk in people.chunks(Report::CHUNK) {
        let heartbeat =
            |name: &u32| Heartbeat { visitor: visitor(*name), ticket: at(u64::from(*name)), late: false, first: None };
        last = ground.report(Report { heartbeats: chunk.iter().map(heartbeat).collect(), ..Report::default() }).await;
    }
    last
}

async fn places_are_exact_in_front_and_sampled_behind(ground: &Ground) {
    ground.pause().await;
    let snapshot = fill(ground, 0, 2500).await.snapshot;
    assert_eq!((snapshot.line.len, snapshot.line.head.len()), (2500, 1000));
    for rank in [0, 1, 999, 1000, 1010, 1600, 2499] {
        let told = snapshot.position(at(rank));
        assert!(told.abs_diff(rank + 1) * 100 <= rank, "{rank}: {told}");
    }
    assert_eq!(snapshot.line.samples.last(), Some(&(at(2499), 2499)));
    assert_eq!(ground.claim(2000, 2000).await, Standing::Waiting { position: 2001 });
}

async fn a_brief_report_is_taken_whole_and_tells_only_how_long_the_line_is(ground: &Ground) {
    ground.pause().await;
    fill(ground, 0, 1500).await;
    let newcomer = Heartbeat { visitor: visitor(1500), ticket: at(1500), late: false, first: None };
    let report = Report { heartbeats: vec![newcomer], brief: true, ..Report::default() };
    let brief = ground.report(report).await.snapshot;
    assert_eq!((brief.line.len, brief.line.head.len(), brief.line.samples.len()), (1501, 0, 0));
    let whole = ground.report(Report::default()).await.snapshot;
    assert_eq!((whole.line.len, whole.line.head.len(), whole.position(at(1500))), (1501, 1000, 1501));
}

async fn a_long_absence_of_many_is_dealt_with_in_bounded_steps(ground: &Ground) {
    ground.pause().await;
    fill(ground, 0, 4500).await;
    ground.seconds(121);
    ground.set_number("presence_seconds", 120).await;
    fill(ground, 4500, 4501).await;
    let synced = ground.report(Report::default()).await;
    assert_eq!((synced.snapshot.line.len, synced.more), (501, false), "two sweeps of 2000");
    ground.open().await;
    let synced = ground.report(Report::default()).await;
    assert_eq!((synced.snapshot.line.len, synced.snapshot.ready, synced.more), (0, 1, false));
    assert!(is_ready(ground.claim(4500, 4500).await));
}

/// Runs the whole list; the error of a broken promise names it.
async fn keeps(store: impl Fn(Arc<ManualClock>) -> Arc<dyn Store>) {
    for (room, promise) in PROMISES {
        let clock = Arc::new(ManualClock::at(START));
        let ground = Ground { store: store(Arc::clone(&clock)), clock, room, defaults: Settings::default() };
        eprintln!("{room}");
        promise(&ground).await;
    }
}

/// A store at `url` whose time is the test's.
pub fn redis_store(url: &str, clock: Arc<ManualClock>) -> RedisStore {
    RedisStore::new(Target::parse(url, None).unwrap(), PATIENCE).with_clock(clock)
}

#[tokio::test]
async fn the_embedded_store_keeps_every_promise() {
    keeps(|clock| Arc::new(MemoryStore::new(clock))).await;
}

#[tokio::test]
async fn redis_keeps_every_promise() {
    let redis = Redis::start().await;
    keeps(|clock| Arc::new(redis_store(&redis.url(), clock))).await;
}

#[tokio::test]
async fn a_redis_cluster_keeps_every_promise() {
    let cluster = RedisCluster::start().await;
    keeps(|clock| Arc::new(redis_store(&cluster.url(), clock))).await;
}

#[tokio::test]
async fn the_primary_behind_sentinels_keeps_every_promise() {
    let group = RedisSentinel::start().await;
    keeps(|clock| Arc::new(redis_store(&group.url(), clock))).await;
}
