//! Odd cases, one by one.

use super::*;
use crate::queue::{INSTANCE_SECONDS, Renewal, STEPS, Stay};

fn walk_in(n: usize) -> Newcomer {
    Newcomer { entry: Entry::WalkIn, ..enqueue(n) }
}

fn renewal(n: usize, since: Time, until: Time) -> Renewal {
    Renewal { visitor: visitor(n), ticket: ticket(n), stay: Stay { since, until } }
}

/// What a sync with these changes nobody's place.
fn look(room: &mut Room, now: Time) -> Synced {
    room.sync(&report(vec![]), now)
}

fn claimed(room: &mut Room, n: usize, now: Time) -> Stay {
    match room.claim(visitor(n), ticket(n), now) {
        Standing::Ready(stay) => stay,
        other => panic!("{n} should be ready: {other:?}"),
    }
}

#[test]
fn an_arrival_that_is_repeated_after_its_turn_is_over_gets_no_second_one() {
    for first in [enqueue(0), walk_in(0)] {
        for again in [enqueue(0), walk_in(0)] {
            for finished in [true, false] {
                let mut room = Room::new(1, &roomy(10, 5));
                room.arrive(first, START);
                let stay = claimed(&mut room, 0, START);
                if finished {
                    assert_eq!(room.finish(visitor(0), ticket(0), START), Finished::Cleared);
                }
                let later = if finished { START.plus_seconds(1) } else { stay.until };
                assert_eq!(room.arrive(again, later), Arrival::AlreadyReady);
                let snapshot = look(&mut room, later).snapshot;
                assert_eq!((snapshot.waiting(), snapshot.ready, snapshot.admitted), (0, 0, 1));
            }
        }
    }
}

#[test]
fn who_walks_in_needs_an_empty_line_an_open_gate_and_a_free_turn() {
    let admits = |room: &mut Room, n| matches!(room.arrive(walk_in(n), START), Arrival::Admitted(_));
    let mut room = Room::new(1, &Settings { max_active: 2, ..roomy(3, 5) });
    assert!(admits(&mut room, 1) && admits(&mut room, 2), "there is room");
    assert_eq!(room.arrive(walk_in(3), START), Arrival::Busy, "no free place");
    room.finish(visitor(1), ticket(1), START);
    assert!(admits(&mut room, 3), "a place was freed, the window has one turn left");
    room.finish(visitor(2), ticket(2), START);
    assert_eq!(room.arrive(walk_in(4), START), Arrival::Busy, "the window is used up");
    assert_eq!(look(&mut room, START).snapshot.waiting(), 0, "busy takes no place");
    assert!(matches!(room.arrive(walk_in(3), START), Arrival::Admitted(_)), "the same answer again");
    let next = START.plus_seconds(5);
    for (mode, answer) in [("pause", Arrival::Busy), ("closed", Arrival::Closed)] {
        room.put_settings(&change("mode", Value::Text(mode.into())), START);
        assert_eq!(room.arrive(walk_in(5), next), answer);
    }
    let mut room = paused(&roomy(3, 5), 1);
    resume(&mut room);
    assert_eq!(room.arrive(walk_in(5), START), Arrival::Busy, "somebody waits");
}

#[test]
fn presence_and_turns_end_at_their_millisecond() {
    let settings = Settings { ready_ttl_seconds: 60, ..roomy(10, 5) };
    for (silence, counts) in [(29_999, true), (30_000, true), (30_001, false)] {
        let mut room = paused(&settings, 1);
        resume(&mut room);
        let now = START.plus_ms(silence);
        look(&mut room, now);
        assert_eq!(!inside(&room, now).is_empty(), counts, "silent for {silence} ms");
    }
    for (wait, ready) in [(29_999, true), (30_000, false)] {
        let mut room = Room::new(1, &settings);
        room.arrive(enqueue(0), START);
        let standing = room.claim(visitor(0), ticket(0), START.plus_ms(wait));
        assert_eq!(matches!(standing, Standing::Ready(_)), ready, "claimed after {wait} ms");
    }
    let mut room = Room::new(1, &settings);
    room.arrive(enqueue(0), START);
    let stay = claimed(&mut room, 0, START.plus_ms(7));
    assert_eq!(stay, Stay { since: START.plus_ms(7), until: START.plus_ms(60_007) });
    assert_eq!(claimed(&mut room, 0, START.plus_ms(60_006)), stay, "claiming again starts nothing anew");
    assert_eq!(room.claim(visitor(0), ticket(0), stay.until), Standing::Spent);
}

