//! What a visitor's tokens are worth together, and where nobody needs one.

use crate::support::client::{Api, Browser, next_address, plain, send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use gatekeeper::queue::Time;
use gatekeeper::token::{Claims, Keyring};
use http::Method;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const COOKIE: &str = "gatekeeper_checkout";
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";
const HOUR: u64 = 3600;

fn keys() -> Keyring {
    Keyring::new(&[SECRET], None).unwrap()
}

fn claims(jwt: &str) -> Claims {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    keys().verify(jwt, "checkout", Time(u64::try_from(now.as_millis()).unwrap())).unwrap().claims
}

/// A busy gate, and the one visitor who is in.
async fn busy(settings: &str) -> (Origin, Gatekeeper, Browser) {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(settings)).await;
    let first = Browser::new(&gate.url(""));
    assert_eq!(first.open("/in").await.status, 200);
    (origin, gate, first)
}

#[tokio::test]
async fn an_old_token_in_the_address_costs_no_place() {
    let (_origin, gate, first) = busy(BUSY).await;
    let visitor = Browser::new(&gate.url(""));
    assert_eq!(visitor.open("/shop").await.status, 503);
    visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await;
    let place = claims(&visitor.cookie(COOKIE).unwrap()).ticket();
    // A stay that ran out an hour ago, and a place that was kept long enough.
    let mut stay = claims(&first.cookie(COOKIE).unwrap());
    stay.sub = "somebody-once".to_owned();
    (stay.iat, stay.exp) = (stay.iat - HOUR, stay.exp - HOUR);
    stay.adm = stay.adm.map(|at| at - HOUR);
    stay.rdy = stay.rdy.map(|at| at - HOUR);
    let mut waiting = Claims { adm: None, rdy: None, ..stay.clone() };
    waiting.tkt -= HOUR * 1_000_000;
    for old in [stay, waiting] {
        let old = keys().sign(&old);
        assert_eq!(visitor.open(&format!("/shop?jwt={old}")).await.status, 503);
        assert_eq!(claims(&visitor.cookie(COOKIE).unwrap()).ticket(), place, "the place is lost");
    }
}

#[tokio::test]
async fn where_the_queue_is_off_no_limit_of_entries_counts() {
    let (_origin, gate, _first) =
        busy(&format!("{BUSY}, ip_enqueue_limit = 1, ip_enqueue_limit_interval = 3600")).await;
    let address = next_address();
    let [one, other] = [0, 1].map(|_| Browser::at(&gate.url(""), address));
    let mut answers = Vec::new();
    for browser in [&one, &other] {
        assert_eq!(browser.open("/shop").await.status, 503);
        answers.push(browser.fetch(Method::GET, "/.gatekeeper/queue/status").await.status);
    }
    assert_eq!(answers, [200, 429]);
    let api = Api::new(&gate.url(""), FULL_KEY);
    assert_eq!(api.set_config(json!({ "mode": "off" })).await.status, 200);
    assert_eq!(other.open("/shop").await.status, 200);
    assert_eq!(other.fetch(Method::GET, "/.gatekeeper/queue/status").await.json()["ready"], true);
}

/// A browser opens twenty tabs at once, and one of them gets the only turn there is: whatever answer comes last.
#[tokio::test]
async fn no_answer_to_a_parallel_request_takes_a_turn_away() {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(BUSY)).await;
    let tabs: Vec<_> = (0..20).map(|_| Browser::new(&gate.url(""))).collect();
    let answers = futures_util::future::join_all(tabs.iter().map(|tab| tab.open("/shop"))).await;
    let inside = answers.iter().position(|answer| answer.status == 200).expect("one walks in");
    assert_eq!(answers.iter().filter(|answer| answer.status == 503).count(), 19);
    for late in (0..20).filter(|tab| *tab != inside) {
        let pair = |tab: usize, name: &str| tabs[tab].cookie(name).map(|value| format!("{name}={value}"));
        let jar = [pair(late, COOKIE), pair(inside, &format!("{COOKIE}.in"))].map(Option::unwrap).join("; ");
        let ask = |path: &str| plain().build().unwrap().get(gate.url(path)).header("cookie", &jar);
        let told = send(ask("/.gatekeeper/queue/status?room=checkout")).await;
        assert_eq!(told.json()["ready"], true, "the page goes in: {}", told.text());
        let turn = format!("{COOKIE}={}", tabs[inside].cookie(COOKIE).unwrap());
        assert!(told.set_cookies().iter().any(|line| line.starts_with(&turn)), "put back: {:?}", told.set_cookies());
        let again = send(ask("/shop").header("sec-fetch-mode", "navigate")).await;
        assert_eq!(again.status, 200);
        let put_back = again.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
        assert!(put_back.starts_with(&turn), "{put_back}");
    }
    let last = origin.last().unwrap();
    assert_eq!(last.header("cookie"), None, "the origin sees neither");
}
