//! Three instances on one Redis and a crowd that asks any of them: never more than the limit in a window, nobody
//! overtaken, no place lost when an instance dies, and what one instance is told holds on all within a second.
//!
//! The judge is Redis's own log of every change, gone through from its first line to its last (`support/replay.rs`).

use crate::support::client::Api;
use crate::support::doors::{Doors, Token, Way, token_in};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::replay::{Replay, Rules};
use crate::support::{append_log, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

const VISITORS: usize = 5000;
/// Slow enough that who comes last and stays away for longer than presence is back before the turn: late, not called.
const RULES: Rules = Rules { limit: 200, window_seconds: 2, presence_seconds: 30 };
/// They come all this time, while others go in.
const ARRIVING: Duration = Duration::from_secs(9);
/// One instance is killed so long after the beginning, and is away for so long.
const KILLED_AFTER: Duration = Duration::from_secs(6);
const AWAY: Duration = Duration::from_secs(3);
/// What one instance is told holds on the others after this.
const EVERYWHERE: Duration = Duration::from_secs(1);

struct House {
    redis: Redis,
    origin: Origin,
    gates: Vec<Gatekeeper>,
    apis: Vec<Api>,
}

async fn house(settings: &str) -> House {
    let redis = Redis::start_with(&append_log::OPTIONS).await;
    let origin = Origin::start().await;
    let mut gates = Vec::new();
    for _ in 0..3 {
        gates.push(Gatekeeper::start(Setup::before(origin.addr()).settings(settings).on_store(&redis.url())).await);
    }
    let apis = gates.iter().map(|gate| Api::new(&gate.url(""), FULL_KEY)).collect();
    House { redis, origin, gates, apis }
}

/// What a visitor does beside waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Waits,
    /// Asks once and is never seen again.
    Leaves,
    /// Asks once, and again only after so long.
    Returns(Duration),
}

impl Patience {
    fn of(n: usize) -> Self {
        let long = Duration::from_secs(RULES.presence_seconds + 1);
        match n % 50 {
            7 => Self::Leaves,
            19 => Self::Returns(Duration::from_secs(10)),
            // Of these the first miss a turn, the last are absent when theirs comes.
            33 => Self::Returns(long),
            _ if n > VISITORS * 9 / 10 && n.is_multiple_of(10) => Self::Returns(long),
            _ => Self::Waits,
        }
    }
}

struct Visitor<'a> {
    doors: &'a Doors,
    n: usize,
    way: Way,
    jwt: String,
    ticket: u64,
    /// Calls that got no answer and were made again elsewhere.
    retries: usize,
}

