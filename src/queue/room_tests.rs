//! What a room promises, each promise a property: of whole histories (`world`), of single situations, and in odd cases
//! found by thinking (`cases`).

#![expect(clippy::cast_possible_truncation, reason = "the numbers here are small")]

mod cases;
mod world;

use super::{
    AddressKey, Arrival, Entry, Finished, HOLD_SECONDS, Heartbeat, Known, Life, Newcomer, Report, Room, Settings,
    Standing, Synced, Ticket, Time, Value, Visitor,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use world::{Promise, START, Step, World, change, steps, steps_with_replays, visitor};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

/// A number that isn't limited anywhere here.
fn roomy(limit: u64, frequency: u64) -> Settings {
    Settings {
        admission_limit: limit,
        admission_frequency: frequency,
        presence_seconds: 30,
        ip_enqueue_limit: 1_000_000,
        ..Settings::default()
    }
}

/// A ticket of the `n`th visitor: they came one microsecond after the other.
fn ticket(n: usize) -> Ticket {
    Ticket(Ticket::at(START).0 + n as u64)
}

fn enqueue(n: usize) -> Newcomer {
    Newcomer {
        visitor: visitor(n),
        ticket: ticket(n),
        address: AddressKey(n as u64),
        entry: Entry::Enqueue,
        until: None,
        met: Life::default(),
    }
}

fn beat(n: usize, late: bool) -> Heartbeat {
    Heartbeat { visitor: visitor(n), ticket: ticket(n), late, first: None }
}

fn report(heartbeats: Vec<Heartbeat>) -> Report {
    Report { instance: 1, heartbeats, ..Report::default() }
}

/// The numbers of those who hold a turn.
fn inside(room: &Room, now: Time) -> BTreeSet<usize> {
    let number = |visitor: Visitor| (0..1000).find(|n| visitor == self::visitor(*n)).unwrap();
    room.held(now).into_iter().map(|(visitor, _)| number(visitor)).collect()
}

/// A room in which `0..count` stand in line, paused.
fn paused(settings: &Settings, count: usize) -> Room {
    let mut room = Room::new(1, settings);
    room.put_settings(&change("mode", Value::Text("pause".into())), START);
    for n in 0..count {
        assert_eq!(room.arrive(enqueue(n), START), Arrival::Entered { position: n as u64 + 1 });
    }
    room
}

fn resume(room: &mut Room) {
    room.put_settings(&change("mode", Value::Text("auto".into())), START);
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn nobody_who_comes_when_told_is_overtaken(steps in steps(90), seed in any::<u64>()) {
        World::new(Promise::Order, seed).run(steps);
    }

    #[test]
    fn a_window_never_gives_more_turns_than_the_limit_in_force(steps in steps(90), seed in any::<u64>()) {
        World::new(Promise::Window, seed).run(steps);
    }

    #[test]
    fn no_admission_leaves_more_than_max_active_inside_and_lowering_it_throws_nobody_out(
        steps in steps(90), seed in any::<u64>(),
    ) {
        World::new(Promise::Cap, seed).run(steps);
    }

    #[test]
    fn a_ticket_claims_one_stay_whatever_is_replayed(steps in steps_with_replays(90), seed in any::<u64>()) {
        World::new(Promise::SpentOnce, seed).run(steps);
    }

    #[test]
    fn of_all_finishes_of_a_turn_one_is_told_cleared(steps in steps_with_replays(90), seed in any::<u64>()) {
        World::new(Promise::FinishedOnce, seed).run(steps);
    }

    #[test]
    fn who_walks_in_passes_nobody_and_counts_against_window_and_cap(steps in steps(90), seed in any::<u64>()) {
        World::new(Promise::WalkIn, seed).run(steps);
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn everybody_present_is_admitted_in_the_end(
        steps in steps(60), seed in any::<u64>(), limit in 1u64..4, frequency in 1u64..8, cap in 0u64..3,
    ) {
        let mut world = World::new(Promise::Nothing, seed);
        world.run(steps);
        let calm = [("admission_limit", limit), ("admission_frequency", frequency), ("max_active", cap)];
        world.set("ready_max_seconds", Value::Int(60));
        calm.into_iter().for_each(|(name, value)| world.set(name, Value::Int(value)));
        world.set("mode", Value::Text("auto".into()));
        let waits = |world: &World| {
            world.people.iter().filter_map(|person| person.ticket.filter(|_| person.stay.is_none())).collect::<BTreeSet<_>>()
        };
        (0..world::PEOPLE).for_each(|n| world.step(Step::Wake(n)));
        let waiting = waits(&world);
        // New people keep coming, as many as there is room in the world.
        for n in 0..22 * world::PEOPLE {
            world.step(Step::OpenPage(n % world::PEOPLE));
            world.step(Step::Pass(8));
        }
        let left: Vec<_> = waits(&world).intersection(&waiting).copied().collect();
        prop_assert!(left.is_empty(), "{left:?} still wait");
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_absent_do_not_stall_the_line_and_who_returns_in_time_is_next(
        absent in 0usize..40, present in 10usize..40, limit in 1u64..20, back in 0usize..40,
    ) {
        let settings = roomy(limit, 5);
        let mut room = paused(&settings, absent + present);
        let here: Vec<_> = (absent..absent + present).collect();
        let beats = |people: &[usize], late| report(people.iter().map(|n| beat(*n, late)).collect());
        room.sync(&beats(&here, false), START.plus_seconds(25));
        resume(&mut room);
        // The first window after the silence belongs to those who are there.
        let now = START.plus_seconds(35);
        room.sync(&beats(&[], false), now);
        let first = (limit as usize).min(present);
        prop_assert_eq!(inside(&room, now), here[..first].iter().copied().collect());
        // The next is shared by halves between the first of those who return and the first of the others.
        let back: Vec<_> = (0..back.min(absent)).collect();
        let others = &here[first..];
        let now = START.plus_seconds(40);
        room.sync(&beats(&back, true), now);
        let limit = limit as usize;
        let returned = (limit.div_ceil(2)).max(limit.saturating_sub(others.len())).min(back.len());
        let rest = (limit - returned).min(others.len());
        let next = back[..returned].iter().chain(&others[..rest]).copied();
        let expected: BTreeSet<_> = here[..first].iter().copied().chain(next).collect();
        prop_assert_eq!(inside(&room, now), expected);
    }

    #[test]
    fn of_simultaneous_enqueues_one_enters_and_a_repetition_gets_the_same_answer(
        order in Just((0..12u64).collect::<Vec<_>>()).prop_shuffle(), spread in 0u64..20, ahead in 0usize..5,
        limit in 1u64..3, again in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        let mut room = Room::new(1, &roomy(limit, 5));
        for n in 0..ahead {
            room.arrive(enqueue(n), START);
        }
        let call = |room: &mut Room, n: u64, at: u64| {
            room.arrive(Newcomer { ticket: Ticket(ticket(100).0 + n), ..enqueue(100) }, START.plus_ms(at))
        };
        let mut answers = vec![];
        for (at, n) in order.iter().enumerate() {
            let at = at as u64 * spread;
            let answer = call(&mut room, *n, at);
            answers.push((*n, answer));
            for index in &again {
                let (earlier, first) = answers[index.index(answers.len())];
                prop_assert_eq!(call(&mut room, earlier, at), first);
            }
        }
        let entered = answers.iter().filter(|(_, answer)| matches!(answer, Arrival::Entered { .. })).count();
        prop_assert_eq!(entered, 1);
        prop_assert!(answers.iter().all(|(_, answer)| !matches!(answer, Arrival::Admitted(_))));
    }

    #[test]
    fn a_turn_nobody_takes_frees_its_place_but_not_the_window_and_the_second_spends_the_ticket(
        limit in 1u64..5, cap in 1u64..5, presence in 30u64..60,
    ) {
        // One window for all of it.
        let settings = Settings { max_active: cap, presence_seconds: presence, ..roomy(limit + cap, 3600) };
        let mut room = paused(&settings, 10);
        resume(&mut room);
        let all = |late| report((0..10).map(|n| beat(n, late)).collect());
        let first = (cap as usize).min(10);
        room.sync(&all(false), START);
        prop_assert_eq!(inside(&room, START), (0..first).collect());
        // Nobody claims: the same are next, as long as the window has turns.
        let taken_back = START.plus_seconds(presence);
        let second = first.min(limit as usize);
        let synced = room.sync(&all(false), taken_back);
        prop_assert_eq!(inside(&room, taken_back), (0..second).collect());
        prop_assert_eq!(synced.snapshot.window.used, first as u64 + second as u64);
        let spent = taken_back.plus_seconds(presence);
        for n in 0..10 {
            let standing = room.claim(visitor(n), ticket(n), spent);
            let waits = matches!(standing, Standing::Waiting { .. } | Standing::Unknown);
            prop_assert!(if n < second { standing == Standing::Spent } else { waits }, "{} {:?}", n, standing);
        }
        let synced = room.sync(&all(false), spent);
        prop_assert!(inside(&room, spent).iter().all(|n| *n >= second));
        prop_assert!(synced.snapshot.window.used <= limit + cap);
    }

    #[test]
    fn no_change_of_settings_alters_the_order(
        changes in prop::collection::vec((world::setting(), 1u64..40), 0..25), seed in any::<u64>(),
    ) {
        let mut world = World::new(Promise::Order, seed);
        world.set("ip_enqueue_limit", Value::Int(1000));
        world.set("mode", Value::Text("pause".into()));
        (0..world::PEOPLE).for_each(|n| world.step(Step::OpenPage(n)));
        world.step(Step::Pass(5));
        for ((name, value), seconds) in changes {
            let people = |world: &World| {
                let snapshot = world.room.clone().sync(&report(vec![]), world.now).snapshot;
                snapshot.waiting() + snapshot.ready
            };
            let before = people(&world);
            world.set(name, value);
            prop_assert_eq!(before, people(&world), "a change of {} lost or made people", name);
            world.step(Step::Pass(seconds));
        }
        world.set("mode", Value::Text("auto".into()));
        world.step(Step::Pass(250));
        let first: Vec<_> = world.offers.iter().map(|(_, (_, ticket))| *ticket).take(world::PEOPLE).collect();
        prop_assert!(first.is_sorted(), "{first:?}");
    }

    #[test]
    fn a_store_that_lost_its_memory_admits_nobody_until_everybody_was_heard_from_and_then_in_order(
        polls in prop::collection::vec(0u64..HOLD_SECONDS, 1..40), newcomers in prop::collection::vec(0u64..30, 0..5),
        limit in 1u64..5, older_copy in any::<bool>(),
    ) {
        let settings = roomy(limit, 2);
        let mut old = paused(&settings, polls.len());
        resume(&mut old);
        let copy = old.clone();
        let known = (0..5).map(|_| old.sync(&report(vec![]), START).snapshot).last().unwrap();
        let known = Known { epoch: known.epoch, seq: known.seq, watermark: known.watermark, busy: true, ..Known::default() };
        let mut room = if older_copy { copy } else { Room::new(2, &settings) };
        let newcomers: Vec<_> = newcomers.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let begin = START.plus_seconds(10);
        let (mut admitted, mut known) = (vec![], known);
        for second in 0..HOLD_SECONDS + 100 {
            let now = begin.plus_seconds(second);
            let polling = |(n, first): (usize, &u64)| (second % 15 == *first % 15 && second >= *first).then_some(n);
            let beats = polls.iter().enumerate().filter_map(polling).map(|n| beat(n, false)).collect();
            let synced = room.sync(&Report { known, ..report(beats) }, now);
            for (n, when) in newcomers.iter().enumerate() {
                if *when == second {
                    room.arrive(enqueue(500 + n), now);
                }
            }
            let Synced { snapshot, .. } = synced;
            known = Known { epoch: snapshot.epoch, seq: snapshot.seq, watermark: snapshot.watermark, ..known };
            for n in inside(&room, now) {
                room.claim(visitor(n), ticket(n), now);
            }
            let new: Vec<_> = inside(&room, now).into_iter().filter(|n| !admitted.contains(n)).collect();
            prop_assert!(new.is_empty() || second >= HOLD_SECONDS, "{new:?} admitted after {second} s");
            admitted.extend(new);
        }
        prop_assert!(admitted.is_sorted(), "{:?}", admitted);
        prop_assert!(admitted.len() >= polls.len());
    }

    #[test]
    fn time_that_goes_back_changes_nothing(
        calls in prop::collection::vec((0u8..5, 0usize..6, -20_000i64..20_000), 1..80),
    ) {
        let settings = Settings { ready_ttl_seconds: 60, max_active: 3, ..roomy(2, 5) };
        let (mut jumping, mut steady) = (Room::new(1, &settings), Room::new(1, &settings));
        jumping.sync(&report(vec![]), START);
        steady.sync(&report(vec![]), START);
        let (mut clock, mut latest) = (START, START);
        for (verb, n, ms) in calls {
            clock = Time(clock.0.saturating_add_signed(ms));
            latest = latest.max(clock);
            let call = |room: &mut Room, now| match verb {
                0 => format!("{:?}", room.arrive(enqueue(n), now)),
                1 => format!("{:?}", room.arrive(Newcomer { entry: Entry::WalkIn, ..enqueue(n) }, now)),
                2 => format!("{:?}", room.claim(visitor(n), ticket(n), now)),
                3 => format!("{:?}", room.finish(visitor(n), ticket(n), now)),
                _ => format!("{:?}", room.sync(&report(vec![beat(n, false)]), now)),
            };
            prop_assert_eq!(call(&mut jumping, clock), call(&mut steady, latest));
        }
    }

    #[test]
    fn registrations_over_the_limit_of_their_address_are_named_and_take_no_place(
        addresses in prop::collection::vec(0u64..4, 1..40), limit in 1u64..6, api in any::<bool>(),
    ) {
        let settings = Settings { ip_enqueue_limit: limit, ip_enqueue_limit_interval: 60, ..roomy(1, 5) };
        let mut room = paused(&settings, 0);
        let mut counts = [0; 4];
        let over: Vec<bool> = addresses.iter().map(|address| {
            counts[*address as usize] += 1;
            counts[*address as usize] > limit
        }).collect();
        let taken = over.iter().filter(|over| !**over).count() as u64;
        let all: Vec<_> = (0..addresses.len()).collect();
        let first = |n: &usize| Heartbeat { first: Some(AddressKey(addresses[*n])), ..beat(*n, false) };
        if api {
            for n in &all {
                let arrival = room.arrive(Newcomer { address: AddressKey(addresses[*n]), ..enqueue(*n) }, START);
                let limited = matches!(arrival, Arrival::Limited { retry_after: 1..=60 });
                prop_assert_eq!(limited, over[*n], "{:?}", arrival);
            }
        }
        // Who came by the API isn't counted a second time.
        let synced = room.sync(&report(all.iter().map(first).collect()), START);
        let named: Vec<_> = all.iter().filter(|n| over[**n]).map(|n| (visitor(*n), ticket(*n))).collect();
        prop_assert_eq!(&synced.limited, &named);
        prop_assert_eq!(synced.snapshot.waiting(), taken);
        for (who, ticket) in named {
            prop_assert_eq!(room.claim(who, ticket, START), Standing::Unknown);
        }
        // The next interval is a new one.
        let later = START.plus_seconds(60);
        let synced = room.sync(&report(all.iter().map(first).collect()), later);
        prop_assert_eq!(synced.limited.is_empty(), !counts.iter().any(|count| *count > 2 * limit));
    }

    #[test]
    fn of_any_number_of_finishes_one_clears(
        tickets in prop::collection::vec(0usize..3, 1..30), claimed in any::<bool>(), handed_in in any::<bool>(),
    ) {
        let mut room = paused(&roomy(1, 5), 2);
        resume(&mut room);
        room.sync(&report(vec![]), START);
        prop_assert!(!claimed || matches!(room.claim(visitor(0), ticket(0), START), Standing::Ready(_)));
        if handed_in {
            room.sync(&Report { finished: vec![(visitor(0), ticket(0))], ..report(vec![]) }, START);
        }
        let cleared = |n: &&usize| room.finish(visitor(0), ticket(**n), START) == Finished::Cleared;
        let cleared: Vec<_> = tickets.iter().filter(cleared).collect();
        let expected = usize::from(tickets.contains(&0) && !handed_in);
        prop_assert_eq!(cleared.len(), expected);
        prop_assert!(cleared.iter().all(|n| **n == 0));
    }
}