#[test]
fn one_visitor_holds_one_place_the_lowest_ticket_shown() {
    let mut room = paused(&roomy(1, 5), 6);
    let with = |n: usize, t: usize| Heartbeat { ticket: ticket(t), ..beat(n, false) };
    room.sync(&report(vec![with(5, 50)]), START);
    assert_eq!(look(&mut room, START).snapshot.waiting(), 6);
    assert_eq!(
        room.claim(visitor(5), ticket(50), START),
        Standing::Waiting { position: 6 },
        "a later tab is told the place"
    );
    let earlier = Heartbeat { ticket: Ticket(ticket(0).0 - 1), ..beat(5, false) };
    room.sync(&report(vec![earlier, with(5, 50)]), START);
    assert_eq!(look(&mut room, START).snapshot.waiting(), 6);
    assert_eq!(room.claim(visitor(5), ticket(5), START), Standing::Waiting { position: 1 });
    assert_eq!(room.claim(visitor(5), Ticket(earlier.ticket.0 - 1), START), Standing::Unknown, "a place never shown");
}

#[test]
fn who_was_away_stays_so_whatever_other_ticket_is_shown() {
    let mut room = paused(&roomy(1, 5), 0);
    room.sync(&report(vec![Heartbeat { ticket: ticket(50), ..beat(5, true) }, beat(6, true)]), START);
    room.sync(&report(vec![beat(5, false), beat(6, false)]), START);
    let snapshot = look(&mut room, START).snapshot;
    assert_eq!((snapshot.line.len, snapshot.late.len), (0, 2));
}