impl<'a> Visitor<'a> {
    /// Comes in by the door of their choice, or the next one where that is shut.
    async fn arrives(doors: &'a Doors, n: usize) -> Self {
        let way = if n.is_multiple_of(2) { Way::Api } else { Way::Browser };
        for retries in 0..20 {
            let answer = match way {
                // A call that was cut off may have been heard, and no token is handed out twice: another name.
                Way::Api => doors.enqueue(n + retries, &format!("visitor-{n}-{retries}")).await,
                Way::Browser => doors.open(n + retries, "/", None).await,
            };
            if let Ok(jwt) = answer.map(|answer| token_in(&answer).unwrap_or_else(|| panic!("{n}: {}", answer.text())))
            {
                let ticket = Token::read(&jwt).tkt;
                return Self { doors, n, way, jwt, ticket, retries };
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("visitor {n} found no open door");
    }

    /// Asks, another instance each time, and keeps the token that comes back.
    async fn asks(&mut self, poll: usize) -> Value {
        for attempt in 0..20 {
            let Ok(answer) = self.doors.status(self.n + poll + attempt, self.way, &self.jwt).await else {
                self.retries += 1;
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            assert_eq!(answer.status, 200, "visitor {}: {}", self.n, answer.text());
            let told = answer.json();
            assert_eq!(told["warning_msg"], Value::Null, "visitor {} lost the place: {told}", self.n);
            self.jwt = token_in(&answer).unwrap_or(std::mem::take(&mut self.jwt));
            assert_eq!(Token::read(&self.jwt).tkt, self.ticket, "visitor {} has another place", self.n);
            return told;
        }
        panic!("visitor {} got no answer", self.n);
    }

    /// Waits as told until the turn has come; false where they went away.
    async fn waits(&mut self) -> bool {
        for poll in 1.. {
            let told = self.asks(poll).await;
            if told["ready"] == true {
                return true;
            }
            match Patience::of(self.n) {
                Patience::Leaves => return false,
                Patience::Returns(after) if poll == 1 => sleep(after).await,
                _ => sleep(Duration::from_millis(told["poll_after_ms"].as_u64().unwrap())).await,
            }
        }
        unreachable!()
    }
}

/// One visitor's whole way: the ticket, whether they were let in, and how often they had to turn to another door.
async fn visit(doors: &Doors, n: usize) -> (u64, bool, usize) {
    sleep(ARRIVING * u32::try_from(n).unwrap() / u32::try_from(VISITORS).unwrap()).await;
    let mut visitor = Visitor::arrives(doors, n).await;
    let is_ready = visitor.waits().await;
    (visitor.ticket, is_ready, visitor.retries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_before_three_instances_goes_in_by_the_limit_and_in_order() {
    let Rules { limit, window_seconds, presence_seconds } = RULES;
    let mut house = house(&format!(
        "admission_limit = {limit}, admission_frequency = {window_seconds}, presence_seconds = {presence_seconds}, \
         ip_enqueue_limit = 1000000, ip_status_polling_limit = 1000000"
    ))
    .await;
    let doors = Doors::of(&house.gates);
    let struck = async {
        sleep(KILLED_AFTER).await;
        house.gates[1].kill();
        sleep(AWAY).await;
        house.gates[1].restart().await;
    };
    let (visits, ()) = tokio::join!(join_all((0..VISITORS).map(|n| visit(&doors, n))), struck);

    let replay = Replay::of("checkout", RULES, &append_log::read(house.redis.directory()));
    let most = replay.windows.values().max().unwrap();
    let late = replay.offers.iter().filter(|offer| offer.late).count();
    let retries: usize = visits.iter().map(|visit| visit.2).sum();
    println!(
        "{} turns in {} windows, {most} at most in one of {limit}; {late} to people who had been away; {retries} calls made again",
        replay.offers.len(),
        replay.windows.len(),
    );
    assert_eq!(replay.breaches, []);
    let went_in: BTreeSet<u64> = visits.iter().filter(|visit| visit.1).map(|visit| visit.0).collect();
    let stayed = (0..VISITORS).filter(|&n| Patience::of(n) != Patience::Leaves).count();
    let inside = visits.iter().filter(|visit| visit.1).count();
    assert!(inside >= stayed, "{inside} of {stayed} went in");
    assert_eq!(replay.claimed, went_in, "who went in is who took a turn");
    // Nothing of this may have been left out by chance.
    assert!(late > 10, "{late} came back late");
    assert!(retries > 10, "{retries} calls met the dead instance");
    for gate in &house.gates {
        let metrics = gate.metrics().await;
        assert_eq!(metrics.sum("gatekeeper_panics_total", &[]), 0.0);
        let polls = metrics.sum("gatekeeper_polls_total", &[]);
        let claims = metrics.sum("gatekeeper_store_calls_total", &[("call", "claim")]);
        println!("{polls} polls made {claims} claims");
        assert!(polls > 100.0 && claims <= polls, "each instance had its share");
    }
}

/// Asks for a page of the site through one instance, over and over until `end`: when it was told to wait.
async fn knocks(doors: &Doors, door: usize, jwt: &str, end: Instant) -> Vec<Instant> {
    let mut refused = Vec::new();
    while Instant::now() < end {
        let answer = doors.fetch(door, &format!("/inside/{door}"), jwt).await.unwrap();
        match answer.status {
            200 => {}
            503 => refused.push(Instant::now()),
            other => panic!("{other}: {}", answer.text()),
        }
        sleep(Duration::from_millis(10)).await;
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finishes_at_one_instance_is_forwarded_by_none_within_a_second() {
    let house = house("admission_limit = 10, admission_frequency = 1, max_active = 1").await;
    let doors = Doors::of(&house.gates);
    let anna = token_in(&house.apis[0].enqueue("anna").await).unwrap();
    let anna = eventually(Duration::from_secs(5), async || {
        let answer = house.apis[0].status(&anna).await;
        (answer.json()["ready"] == true).then(|| token_in(&answer).unwrap())
    })
    .await;
    // One of them gets the turn that anna gives back, one goes on waiting: the room stays busy.
    for name in ["berta", "carla"] {
        assert_eq!(house.apis[0].enqueue(name).await.status, 200);
    }
    let begin = Instant::now();
    let told = begin + Duration::from_secs(1);
    let (no_more, end) = (told + EVERYWHERE, told + EVERYWHERE * 2);
    let finish = async {
        sleep_until(told).await;
        assert_eq!(house.apis[1].finish(&anna).await.json()["status"], "ready_cleared");
    };
    let knocking = join_all((0..3).map(|door| knocks(&doors, door, &anna, end)));
    let (refused, ()) = tokio::join!(knocking, finish);
    let hits = house.origin.hits();
    for (door, refused) in refused.iter().enumerate() {
        let forwarded: Vec<Instant> = hits
            .iter()
            .filter(|hit| hit.path() == format!("/inside/{door}"))
            .map(|hit| Instant::from_std(hit.at))
            .collect();
        assert!(forwarded.iter().filter(|&&at| at < told).count() > 10, "instance {door} forwarded before");
        let last = *forwarded.last().unwrap();
        assert!(last < no_more, "instance {door} forwarded {:?} after the finish", last - told);
        assert!(refused.iter().filter(|&&at| at > no_more).count() > 10, "instance {door} was asked afterwards");
        println!("instance {door} forwarded last {} ms after the finish was told", (last - told.min(last)).as_millis());
    }
    for api in &house.apis {
        assert_eq!(api.verify(&anna).await.json()["ready"], false);
        assert_eq!(api.finish(&anna).await.json()["status"], "not_ready");
    }
}

#[tokio::test]
async fn a_change_told_to_one_instance_holds_on_all_within_a_second() {
    let house = house("admission_limit = 10, admission_frequency = 1").await;
    for (teller, change) in
        [json!({ "mode": "pause", "message": "one moment" }), json!({ "message": "soon" })].into_iter().enumerate()
    {
        let no_more = Instant::now() + EVERYWHERE;
        assert_eq!(house.apis[teller].set_config(change.clone()).await.status, 200);
        let told = house.apis[teller].enqueue(&format!("berta-{teller}")).await;
        let jwt = token_in(&told).unwrap();
        let follows = async |api: &Api| {
            loop {
                let told = api.status(&jwt).await.json();
                if told["state"] == "paused" && told["message"] == change["message"] {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        let all = timeout_at(no_more, join_all(house.apis.iter().map(follows))).await;
        assert!(all.is_ok(), "{change} wasn't in force on every instance within {EVERYWHERE:?}");
    }
}
