//! The judge says no where it must: histories made by hand.

use super::*;

const RULES: Rules = Rules { limit: 2, window_seconds: 1, presence_seconds: 30 };
/// The beginning of a window, ms.
const NOON: u64 = 1_000_000_000;

#[derive(Default)]
struct History(Vec<Vec<Command>>);

fn who(n: u8) -> Vec<u8> {
    vec![n; 16]
}

fn words(key: &str, command: &str, rest: Vec<Vec<u8>>) -> Command {
    let front = [command.as_bytes().to_vec(), format!("gk:{{r}}:{key}").into_bytes()];
    front.into_iter().chain(rest).collect()
}

fn packed(ticket: u64, until: u64, since: Option<u64>) -> Vec<u8> {
    let mut bytes = [ticket, until, since.unwrap_or(0)].map(u64::to_be_bytes).concat();
    bytes.push(u8::from(since.is_some()));
    bytes
}

impl History {
    /// Visitor `n` with ticket `ticket` is heard from.
    fn heard(mut self, part: &str, n: u8, ticket: u64, at: u64) -> Self {
        let score = |number: u64| number.to_string().into_bytes();
        self.0.push(vec![
            words("seen", "ZADD", vec![score(at), who(n)]),
            words(part, "ZADD", vec![score(ticket), who(n)]),
        ]);
        self
    }

    /// These get turns, in one step; those in `absent` leave with them.
    fn offers(mut self, given: &[(u8, u64)], absent: &[u8], at: u64) -> Self {
        let gone: Vec<Vec<u8>> = given.iter().map(|(n, _)| who(*n)).chain(absent.iter().map(|n| who(*n))).collect();
        let until = at + RULES.presence_seconds * 1000;
        let turns = given.iter().flat_map(|(n, ticket)| [who(*n), packed(*ticket, until, None)]).collect();
        self.0.push(vec![
            words("line", "ZREM", gone.clone()),
            words("late", "ZREM", gone.clone()),
            words("seen", "ZREM", gone),
            words("turns", "HSET", turns),
        ]);
        self
    }

    fn claims(mut self, n: u8, ticket: u64, at: u64) -> Self {
        let member = [who(n), ticket.to_be_bytes().to_vec()].concat();
        self.0.push(vec![
            words("turns", "HSET", vec![who(n), packed(ticket, at + 60_000, Some(at))]),
            words("spent", "ZADD", vec![b"NX".to_vec(), at.to_string().into_bytes(), member]),
        ]);
        self
    }

    /// The turn ends, taken or not.
    fn ends(mut self, n: u8) -> Self {
        self.0.push(vec![words("turns", "HDEL", vec![who(n)])]);
        self
    }

    fn breaches(&self) -> Vec<Breach> {
        Replay::of("r", RULES, &self.0).breaches
    }
}

/// Four in line, all heard from just now.
fn four() -> History {
    (1..5).fold(History::default(), |line, n| line.heard("line", n, u64::from(n) * 10, NOON))
}

#[test]
fn a_fair_history_has_no_breach_and_is_counted() {
    let history = four().offers(&[(1, 10), (2, 20)], &[], NOON).claims(1, 10, NOON + 500).ends(2);
    let history = history.heard("late", 2, 20, NOON + 40_000).heard("line", 3, 30, NOON + 40_000);
    let history = history.offers(&[(2, 20), (3, 30)], &[4], NOON + 41_000);
    let replay = Replay::of("r", RULES, &history.0);
    assert_eq!(replay.breaches, []);
    assert_eq!(replay.windows, BTreeMap::from([(NOON, 2), (NOON + 41_000, 2)]));
    assert_eq!(replay.claimed, BTreeSet::from([10]));
    assert_eq!(replay.offers.len(), 4);
    assert!(replay.waiting().is_empty());
}

#[test]
fn an_overtaking_is_found_whether_the_passed_one_stays_or_is_dropped() {
    let stays = four().offers(&[(2, 20)], &[], NOON);
    assert_eq!(stays.breaches(), [Breach::Overtaken { passed: 10, given: 20, at: NOON }]);
    let dropped = four().offers(&[(2, 20)], &[1], NOON);
    assert_eq!(dropped.breaches(), [Breach::Overtaken { passed: 10, given: 20, at: NOON }]);
}

#[test]
fn the_absent_may_be_passed() {
    let later = NOON + 30_001;
    let history = four().heard("line", 2, 20, later).offers(&[(2, 20)], &[1], later);
    assert_eq!(history.breaches(), []);
    let just_present = four().heard("line", 2, 20, later).offers(&[(2, 20)], &[1], later - 1);
    assert_eq!(just_present.breaches().len(), 1);
}

#[test]
fn those_who_had_been_away_get_every_second_turn_at_most() {
    let line = || four().heard("late", 5, 1, NOON).heard("late", 6, 2, NOON);
    assert_eq!(line().offers(&[(5, 1), (1, 10)], &[], NOON).breaches(), []);
    let flood = line().offers(&[(5, 1), (6, 2)], &[], NOON);
    assert_eq!(flood.breaches(), [Breach::Overtaken { passed: 10, given: 2, at: NOON }]);
    let second_window = line().offers(&[(1, 10), (5, 1)], &[], NOON).offers(&[(6, 2)], &[], NOON + 1000);
    assert_eq!(second_window.breaches(), [], "late, prompt, late: which came first in a step isn't told");
}

#[test]
fn one_too_many_in_a_window_is_found_however_they_came() {
    let crowd = four().offers(&[(1, 10), (2, 20)], &[], NOON + 10).offers(&[(3, 30)], &[], NOON + 999);
    assert_eq!(crowd.breaches(), [Breach::TooMany { window: NOON, given: 3 }]);
    let walk_in = four().offers(&[(1, 10), (2, 20)], &[], NOON).claims(9, 90, NOON + 1);
    assert_eq!(walk_in.breaches(), [Breach::TooMany { window: NOON, given: 3 }]);
    let next_window = four().offers(&[(1, 10), (2, 20)], &[], NOON + 999).offers(&[(3, 30)], &[], NOON + 1000);
    assert_eq!(next_window.breaches(), []);
}

#[test]
fn a_second_turn_for_one_ticket_is_found_unless_nobody_took_the_first() {
    let twice = |history: History| {
        let at = NOON + 1000;
        history.heard("line", 1, 10, at).offers(&[(1, 10)], &[], at).breaches()
    };
    let breach = [Breach::Twice { ticket: 10, at: NOON + 1000 }];
    assert_eq!(twice(four().offers(&[(1, 10)], &[], NOON)), breach, "held");
    assert_eq!(twice(four().offers(&[(1, 10)], &[], NOON).claims(1, 10, NOON).ends(1)), breach, "used");
    assert_eq!(twice(four().offers(&[(1, 10)], &[], NOON).ends(1)), [], "not taken");
    let burnt = four().offers(&[(1, 10)], &[], NOON).ends(1).heard("line", 1, 10, NOON).offers(&[(1, 10)], &[], NOON);
    assert_eq!(twice(burnt.ends(1)), breach, "twice not taken");
}
