//! The judge says no where it must: diaries made by hand.

use super::*;
use crate::support::doors::Token;

const RULES: Rules = Rules { limit: 2, window: 1_000, presence: 30_000 };
/// The beginning of a window.
const NOON: Ms = 1_000_000_000;

/// A visitor who has ticket `ticket`, polls each second from `from`, and is told "ready" at `ready`.
fn story(name: &str, ticket: u64, from: Ms, ready: Ms) -> Story {
    let note = |at: Ms, told| Note { asked: at, answered: at + 10, door: 0, told };
    let mut notes = vec![note(from, Told::Entered), note(from, Told::Ticket(ticket))];
    let polls = (from + 500..ready).step_by(1_000);
    notes.extend(polls.map(|at| note(at, Told::Waiting { position: 1, next: 1_000 })));
    notes.push(note(ready, Told::Ready));
    notes.push(note(ready + 500, Told::Site));
    Story { name: name.to_owned(), way: Way::Api, notes, end: End::Left, token: None }
}

fn diary(stories: Vec<Story>, troubles: Vec<Trouble>) -> Diary {
    let diary = Diary::default();
    *diary.stories.lock().unwrap() = stories;
    *diary.troubles.lock().unwrap() = troubles;
    diary
}

fn offences(diary: &Diary) -> Vec<Offence> {
    Judge::judge(RULES, diary).violations.iter().map(|violation| violation.offence).collect()
}

fn offend(change: impl FnOnce(&mut Story)) -> Vec<Offence> {
    let mut one = story("a", 1, NOON, NOON + 5_000);
    change(&mut one);
    offences(&diary(vec![one], vec![]))
}

fn told(at: Ms, told: Told) -> Note {
    Note { asked: at, answered: at + 10, door: 1, told }
}

#[test]
fn a_good_day_has_no_violation() {
    let stories = (0..6).map(|n| story(&format!("v{n}"), n, NOON, NOON + 5_000 + n * 1_000)).collect();
    let verdict = Judge::judge(RULES, &diary(stories, vec![]));
    assert_eq!((verdict.violations, verdict.admitted), (vec![], 6));
}

#[test]
fn a_lost_place_is_found() {
    let after_two_polls = 4;
    assert_eq!(
        offend(|one| one.notes.insert(after_two_polls, told(NOON + 2_000, Told::Unknown))),
        [Offence::PlaceLost]
    );
    assert_eq!(
        offend(|one| one.notes.insert(after_two_polls, told(NOON + 2_000, Told::Ticket(9)))),
        [Offence::PlaceLost]
    );
    assert_eq!(offend(|one| one.end = End::StillThere), [Offence::NeverAdmitted]);
}

#[test]
fn an_inversion_is_found_unless_the_store_was_in_doubt() {
    let stories = || vec![story("first", 1, NOON, NOON + 20_000), story("second", 2, NOON, NOON + 15_000)];
    assert_eq!(offences(&diary(stories(), vec![])), [Offence::Inversion]);
    let stalled = Trouble { fault: Fault::RedisStalled5, begin: NOON + 13_000, end: NOON + 18_000 };
    assert_eq!(offences(&diary(stories(), vec![stalled])), []);
    let killed = Trouble { fault: Fault::InstanceKilled, begin: NOON + 13_000, end: NOON + 18_000 };
    assert_eq!(offences(&diary(stories(), vec![killed])), [Offence::Inversion], "the others reach the store");
    let flushed = Trouble { fault: Fault::RedisFlushed, begin: NOON + 15_100, end: NOON + 15_100 };
    assert_eq!(offences(&diary(stories(), vec![flushed])), [], "a turn may have been forgotten");
    let close = vec![story("first", 1, NOON, NOON + 16_900), story("second", 2, NOON, NOON + 15_000)];
    assert_eq!(offences(&diary(close, vec![])), [], "polls come when they come");
}

#[test]
fn an_over_admission_is_found() {
    let crowd = |count: u64| (0..count).map(|n| story(&format!("v{n}"), n, NOON, NOON + 5_100)).collect::<Vec<_>>();
    // Given between 3.5 s and 5.1 s: in three windows.
    assert_eq!(offences(&diary(crowd(6), vec![])), []);
    assert_eq!(offences(&diary(crowd(7), vec![])), [Offence::OverAdmission]);
    let away = Trouble { fault: Fault::RedisKilled, begin: NOON + 5_000, end: NOON + 5_050 };
    let crowd: Vec<Story> = crowd(7).into_iter().chain([story("later", 9, NOON + 5_000, NOON + 8_000)]).collect();
    assert_eq!(offences(&diary(crowd, vec![away])), [], "both may give in the window in which the store goes");
}

#[test]
fn an_error_inside_is_found() {
    for bad in [Told::Page, Told::Odd("500".to_owned()), Told::NotNow(503), Told::BadGateway(502), Told::Unknown] {
        assert_eq!(offend(|one| one.notes.push(told(NOON + 6_000, bad))), [Offence::ErrorInside]);
    }
    assert_eq!(offend(|one| one.notes.push(told(NOON + 6_000, Told::Cut("reset".to_owned())))), [Offence::ErrorInside]);
    assert_eq!(offend(|one| one.notes.insert(3, told(NOON + 700, Told::NotNow(503)))), [Offence::Refused]);
    assert_eq!(offend(|one| one.notes[2].answered += 6_000), [Offence::SlowAnswer]);
}

#[test]
fn a_request_past_the_gate_is_found() {
    let token = |rdy| Some(Token { sub: "a".to_owned(), tkt: 1, adm: rdy, rdy });
    let seen = |path: &str, token| {
        let diary = diary(vec![], vec![]);
        diary.seen.lock().unwrap().push(Seen { at: NOON, path: path.to_owned(), token });
        offences(&diary)
    };
    assert_eq!(seen("/shop/a", token(Some(NOON / 1000 + 60))), []);
    assert_eq!(seen("/shop/a", token(Some(NOON / 1000 - 60))), [Offence::Unguarded]);
    assert_eq!(seen("/shop/a", token(None)), [Offence::Unguarded]);
    assert_eq!(seen("/shop/a", None), [Offence::Unguarded]);
    assert_eq!(seen("/sneak/a", token(Some(NOON / 1000 + 60))), [Offence::Unguarded]);
}

#[test]
fn a_slow_recovery_is_found() {
    let trouble = Trouble { fault: Fault::RedisFlushed, begin: NOON + 1_000, end: NOON + 1_000 };
    let recovers = |at| offences(&diary(vec![story("a", 1, NOON, NOON + at)], vec![trouble]));
    assert_eq!(recovers(27_000), []);
    assert_eq!(recovers(29_000), [Offence::SlowRecovery]);
}
