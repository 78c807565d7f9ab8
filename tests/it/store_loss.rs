//! Redis goes away: who is inside stays in, who waits keeps the place, and `on_store_failure` says who else gets in.

use crate::support::client::{Api, Browser, plain, try_send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::{SOON, eventually};
use gatekeeper::queue::{self, Report, Settings, Ticket};
use gatekeeper::store::redis::{RedisStore, Target};
use gatekeeper::store::{RoomRef, Store};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// One every second.
const SLOW: &str = "admission_limit = 1, admission_frequency = 1";
/// A polling period and what the issue of it takes.
const PERIOD: Duration = Duration::from_secs(40);
const BETWEEN_POLLS: Duration = Duration::from_millis(100);

struct House {
    redis: Redis,
    origin: Origin,
    gate: Gatekeeper,
    api: Api,
}

async fn house(on_failure: &str, settings: &str) -> House {
    let redis = Redis::start().await;
    let origin = Origin::start().await;
    let store = format!("on_store_failure = '{on_failure}'");
    let settings = format!("{settings}, ip_status_polling_limit = 1000000");
    let more = "[log]\naccess = false".to_owned();
    let setup = Setup { store, more, ..Setup::before(origin.addr()).settings(&settings).on_store(&redis.url()) };
    let gate = Gatekeeper::start(setup).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    House { redis, origin, gate, api }
}

/// Somebody in line: the first token, the newest one, and when the turn came.
struct Visitor {
    first: String,
    jwt: String,
    position: u64,
    ready: bool,
}

impl House {
    async fn enqueue(&self, names: impl IntoIterator<Item = &str>) -> Vec<Visitor> {
        let mut visitors = Vec::new();
        for name in names {
            let told = self.api.enqueue(name).await.json();
            assert_eq!(told["message"], "User enqueued successfully.", "{told}");
            let jwt = told["jwt"].as_str().unwrap().to_owned();
            visitors.push(Visitor {
                first: jwt.clone(),
                jwt,
                position: told["position"].as_u64().unwrap(),
                ready: false,
            });
        }
        visitors
    }

    /// Everybody asks once; the places in line of those whose turn came. No answer takes longer than half a second.
    async fn poll(&self, visitors: &mut [Visitor]) -> Vec<usize> {
        let mut ready = Vec::new();
        for (n, visitor) in visitors.iter_mut().enumerate().filter(|(_, visitor)| !visitor.ready) {
            let asked = Instant::now();
            let told = self.api.status(&visitor.jwt).await.json();
            assert!(asked.elapsed() < Duration::from_millis(900), "a poll took {:?}", asked.elapsed());
            assert_eq!(told["warning_msg"], Value::Null, "{n} lost the place: {told}");
            visitor.jwt = told["jwt_token"].as_str().unwrap().to_owned();
            if told["ready"] == true {
                visitor.ready = true;
                ready.push(n);
            } else {
                visitor.position = told["position"].as_u64().unwrap();
            }
        }
        ready
    }

    /// Polls until so many are ready, all in all; who has become so, in that order. A round may bring one more.
    async fn admit(&self, visitors: &mut [Visitor], count: usize, within: Duration) -> Vec<usize> {
        let (begun, mut ready) = (Instant::now(), Vec::new());
        while visitors.iter().filter(|visitor| visitor.ready).count() < count {
            assert!(
                begun.elapsed() < within,
                "{ready:?} came in, not {count}, within {within:?}\n{}",
                self.gate.logs()
            );
            ready.extend(self.poll(visitors).await);
            sleep(BETWEEN_POLLS).await;
        }
        ready
    }

    /// Everything that was given is known to the instance.
    async fn synced(&self) {
        let syncs = async || self.gate.metrics().await.sum("gatekeeper_store_calls_total", &[("call", "sync")]);
        let before = syncs().await;
        eventually(SOON, async || (syncs().await >= before + 2.0).then_some(())).await;
    }

    async fn away(&self) {
        eventually(SOON, async || {
            let contact = self.gate.metrics().await.value("gatekeeper_store_up", &[]);
            (contact == Some(0.0)).then_some(())
        })
        .await;
    }

    async fn end(self) {
        assert_eq!(self.gate.metrics().await.value("gatekeeper_panics_total", &[]), Some(0.0));
    }
}

#[tokio::test]
async fn local_admission_goes_on_in_order_and_what_was_given_counts_as_spent() {
    let mut house = house("local", SLOW).await;
    let inside = Browser::new(&house.gate.url(""));
    assert_eq!(inside.open("/in").await.status, 200);
    let mut line = house.enqueue(["a", "b", "c", "d", "e", "f"]).await;
    let mut order = house.admit(&mut line, 1, SOON).await;

    house.redis.kill9();
    house.away().await;
    assert_eq!(inside.open("/in").await.status, 200, "who is inside notices nothing");
    let newcomer = Browser::new(&house.gate.url(""));
    assert_eq!(newcomer.open("/new").await.status, 503);
    let ticket = newcomer.cookie("gatekeeper_checkout").expect("a real place");
    order.extend(house.admit(&mut line, 4, SOON * 2).await);
    assert!(house.gate.logs().contains("this instance admits its share by itself"));
    assert_eq!(house.api.finish(&line[1].jwt).await.json()["status"], "ready_cleared");
    assert_eq!(house.api.finish(&line[1].jwt).await.json()["status"], "not_ready");

    house.redis.restart().await;
    order.extend(house.admit(&mut line, 6, PERIOD).await);
    assert_eq!(order, [0, 1, 2, 3, 4, 5], "the line merged in ticket order");
    eventually(PERIOD, async || {
        let told = newcomer.fetch(Method::GET, "/.gatekeeper/queue/status?room=checkout").await.json();
        assert_eq!(told["warning_msg"], Value::Null, "{told}");
        (told["ready"] == true).then_some(())
    })
    .await;
    assert_ne!(newcomer.cookie("gatekeeper_checkout"), Some(ticket), "now it says ready");
    assert_eq!(newcomer.open("/new").await.status, 200);

    for (n, visitor) in line.iter().enumerate() {
        let told = house.api.status(&visitor.first).await.json();
        if n == 1 {
            assert_eq!(told["state"], "unknown", "finished while the store was away, and so it stays: {told}");
        } else {
            assert_eq!(told["state"], "ready", "an old token is answered with the same stay: {told}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn hold_admits_nobody_and_keeps_every_place() {
    let mut house = house("hold", SLOW).await;
    let mut line = house.enqueue(["a", "b", "c", "d"]).await;
    let mut order = house.admit(&mut line, 1, SOON).await;
    let jwt = line[0].jwt.clone();
    house.synced().await;
    house.redis.kill9();
    house.away().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert_eq!(house.poll(&mut line).await, Vec::<usize>::new(), "nobody new gets in");
        assert_eq!(house.api.verify(&jwt).await.json()["ready"], true, "never a false \"not ready\"");
        sleep(BETWEEN_POLLS).await;
    }
    let fresh = house.enqueue(["late"]).await;
    assert!(fresh[0].position >= 3, "a real place: {}", fresh[0].position);
    line.extend(fresh);
    house.redis.restart().await;
    order.extend(house.admit(&mut line, 5, PERIOD).await);
    assert_eq!(order, [0, 1, 2, 3, 4]);
    house.end().await;
}

#[tokio::test]
async fn open_lets_everybody_in_until_the_store_is_back() {
    let mut house = house("open", "admission_limit = 1, admission_frequency = 3600").await;
    assert_eq!(Browser::new(&house.gate.url("")).open("/first").await.status, 200);
    let waiting = Browser::new(&house.gate.url(""));
    assert_eq!(waiting.open("/shop").await.status, 503);
    house.synced().await;
    house.redis.kill9();
    eventually(SOON, async || (Browser::new(&house.gate.url("")).open("/new").await.status == 200).then_some(())).await;
    let told = waiting.fetch(Method::GET, "/.gatekeeper/queue/status?room=checkout").await.json();
    assert_eq!((&told["ready"], &told["state"]), (&json!(true), &json!("ready")), "the page goes in: {told}");
    assert_eq!(waiting.open("/shop").await.text(), "origin: GET /shop");
    let hit = house.origin.last().unwrap();
    assert_eq!(hit.header("cookie"), None, "the origin never sees our cookie");
    house.redis.restart().await;
    eventually(SOON, async || (waiting.open("/shop").await.status == 503).then_some(())).await;
    house.end().await;
}

#[tokio::test]
async fn a_stalled_store_holds_nobody_up_and_gives_no_window_twice_when_it_goes_on() {
    let house = house("local", "admission_limit = 2, admission_frequency = 3").await;
    let names: Vec<String> = (0..14).map(|n| format!("visitor-{n}")).collect();
    let mut line = house.enqueue(names.iter().map(String::as_str)).await;
    let mut order = house.admit(&mut line, 2, SOON).await;
    house.redis.stall();
    house.away().await;
    order.extend(house.admit(&mut line, 6, SOON * 2).await);
    house.redis.resume();
    order.extend(house.admit(&mut line, 14, PERIOD).await);
    // Two are called at once; where that comes in the middle of a round of polls, the second hears it first.
    assert!(order.iter().enumerate().all(|(at, n)| at.abs_diff(*n) <= 1), "{order:?}");
    let mut windows = std::collections::BTreeMap::new();
    for visitor in &line {
        *windows.entry(taken(&visitor.jwt) / 3).or_insert(0) += 1;
    }
    // A turn is taken up to a poll later than it was given, so one may have slipped into the next window.
    let pairs = windows.iter().map(|(window, count)| count + windows.get(&(window + 1)).unwrap_or(&0));
    assert!(pairs.max().unwrap() <= 4, "{windows:?}");
    house.end().await;
}

#[tokio::test]
async fn the_line_survives_the_loss_of_the_store_and_of_every_instance_at_once() {
    let mut house = house("local", "admission_limit = 1, admission_frequency = 1, mode = 'pause'").await;
    let mut line = house.enqueue(["a", "b", "c", "d", "e"]).await;
    house.redis.restart().await;
    house.gate.restart().await;
    house.api.set_config(json!({ "mode": "auto" })).await;
    // The last one comes back first.
    let begun = Instant::now();
    line.reverse();
    assert_eq!(house.poll(&mut line[..1]).await, Vec::<usize>::new(), "the place is older than the store");
    let order = house.admit(&mut line, 5, PERIOD).await;
    assert_eq!(order, [4, 3, 2, 1, 0]);
    assert!(begun.elapsed() > Duration::from_secs(20), "everybody had time to come back");
    house.end().await;
}

/// When the turn was taken, by the token: seconds.
fn taken(jwt: &str) -> u64 {
    use base64::Engine;
    let payload = jwt.split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&json).unwrap()["adm"].as_u64().unwrap()
}

#[tokio::test]
async fn a_flushed_store_is_told_the_settings_the_finishes_and_the_stays() {
    let house = house("local", "admission_limit = 100, admission_frequency = 1, max_active = 3").await;
    let mut line = house.enqueue(["a", "b", "c", "d", "e"]).await;
    house.admit(&mut line, 3, SOON).await;
    assert_eq!(house.api.finish(&line[0].jwt).await.json()["status"], "ready_cleared");
    house.admit(&mut line, 4, SOON).await;
    house.api.set_config(json!({ "message": "Back at noon", "retention_seconds": 900 })).await;

    let mut redis = house.redis.connection().await;
    redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    eventually(SOON, async || {
        let told = house.api.config().await.json();
        (told["updated_config"]["message"] == "Back at noon").then_some(())
    })
    .await;
    let told = house.api.status(&line[0].first).await.json();
    assert_eq!(told["state"], "unknown", "finished stays finished: {told}");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(27) {
        assert_eq!(house.poll(&mut line[4..]).await, Vec::<usize>::new(), "three are inside, whatever was forgotten");
        sleep(BETWEEN_POLLS).await;
    }
    assert_eq!(house.api.finish(&line[1].jwt).await.json()["status"], "ready_cleared");
    house.admit(&mut line[4..], 1, SOON).await;
    house.end().await;
}

#[tokio::test]
async fn a_turn_that_the_store_forgot_is_finished_once_all_the_same() {
    let house = house("local", "admission_limit = 100, admission_frequency = 1").await;
    let mut redis = house.redis.connection().await;
    for round in 0..5 {
        let name = format!("a{round}");
        let mut line = house.enqueue([name.as_str()]).await;
        house.admit(&mut line, 1, PERIOD).await;
        redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
        let finishes = futures_util::future::join_all((0..4).map(|_| house.api.finish(&line[0].jwt))).await;
        let told: Vec<String> =
            finishes.iter().map(|told| told.json()["status"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told.iter().filter(|status| *status == "ready_cleared").count(), 1, "round {round}: {told:?}");
        assert_eq!(house.api.status(&line[0].jwt).await.json()["state"], "unknown");
    }
    house.end().await;
}

/// More than one call tells, finished before anybody of this test.
const FINISHED_BEFORE: u64 = 20_000;

#[tokio::test]
async fn an_instance_that_begins_knows_who_has_finished_before_it_answers() {
    let house = house("hold", "admission_limit = 1000, admission_frequency = 1").await;
    let store = RedisStore::new(Target::parse(&house.redis.url(), None).unwrap(), SOON);
    let defaults = Settings::default();
    for part in 0..FINISHED_BEFORE / 1000 {
        let finished = (0..1000).map(|n| (queue::Visitor([7; 16]), Ticket(part * 1000 + n + 1))).collect();
        let report = Report { instance: 9, finished, ..Report::default() };
        store.sync(RoomRef { name: "checkout", defaults: &defaults }, &report).await.unwrap();
    }
    let mut guest = house.enqueue(["a"]).await;
    house.admit(&mut guest, 1, SOON).await;
    assert_eq!(house.api.finish(&guest[0].jwt).await.json()["status"], "ready_cleared");
    house.api.set_config(json!({ "mode": "pause" })).await;
    house.gate.kill();
    let again = house.gate.beside(&[]);
    let request = plain().build().unwrap().get(again.url("/in")).header("jwt", &guest[0].jwt);
    let first = eventually(SOON * 2, async || try_send(request.try_clone().unwrap()).await.ok()).await;
    assert_eq!((first.status, house.origin.hits().len()), (503, 0), "{}", first.text());
}

#[tokio::test]
async fn verify_believes_the_token_that_another_instance_gave_alone() {
    let (redis, origin) = (Redis::start().await, Origin::start().await);
    let settings = "admission_limit = 2, admission_frequency = 2, ip_status_polling_limit = 100000";
    let mut gates = Vec::new();
    for _ in 0..2 {
        gates.push(Gatekeeper::start(Setup::before(origin.addr()).settings(settings).on_store(&redis.url())).await);
    }
    for gate in &gates {
        let known = async || gate.metrics().await.value("gatekeeper_store_up", &[]) == Some(1.0);
        eventually(SOON, async || known().await.then_some(())).await;
    }
    redis.stall();
    for gate in &gates {
        eventually(SOON * 2, async || (gate.metrics().await.sum("gatekeeper_alone", &[]) >= 1.0).then_some(())).await;
    }
    let [here, there] = [0, 1].map(|n| Api::new(&gates[n].url(""), FULL_KEY));
    for n in 0..25 {
        assert_eq!(here.enqueue(&format!("before-{n}")).await.status, 200);
    }
    let waiting = here.enqueue("ann").await.json()["jwt"].as_str().unwrap().to_owned();
    let ready = eventually(PERIOD, async || {
        let told = there.status(&waiting).await.json();
        (told["ready"] == true).then(|| told["jwt_token"].as_str().unwrap().to_owned())
    })
    .await;
    assert_eq!(here.verify(&ready).await.json()["ready"], true, "her place is in the line of this instance too");
}