#[test]
fn who_was_away_passes_nobody_with_a_lower_ticket() {
    let mut room = paused(&roomy(1, 5), 0);
    room.sync(&report(vec![beat(1, false), beat(2, true), beat(3, false), beat(4, true)]), START);
    resume(&mut room);
    let order = (0..4).filter_map(|window| {
        let now = START.plus_seconds(5 * window);
        look(&mut room, now);
        let n = inside(&room, now).pop_first()?;
        room.finish(visitor(n), ticket(n), now);
        Some(n)
    });
    assert_eq!(order.collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_visitor_holds_one_turn_whatever_other_ticket_is_shown() {
    let mut room = Room::new(1, &roomy(10, 5));
    room.arrive(walk_in(5), START);
    let other = |t: usize| Heartbeat { ticket: ticket(t), ..beat(5, false) };
    let renewal = Renewal { ticket: ticket(60), ..renewal(5, START, START.plus_seconds(900)) };
    room.sync(&Report { renewals: vec![renewal], ..report(vec![other(4), other(50)]) }, START);
    assert_eq!(room.held(START)[0].1.ticket, ticket(60), "of two stays the later");
    let snapshot = look(&mut room, START).snapshot;
    assert_eq!((snapshot.waiting(), snapshot.ready, snapshot.admitted), (0, 1, 1));
    assert_eq!(room.finish(visitor(5), ticket(50), START), Finished::NotReady);
}

#[test]
fn asking_where_one_stands_is_a_sign_of_life() {
    let mut room = paused(&roomy(1, 5), 1);
    assert_eq!(room.claim(visitor(0), ticket(0), START.plus_seconds(20)), Standing::Waiting { position: 1 });
    assert_eq!(look(&mut room, START.plus_seconds(50)).snapshot.waiting(), 1);
    assert_eq!(look(&mut room, START.plus_seconds(51)).snapshot.waiting(), 0);
}

#[test]
fn a_finish_handed_in_ends_the_turn_or_the_place_for_good() {
    for waits in [true, false] {
        let mut room = paused(&roomy(1, 5), 2);
        let n = usize::from(waits);
        resume(&mut room);
        look(&mut room, START);
        let gone = Report { finished: vec![(visitor(n), ticket(n)); 2], ..report(vec![]) };
        let synced = room.sync(&gone, START);
        let told: Vec<_> = synced.revocations.iter().map(|news| news.ticket).collect();
        assert_eq!(told, [ticket(n)], "one revocation, whatever is repeated");
        room.sync(&report(vec![beat(n, false)]), START.plus_seconds(5));
        assert_eq!(room.claim(visitor(n), ticket(n), START.plus_seconds(5)), Standing::Spent);
        assert_eq!(room.finish(visitor(n), ticket(n), START), Finished::NotReady);
    }
}

#[test]
fn a_renewal_restores_a_stay_that_was_forgotten_but_never_one_that_is_over() {
    let settings = Settings { ready_ttl_seconds: 60, ready_max_seconds: 120, ..roomy(1, 5) };
    let now = START.plus_seconds(100);
    let cases = [
        (START.plus_seconds(50), START.plus_seconds(110), Some(START.plus_seconds(110)), "restored"),
        (START, START.plus_seconds(600), Some(START.plus_seconds(120)), "cut at ready_max"),
        (START.minus_seconds(30), START.plus_seconds(600), None, "beyond ready_max"),
        (START.plus_seconds(50), now, None, "ended"),
        (Time(0), Time(0), None, "only its end is known"),
    ];
    for (since, until, expected, about) in cases {
        let mut room = paused(&settings, 0);
        room.sync(&report(vec![beat(0, false)]), now);
        room.sync(&Report { renewals: vec![renewal(0, since, until)], ..report(vec![beat(0, false)]) }, now);
        let held: Vec<_> = room.held(now).iter().map(|(_, turn)| turn.until).collect();
        assert_eq!(held, expected.into_iter().collect::<Vec<_>>(), "{about}");
        let waiting = look(&mut room, now).snapshot.waiting();
        assert_eq!(waiting, 0, "{about}: whoever was inside is not in line");
        let end = expected.unwrap_or(now);
        assert_eq!(room.claim(visitor(0), ticket(0), end), Standing::Spent, "{about}");
    }
    let mut room = Room::new(1, &settings);
    room.arrive(walk_in(0), START);
    room.finish(visitor(0), ticket(0), START);
    room.sync(&Report { renewals: vec![renewal(0, START, START.plus_seconds(60))], ..report(vec![]) }, START);
    assert!(room.held(START).is_empty(), "finished");
}

#[test]
fn a_stay_that_one_instance_takes_for_over_goes_on_where_another_extended_it() {
    let (settings, now) = (Settings { ready_max_seconds: 900, ..roomy(1, 5) }, START.plus_seconds(100));
    let (over, extended) = (renewal(0, START, START.plus_seconds(60)), renewal(0, START, START.plus_seconds(160)));
    for told in [[over, extended], [extended, over]] {
        let mut room = Room::new(1, &settings);
        for renewal in told {
            room.sync(&Report { renewals: vec![renewal], ..report(vec![]) }, now);
        }
        assert_eq!(claimed(&mut room, 0, now), extended.stay);
    }
    // Somebody who shows an old token after the store forgot the stay is called, and gets no second one.
    let mut room = Room::new(1, &settings);
    room.sync(&report(vec![beat(0, false)]), now);
    assert_eq!(room.held(now).len(), 1);
    room.sync(&Report { renewals: vec![over], ..report(vec![]) }, now);
    assert_eq!(room.claim(visitor(0), ticket(0), now), Standing::Spent);
}

#[test]
fn a_stay_that_was_taken_twice_began_with_the_first_and_ends_with_the_last() {
    let now = START.plus_seconds(50);
    let (first, late) =
        (renewal(0, START, START.plus_seconds(60)), renewal(0, START.plus_seconds(40), START.plus_seconds(100)));
    for told in [[first, late], [late, first]] {
        let mut room = Room::new(1, &roomy(1, 5));
        for renewal in told {
            room.sync(&Report { renewals: vec![renewal], ..report(vec![]) }, now);
        }
        assert_eq!(claimed(&mut room, 0, now), Stay { since: START, until: START.plus_seconds(100) });
    }
}

#[test]
fn a_store_that_is_behind_gives_nobody_a_turn_at_an_arrival() {
    let enqueue_met = |room: &mut Room, n, entry, epoch, seq| {
        room.arrive(Newcomer { entry, met: Life { epoch, seq }, ..enqueue(n) }, START)
    };
    for (epoch, seq, behind) in [(0, 0, false), (1, 1, false), (1, 2, true), (7, 1, true)] {
        let mut room = Room::new(1, &roomy(10, 5));
        look(&mut room, START);
        let walks = enqueue_met(&mut room, 0, Entry::WalkIn, epoch, seq);
        assert_eq!(walks == Arrival::Busy, behind, "{epoch} {seq}");
        assert_eq!(enqueue_met(&mut room, 1, Entry::Enqueue, epoch, seq), Arrival::Entered { position: 1 });
        assert_eq!(room.held(START).len(), if behind { 0 } else { 2 }, "{epoch} {seq}");
    }
}

#[test]
fn a_renewal_never_shortens_a_stay_and_takes_a_turn_that_is_offered() {
    let mut room = Room::new(1, &roomy(1, 5));
    room.arrive(enqueue(0), START);
    let renew = |room: &mut Room, until| {
        room.sync(&Report { renewals: vec![renewal(0, START, until)], ..report(vec![]) }, START);
        room.held(START)[0].1
    };
    let turn = renew(&mut room, START.plus_seconds(90));
    assert_eq!((turn.since, turn.until), (Some(START), START.plus_seconds(90)));
    assert_eq!(renew(&mut room, START.plus_seconds(80)).until, START.plus_seconds(90));
    assert_eq!(renew(&mut room, START.plus_seconds(100)).until, START.plus_seconds(100));
}

#[test]
fn a_closed_room_takes_nobody_new_and_keeps_whom_it_knows() {
    let mut room = paused(&roomy(5, 5), 2);
    room.put_settings(&change("mode", Value::Text("closed".into())), START);
    let first = Heartbeat { first: Some(AddressKey(1)), ..beat(7, false) };
    let synced = room.sync(&report(vec![first, beat(0, false), beat(1, false)]), START.plus_seconds(20));
    assert_eq!((synced.snapshot.waiting(), synced.limited.len()), (2, 0));
    assert_eq!(room.arrive(enqueue(8), START), Arrival::Closed);
    assert_eq!(room.arrive(enqueue(1), START), Arrival::Entered { position: 2 });
    assert_eq!(
        room.arrive(Newcomer { ticket: ticket(9), ..enqueue(1) }, START),
        Arrival::AlreadyWaiting { position: 2 }
    );
    room.put_settings(&change("mode", Value::Text("off".into())), START);
    look(&mut room, START.plus_seconds(20));
    assert_eq!(inside(&room, START.plus_seconds(20)), [0, 1].into());
}

#[test]
fn lowering_presence_makes_nobody_absent_who_comes_when_told() {
    let set = |room: &mut Room, seconds| room.put_settings(&change("presence_seconds", Value::Int(seconds)), START).0;
    let mut room = paused(&Settings { presence_seconds: 600, ..roomy(1, 5) }, 1);
    look(&mut room, START.plus_seconds(140));
    set(&mut room, 30);
    let second = |n: u64| START.plus_seconds(140 + n);
    assert_eq!(look(&mut room, second(199)).snapshot.waiting(), 1, "was told to come back within 200 s");
    room.sync(&report(vec![beat(0, true)]), second(199));
    assert_eq!(room.clone().sync(&report(vec![]), second(199)).snapshot.line.len, 1, "and isn't late");
    assert_eq!(look(&mut room, second(299)).snapshot.waiting(), 1);
    assert_eq!(look(&mut room, second(300)).snapshot.waiting(), 0, "from now on 30 s count");
    // A turn offered meanwhile can be taken as long.
    let mut room = paused(&Settings { presence_seconds: 600, ..roomy(1, 5) }, 1);
    look(&mut room, START);
    set(&mut room, 30);
    resume(&mut room);
    look(&mut room, START.plus_seconds(5));
    claimed(&mut room, 0, START.plus_seconds(204));
    // A longer one counts at once.
    let mut room = paused(&roomy(1, 5), 1);
    set(&mut room, 600);
    assert_eq!(look(&mut room, START.plus_seconds(600)).snapshot.waiting(), 1);
}

/// A stay of 600 s ends in a window of the same parity as it began in: whatever alternates by the number of the window
/// would always favour the same part.
#[test]
fn one_who_was_away_is_not_starved_by_newcomers_where_turns_are_rare() {
    for odd in [0, 5] {
        let mut room = Room::new(1, &Settings { max_active: 1, ready_ttl_seconds: 600, ..roomy(1, 5) });
        room.arrive(walk_in(0), START.plus_seconds(odd));
        let turns = (1..4).map(|round| {
            let now = START.plus_seconds(odd + 600 * round);
            let newcomer = Heartbeat { ticket: Ticket::at(now), ..beat(10, false) };
            room.sync(&report(vec![beat(1, true), newcomer]), now);
            let (visitor, turn) = room.held(now)[0];
            room.claim(visitor, turn.ticket, now);
            visitor
        });
        assert!(turns.collect::<Vec<_>>().contains(&visitor(1)), "starved");
    }
}

#[test]
fn where_turns_come_one_by_one_half_of_them_go_past_those_who_wait_at_most() {
    let mut room = paused(&Settings { max_active: 1, ..roomy(100, 3600) }, 8);
    let back: Vec<_> = (0..4).map(|n| beat(n, true)).collect();
    let here: Vec<_> = (4..8).map(|n| beat(n, false)).collect();
    room.sync(&report(here.clone()), START.plus_seconds(25));
    let now = START.plus_seconds(35);
    look(&mut room, now);
    room.sync(&report([back, here].concat()), now);
    resume(&mut room);
    let mut order = vec![];
    while let Some(n) = {
        look(&mut room, now);
        inside(&room, now).pop_first()
    } {
        order.push(n);
        room.finish(visitor(n), ticket(n), now);
    }
    assert_eq!(order, [0, 4, 1, 5, 2, 6, 3, 7]);
}

#[test]
fn a_store_that_went_back_holds_once_and_names_itself_anew() {
    let mut room = Room::new(5, &roomy(10, 5));
    let seen = |epoch, seq| Known { epoch, seq, busy: true, ..Known::default() };
    let sync =
        |room: &mut Room, instance, known, now| room.sync(&Report { instance, known, ..report(vec![]) }, now).snapshot;
    for known in [seen(0, 0), seen(5, 1), seen(5, 2), seen(5, 2), seen(0, 77)] {
        assert_eq!(
            sync(&mut room, 1, known, START).hold_until,
            Time(0),
            "a new instance or a lost answer holds nothing"
        );
    }
    let back = sync(&mut room, 1, seen(5, 100), START);
    assert_ne!(back.epoch, 5);
    assert!(back.seq > 100);
    assert_eq!(back.hold_until, START.plus_seconds(HOLD_SECONDS));
    let second = sync(&mut room, 2, seen(5, 120), START.plus_seconds(9));
    assert_eq!((second.epoch, second.hold_until), (back.epoch, back.hold_until), "the other instance holds no longer");
    assert_eq!(second.instances, 2);
    let next = sync(&mut room, 2, seen(second.epoch, second.seq + 1), START.plus_seconds(9));
    assert_ne!(next.epoch, second.epoch, "one sync was lost");
    assert_eq!(sync(&mut room, 2, Known::default(), START.plus_seconds(INSTANCE_SECONDS + 1)).instances, 1);
}

#[test]
fn held_admission_lets_nobody_walk_in_either() {
    let mut room = Room::new(2, &roomy(10, 5));
    room.sync(
        &Report { known: Known { epoch: 1, watermark: ticket(9), busy: true, ..Known::default() }, ..report(vec![]) },
        START,
    );
    assert_eq!(room.arrive(walk_in(0), START.plus_ms(HOLD_SECONDS * 1000 - 1)), Arrival::Busy);
    assert!(matches!(room.arrive(walk_in(0), START.plus_seconds(HOLD_SECONDS)), Arrival::Admitted(_)));
    assert_eq!(look(&mut room, START).snapshot.watermark, ticket(9), "what an instance knew isn't forgotten");
}

#[test]
fn more_absent_than_one_call_may_deal_with_are_passed_in_several() {
    let count = 3 * STEPS;
    let mut room = Room::new(1, &roomy(5, 5));
    room.put_settings(&change("mode", Value::Text("pause".into())), START);
    let mut crowd = room.clone();
    for n in 0..=count {
        crowd.arrive(enqueue(n), START);
    }
    let now = START.plus_seconds(40);
    resume(&mut crowd);
    // Who is there stands behind all of them.
    let mut beats = vec![beat(count, false)];
    let mut calls = 0;
    while crowd.held(now).is_empty() {
        assert!(crowd.sync(&report(std::mem::take(&mut beats)), now).more || calls > 0);
        calls += 1;
        assert!(calls < 5);
    }
    assert_eq!(crowd.held(now)[0].0, visitor(count));
}

#[test]
fn revocations_come_in_pages_and_each_once() {
    let mut room = Room::new(1, &roomy(1, 5));
    let count = Synced::REVOCATIONS + 5;
    let finished: Vec<_> = (0..count).map(|n| (visitor(n), ticket(n))).collect();
    for chunk in finished.chunks(Report::CHUNK) {
        room.sync(&Report { finished: chunk.to_vec(), ..report(vec![]) }, START);
    }
    let mut heard = vec![];
    let mut known = Known::default();
    loop {
        let synced = room.sync(&Report { known, ..report(vec![]) }, START);
        heard.extend(synced.revocations.iter().map(|news| (news.visitor, news.ticket)));
        known.revoked = synced.revocations.last().map_or(known.revoked, |news| news.number);
        if !synced.more {
            break;
        }
    }
    assert_eq!(heard, finished);
}

#[test]
fn a_spent_ticket_is_remembered_as_long_as_a_token_of_it_can_be_shown() {
    let settings = Settings { ready_ttl_seconds: 60, ready_max_seconds: 60, retention_seconds: 300, ..roomy(1, 5) };
    let mut room = Room::new(1, &settings);
    room.arrive(walk_in(0), START);
    let shown = START.plus_seconds(settings.memory_seconds());
    for now in [START.plus_seconds(60), shown] {
        room.sync(&report(vec![beat(0, true)]), now);
        assert_eq!(room.claim(visitor(0), ticket(0), now), Standing::Spent);
    }
    room.sync(&report(vec![]), shown.plus_ms(1));
    assert_eq!(room.claim(visitor(0), ticket(0), shown.plus_ms(1)), Standing::Unknown);
}

#[test]
fn settings_come_down_where_they_are_new() {
    let mut room = Room::new(1, &roomy(1, 5));
    assert_eq!(look(&mut room, START).settings, None);
    let (version, _) = room.put_settings(&change("max_active", Value::Int(3)), START);
    room.put_settings(&change("admission_limit", Value::Int(4)), START);
    let (newest, both) = look(&mut room, START).settings.unwrap();
    assert_eq!((newest, both.iter().count()), (version + 1, 2));
    let known = Known { settings: newest, ..Known::default() };
    assert_eq!(room.sync(&Report { known, ..report(vec![]) }, START).settings, None);
}
