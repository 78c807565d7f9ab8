//! The gate on the way to the origin: who passes, who waits, what the origin and the visitor get to see.

use crate::support::client::{self, Answer as Got, Api, Browser, next_address, plain, raw, send, websocket};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Place, SECRET, Setup};
use crate::support::metrics::Metrics;
use crate::support::origin::{Answer, Origin};
use crate::support::pki::TestCa;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::raw_origin::RawOrigin;
use crate::support::{SOON, eventually};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{self, Message};

/// One gets in an hour: who comes later waits for the whole test.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";
const COOKIE: &str = "gatekeeper_checkout";

struct House {
    origin: Origin,
    gate: Gatekeeper,
    api: Api,
}

async fn house(settings: &str) -> House {
    house_with(settings, |setup| setup).await
}

async fn house_with(settings: &str, change: impl FnOnce(Setup) -> Setup) -> House {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(change(Setup::before(origin.addr()).settings(settings))).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    House { origin, gate, api }
}

/// A house that is full, and the one visitor who is in.
async fn busy_house(change: impl FnOnce(Setup) -> Setup) -> (House, Browser) {
    let house = house_with(BUSY, change).await;
    let first = house.browser();
    assert_eq!(first.open("/welcome").await.text(), "origin: GET /welcome");
    let stranger = house.browser();
    eventually(SOON, async || (stranger.fetch(Method::GET, "/full").await.status == 503).then_some(())).await;
    house.origin.forget_hits();
    (house, first)
}

impl House {
    fn browser(&self) -> Browser {
        Browser::new(&self.gate.url(""))
    }

    async fn set(&self, change: Value) {
        assert_eq!(self.api.set_config(change).await.status, 200);
    }

    async fn store_calls(&self) -> (f64, f64) {
        let metrics = self.gate.metrics().await;
        let calls = |labels: &[(&str, &str)]| metrics.sum("gatekeeper_store_calls_total", labels);
        (calls(&[]) - calls(&[("call", "sync")]), calls(&[("call", "sync")]))
    }

    /// How many wait, once a further sync has brought everything up.
    async fn waiting(&self) -> u64 {
        let (_, before) = self.store_calls().await;
        eventually(SOON, async || (self.store_calls().await.1 >= before + 2.0).then_some(())).await;
        let answer = self.browser().fetch(Method::GET, "/count").await;
        answer.json()["waiting"].as_u64().unwrap()
    }

    async fn end(self) {
        let Metrics(samples) = self.gate.metrics().await;
        let panics = samples.iter().find(|sample| sample.name == "gatekeeper_panics_total").unwrap();
        assert_eq!(panics.value, 0.0);
        let logs = self.gate.logs();
        for secret in [FULL_KEY, SECRET, "eyJ0eXAi"] {
            assert!(!logs.contains(secret), "the log holds {secret}");
        }
    }
}

#[track_caller]
fn is_waiting_page(answer: &Got) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-robots-tag"), Some("noindex"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(answer.header("vary").is_some());
    assert!(answer.header("etag").is_none() && answer.header("last-modified").is_none());
}

#[tokio::test]
async fn who_comes_first_is_let_in_on_the_spot() {
    let house = house("").await;
    let visitor = house.browser();
    let page = visitor.open("/shop?a=b").await;
    assert_eq!((page.status, page.text().as_str()), (200, "origin: GET /shop"));
    assert_eq!(page.header("cache-control"), Some("private"));
    let line = page.set_cookies()[0].to_owned();
    assert!(line.starts_with("gatekeeper_checkout=ey"), "{line}");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("Secure"), "no https here: {line}");
    let again = visitor.open("/shop").await;
    assert_eq!((again.status, again.set_cookies().len()), (200, 0));
    let script = house.browser().fetch(Method::GET, "/data").await;
    assert_eq!((script.status, script.set_cookies().len()), (200, 0));
    house.end().await;
}

#[tokio::test]
async fn a_busy_room_shows_the_waiting_page_and_keeps_the_ticket() {
    let (house, first) = busy_house(|setup| setup).await;
    let visitor = house.browser();
    let page = visitor.open("/shop?a=b").await;
    is_waiting_page(&page);
    assert_eq!((page.set_cookies().len(), page.url.path()), (1, "/shop"));
    let ticket = claim(&visitor.cookie(COOKIE).unwrap(), "tkt");
    for _ in 0..3 {
        is_waiting_page(&visitor.open("/shop").await);
        assert_eq!(claim(&visitor.cookie(COOKIE).unwrap(), "tkt"), ticket);
    }
    let status = visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await.json();
    assert_eq!((&status["state"], &status["position"]), (&json!("waiting"), &json!(1)));
    assert_eq!(house.waiting().await, 1);
    assert_eq!(house.origin.hits().len(), 0);
    assert_eq!(first.open("/inside").await.text(), "origin: GET /inside");
    house.set(json!({"admission_limit": 100})).await;
    eventually(SOON, async || (visitor.open("/shop").await.status == 200).then_some(())).await;
    assert_eq!(claim(&visitor.cookie(COOKIE).unwrap(), "tkt"), ticket);
    house.end().await;
}

/// A claim of a token, unverified.
fn claim(token: &str, name: &str) -> Value {
    use base64::Engine;
    let body = token.split('.').nth(1).unwrap();
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    serde_json::from_slice::<Value>(&body).unwrap()[name].clone()
}

#[tokio::test]
async fn what_is_no_navigation_gets_json_and_takes_no_place() {
    let (house, _first) = busy_house(|setup| setup).await;
    let script = house.browser();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = script.fetch(method, "/data").await;
        assert_eq!((answer.status, answer.header("content-type")), (503, Some("application/json")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("retry-after").is_some() && answer.set_cookies().is_empty());
        let body = answer.json();
        assert_eq!(
            (&body["waiting_room"], &body["ready"], &body["position"]),
            (&json!(true), &json!(false), &Value::Null)
        );
        assert_eq!((&body["state"], &body["jwt_token"]), (&json!("unknown"), &json!("")));
        let url = |name: &str| body[name].as_str().unwrap().to_owned();
        assert!(url("status_url").starts_with("/.gatekeeper/queue/status"));
        assert!(url("enqueue_url").starts_with("/.gatekeeper/queue/enqueue"));
    }
    assert_eq!(house.waiting().await, 0);
    let enqueue = script.fetch(Method::POST, "/.gatekeeper/queue/enqueue").await;
    assert_eq!((enqueue.status, enqueue.json()["position"].as_u64()), (200, Some(1)), "{}", enqueue.text());
    assert_eq!(enqueue.json()["jwt"], "");
    assert!(script.cookie(COOKIE).is_some());
    assert_eq!(house.waiting().await, 1);
    house.end().await;
}

#[tokio::test]
async fn who_keeps_no_cookie_adds_nobody_to_the_line() {
    let (house, _first) = busy_house(|setup| setup).await;
    for _ in 0..50 {
        is_waiting_page(&house.browser().open("/shop").await);
    }
    assert_eq!(house.waiting().await, 0);
    house.end().await;
}

const BYPASSES: &str = r#"
[[sites.bypass]]
path = "/free/**"
[[sites.bypass]]
path = "/hook"
methods = ["POST"]
[[sites.bypass]]
path = "/office"
from = ["127.2.0.0/16"]
[[sites.bypass]]
path = "/pass"
header = { name = "x-gate-pass", value = "sixteen-characters-long" }
"#;

#[tokio::test]
async fn exceptions_touch_no_store_and_set_no_cookie() {
    let (house, _first) = busy_house(|setup| Setup { more: BYPASSES.into(), ..setup }).await;
    let office = Browser::at(&house.gate.url(""), "127.2.0.9".parse().unwrap());
    let visitor = house.browser();
    let before = house.store_calls().await.0;
    let pass =
        |value: &'static str| send(visitor.navigation(Method::GET, "/pass", "none").header("x-gate-pass", value));
    let preflight = visitor.script(Method::OPTIONS, "/data").header("origin", "https://a.test");
    let passing = [
        visitor.open("/free/a").await,
        visitor.open("/free").await,
        send(visitor.script(Method::POST, "/hook").body("x")).await,
        office.open("/office").await,
        pass("sixteen-characters-long").await,
        visitor.open("/robots.txt").await,
        visitor.open("/.well-known/acme-challenge/x").await,
        send(preflight.header("access-control-request-method", "PUT")).await,
    ];
    for answer in &passing {
        assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{}", answer.url);
        assert!(answer.text().starts_with("origin: "));
    }
    assert_eq!(house.store_calls().await.0, before);
    for path in ["/free2", "/hook", "/office", "/robots.txt/x", "/well-known/x"] {
        is_waiting_page(&house.browser().open(path).await);
    }
    is_waiting_page(&pass("sixteen-characters-wron").await);
    house.end().await;
}

#[tokio::test]
async fn no_spelling_of_a_path_slips_past_the_rules() {
    let (house, _first) =
        busy_house(|setup| Setup { more: "[[sites.bypass]]\npath = \"/static/**\"".into(), ..setup }).await;
    for path in [
        "/checkout",
        "//checkout",
        "/static/../checkout",
        "/static/%2e%2e/checkout",
        "/static/%2E%2E%2Fcheckout",
        "/static/..%2fcheckout",
        "/static/..;/checkout",
        "/static/..\\checkout",
        "/static/%5c../checkout",
        "/static/.%2e/checkout",
        "/static/%252e%252e/checkout",
        "/%2e/checkout",
        "/Static/a",
        "/static%2f..%2fcheckout",
        "/static/a/../../checkout",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&raw(house.gate.addr(), request.as_bytes(), SOON).await).into_owned();
        let refused = answer.starts_with("HTTP/1.1 503") || answer.starts_with("HTTP/1.1 400");
        assert!(refused, "{path}: {}", answer.lines().next().unwrap_or_default());
    }
    assert_eq!(house.origin.hits().len(), 0);
    assert_eq!(house.browser().open("/static/a.css").await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn c15_a_token_opens_by_header_bearer_and_query_and_the_origin_hears_who_it_is() {
    let (house, first) = busy_house(|setup| setup).await;
    let jwt = first.cookie(COOKIE).unwrap();
    let client = plain().build().unwrap();
    let url = |path: &str| house.gate.url(path);
    let tries = [
        client.get(url("/header")).header("jwt", &jwt),
        client.get(url("/bearer")).bearer_auth(&jwt),
        client.get(url(&format!("/query?a=1&jwt={jwt}&b=2"))),
        client.get(url("/cookie")).header("cookie", format!("x=y; {COOKIE}={jwt}; z=1")),
    ];
    for request in tries {
        assert_eq!(send(request).await.status, 200);
        let hit = house.origin.last().unwrap();
        assert_eq!(hit.header("jwt"), Some(jwt.as_str()), "{}", hit.path());
        assert_eq!(hit.header("x-gatekeeper-room"), Some("checkout"));
        assert_eq!(hit.header("x-gatekeeper-user"), claim(&jwt, "sub").as_str());
    }
    let query = house.origin.await_hit("/query").await;
    assert_eq!(query.uri.query(), Some(format!("a=1&jwt={jwt}&b=2").as_str()), "the query goes through untouched");
    assert_eq!(house.origin.await_hit("/cookie").await.header("cookie"), Some("x=y; z=1"));
    let foreign = client
        .get(url("/foreign"))
        .bearer_auth("eyJhbGciOiJub25lIn0.e30.x")
        .header("cookie", format!("{COOKIE}={jwt}"));
    assert_eq!(send(foreign).await.status, 200);
    let hit = house.origin.await_hit("/foreign").await;
    assert_eq!(hit.header("authorization"), Some("Bearer eyJhbGciOiJub25lIn0.e30.x"));
    let alone = client.get(url("/foreign")).bearer_auth("eyJhbGciOiJub25lIn0.e30.x");
    assert_eq!(send(alone).await.status, 503);
    house.end().await;
}

#[tokio::test]
async fn what_only_the_gate_may_say_is_taken_from_clients() {
    let house = house("").await;
    let address = next_address();
    let visitor = Browser::at(&house.gate.url(""), address);
    let mut request = visitor.navigation(Method::GET, "/shop", "none");
    for name in [
        "x_gatekeeper_user",
        "x-gatekeeper-user",
        "X-Gatekeeper-Room",
        "jwt",
        "X-Original-URL",
        "x_original_url",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Request-Id",
    ] {
        request = request.header(name, "forged");
    }
    assert_eq!(send(request.header("x-custom", "kept")).await.status, 200);
    let hit = house.origin.await_hit("/shop").await;
    assert!(!hit.headers.values().any(|value| value == "forged"), "{:?}", hit.headers);
    assert_eq!(hit.header("x-custom"), Some("kept"));
    assert_eq!(hit.header("x-forwarded-for"), Some(address.to_string().as_str()));
    assert_eq!(hit.header("x-forwarded-proto"), Some("http"));
    assert_eq!(hit.header("x-forwarded-host"), Some(house.gate.addr().to_string().as_str()));
    assert!(hit.header("x-request-id").is_some_and(|id| id.len() >= 16));
    assert_eq!(hit.header("jwt"), visitor.cookie(COOKIE).as_deref());
    house.end().await;
}

#[tokio::test]
async fn the_origin_ends_a_stay_by_a_header_that_nobody_sees() {
    let (house, first) = busy_house(|setup| setup).await;
    house.origin.on("/thanks", |_| Answer::finish());
    let jwt = first.cookie(COOKIE).unwrap();
    let page = first.open("/thanks").await;
    assert_eq!((page.text().as_str(), page.header("gatekeeper-command")), ("origin: thank you", None));
    assert_eq!(house.api.verify(&jwt).await.json()["ready"], false);
    is_waiting_page(&first.open("/shop").await);
    house.end().await;
}

#[tokio::test]
async fn c15_a_token_in_the_query_can_be_moved_to_the_cookie() {
    let (house, first) = busy_house(|setup| Setup { site: "strip_query_token = true".into(), ..setup }).await;
    let jwt = first.cookie(COOKIE).unwrap();
    let other =
        Browser::with(&house.gate.url(""), next_address(), |client| client.redirect(reqwest::redirect::Policy::none()));
    let moved = other.open(&format!("/shop?a=1&jwt={jwt}&b=2")).await;
    assert_eq!((moved.status, moved.header("location")), (303, Some("/shop?a=1&b=2")));
    assert_eq!((other.cookie(COOKIE), moved.header("cache-control")), (Some(jwt), Some("no-store")));
    assert_eq!(other.open("/shop?a=1&b=2").await.status, 200);
    assert_eq!(house.origin.last().unwrap().uri.query(), Some("a=1&b=2"));
    house.end().await;
}

#[tokio::test]
async fn a_form_that_meets_the_waiting_page_is_told_that_nothing_was_sent() {
    let (house, _first) = busy_house(|setup| setup).await;
    let visitor = house.browser();
    let page = visitor.submit("/order", "a=b").await;
    is_waiting_page(&page);
    let get = house.browser().open("/order").await;
    let says = |answer: &Got| {
        answer.text().to_lowercase().contains("not sent") || answer.text().to_lowercase().contains("nothing was sent")
    };
    assert!(says(&page) && !says(&get), "{}", page.text());
    assert!(visitor.cookie(COOKIE).is_some());
    let stranger = house.browser();
    let page = stranger.submit_cross_site("/paid", "a=b").await;
    is_waiting_page(&page);
    assert!(page.set_cookies().is_empty() && stranger.cookie(COOKIE).is_none());
    assert_eq!(house.origin.hits().len(), 0);
    house.end().await;
}

#[tokio::test]
async fn the_modes_do_what_they_say() {
    let (house, first) = busy_house(|setup| setup).await;
    let sees = async |mode: &str, status: u16| {
        house.set(json!({"mode": mode})).await;
        let visitor = house.browser();
        assert_eq!(visitor.open("/shop").await.status, status, "{mode}");
        assert_eq!(visitor.fetch(Method::GET, "/data").await.status, status, "{mode}");
        visitor
    };
    assert_eq!(sees("off", 200).await.cookie(COOKIE), None);
    assert_eq!(sees("observe", 200).await.cookie(COOKIE), None);
    let closed = sees("closed", 503).await;
    assert_eq!(closed.cookie(COOKIE), None, "who is turned away has no place");
    assert_eq!(closed.fetch(Method::GET, "/data").await.json()["state"], "closed");
    let paused = sees("pause", 503).await;
    assert_eq!(paused.fetch(Method::GET, "/.gatekeeper/queue/status").await.json()["state"], "paused");
    assert_eq!(first.open("/inside").await.status, 200, "who is in stays in");
    house.end().await;
}

#[tokio::test]
async fn websockets_pass_with_a_turn_alone() {
    let (house, first) = busy_house(|setup| setup).await;
    house.origin.on("/chat", |_| Answer::websocket());
    let refused = websocket(house.gate.addr(), "/chat", &[]).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 503));
    let cookie = format!("{COOKIE}={}", first.cookie(COOKIE).unwrap());
    let mut socket = websocket(house.gate.addr(), "/chat", &[("cookie", &cookie)]).await.unwrap();
    for text in ["hello", "again"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    house.end().await;
}

/// An origin that answers before pingora has looked at the end of the (empty) request must not have it taken for the end of
/// the WebSocket. Many at once, since that is a matter of microseconds.
#[tokio::test(flavor = "multi_thread")]
async fn no_websocket_ends_as_it_begins() {
    let house = house("").await;
    house.origin.on("/chat", |_| Answer::websocket());
    let address = house.gate.addr();
    let person = || {
        tokio::spawn(async move {
            for nth in 0..50 {
                let mut socket = websocket(address, "/chat", &[]).await.unwrap();
                socket.send(Message::text("hello")).await.unwrap();
                let answer = socket.next().await;
                assert!(matches!(&answer, Some(Ok(said)) if *said == Message::text("hello")), "{nth}: {answer:?}");
                socket.close(None).await.unwrap();
            }
        })
    };
    for person in [(); 16].map(|()| person()) {
        person.await.unwrap();
    }
    house.end().await;
}

#[tokio::test]
async fn events_come_through_as_they_happen() {
    let house = house("").await;
    house.origin.on("/events", |_| Answer::events(3, Duration::from_secs(2)));
    let begun = Instant::now();
    let response = house.browser().script(Method::GET, "/events").send().await.unwrap();
    let mut body = response.bytes_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "data: 0\n\n".as_bytes());
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    drop(body);
    house.end().await;
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let house = house("").await;
    house.origin.on("/big", |_| Answer::big(20_000_000));
    let visitor = house.browser();
    assert_eq!(visitor.open("/big").await.body.len(), 20_000_000);
    assert_eq!(visitor.submit("/upload", &"x".repeat(10_000_000)).await.status, 200);
    assert_eq!(house.origin.await_hit("/upload").await.body_length, 10_000_000);
    house.end().await;
}

#[tokio::test]
async fn http2_over_tls_goes_end_to_end() {
    let (ca, origin, place, port) = (TestCa::new(), Origin::start().await, Place::new(), free_port());
    let long = format!(
        "[[server.listeners]]\naddr = \"127.0.0.1:{port}\"\ntls = {{ cert = \"{}\", key = \"{}\" }}\n",
        ca.certificate().display(),
        ca.key().display()
    );
    let setup = Setup { more: long, ..Setup::before(origin.addr()) };
    let toml = setup.toml(&place).lines().filter(|line| !line.starts_with("listen =")).collect::<Vec<_>>().join("\n");
    std::fs::write(place.config_file(), toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.arg("run").arg("--config").arg(place.config_file()).current_dir(place.directory());
    let process = Process::spawn("gatekeeper", &mut command);
    let client = client::tls(&ca, &[("shop.test", SocketAddr::from(([127, 0, 0, 1], port)))]);
    let url = |path: &str| format!("https://shop.test:{port}{path}");
    eventually(SOON, async || client::try_send(client.get(url("/health"))).await.ok()).await;
    let page = send(client.get(url("/shop")).header("accept", "text/html")).await;
    assert_eq!((page.status, page.version, page.text().as_str()), (200, http::Version::HTTP_2, "origin: GET /shop"));
    assert!(page.set_cookies()[0].contains("Secure"));
    let hit = origin.await_hit("/shop").await;
    assert_eq!(hit.header("x-forwarded-proto"), Some("https"));
    assert_eq!(hit.header("x-forwarded-host"), Some(format!("shop.test:{port}").as_str()));
    let upload = send(client.post(url("/upload")).body("x".repeat(3_000_000))).await;
    assert_eq!((upload.status, origin.await_hit("/upload").await.body_length), (200, 3_000_000));
    assert!(!process.output().contains("panicked at"));
}

#[tokio::test]
async fn head_of_the_waiting_page_has_no_body() {
    let (house, _first) = busy_house(|setup| setup).await;
    let head = b"HEAD /shop HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let answer = String::from_utf8(raw(house.gate.addr(), head, SOON).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\n"), "{answer}");
    house.end().await;
}

#[tokio::test]
async fn a_dead_origin_is_told_to_people_and_to_programs() {
    let mut house = house("").await;
    let visitor = house.browser();
    assert_eq!(visitor.open("/shop").await.status, 200);
    house.origin.close().await;
    let page = visitor.open("/shop").await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("Your turn is kept") && page.header("cache-control") == Some("no-store"));
    let answer = visitor.fetch(Method::GET, "/data").await;
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("application/problem+json")));
    assert_eq!(answer.json()["code"], "bad_gateway");
    house.origin.reopen().await;
    eventually(SOON * 2, async || (visitor.open("/shop").await.status == 200).then_some(())).await;
    house.end().await;
}

#[tokio::test]
async fn who_walks_in_keeps_the_turn_though_the_origin_fails() {
    let mut house = house("admission_limit = 1, admission_frequency = 3600").await;
    house.origin.close().await;
    let visitor = house.browser();
    for _ in 0..3 {
        let page = visitor.open("/shop").await;
        assert!(page.status == 502 && page.text().contains("Your turn is kept"), "{}: {}", page.status, page.text());
    }
    let turn = visitor.cookie("gatekeeper_checkout").expect("the turn is kept");
    house.origin.reopen().await;
    eventually(SOON * 2, async || (visitor.open("/shop").await.status == 200).then_some(())).await;
    assert_eq!(visitor.cookie("gatekeeper_checkout"), Some(turn), "one turn was used, once");
    house.end().await;
}

#[tokio::test]
async fn a_silent_origin_runs_out_of_time() {
    let silent = RawOrigin::start("").await;
    let setup = Setup { site: "read_seconds = 1".into(), ..Setup::before(silent.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let page = Browser::new(&gate.url("")).open("/shop").await;
    assert_eq!((page.status, page.header("content-type")), (504, Some("text/html; charset=utf-8")));
    let answer = Browser::new(&gate.url("")).fetch(Method::GET, "/data").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("gateway_timeout")));
}

#[tokio::test]
async fn visitors_inside_and_polls_touch_no_store() {
    let (house, first) = busy_house(|setup| setup).await;
    let waiting = house.browser();
    waiting.open("/shop").await;
    assert_eq!(waiting.fetch(Method::GET, "/.gatekeeper/queue/status").await.json()["state"], "waiting");
    let (others, syncs) = house.store_calls().await;
    for _ in 0..30 {
        assert_eq!(first.open("/inside").await.status, 200);
        assert_eq!(waiting.fetch(Method::GET, "/.gatekeeper/queue/status").await.status, 200);
        is_waiting_page(&waiting.open("/shop").await);
    }
    eventually(SOON, async || (house.store_calls().await.1 > syncs).then_some(())).await;
    assert_eq!(house.store_calls().await.0, others);
    house.end().await;
}

#[tokio::test]
async fn sigterm_lets_a_slow_request_end() {
    let house = house("").await;
    house.origin.on("/slow", |_| Answer::html("late").after(Duration::from_secs(2)));
    let visitor = house.browser();
    let slow = tokio::spawn({
        let visitor = visitor.clone();
        async move { visitor.open("/slow").await.text() }
    });
    house.origin.await_hit("/slow").await;
    house.gate.term();
    assert_eq!(slow.await.unwrap(), "late");
    assert_eq!(house.gate.wait_exit(Duration::from_secs(25)).await.code(), Some(0));
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let house = house("").await;
    std::fs::write(house.gate.place().config_file(), "[server]\nlisten = 7\nno_such_key = 1\n").unwrap();
    house.gate.reload();
    let reloads = async || house.gate.metrics().await.sum("gatekeeper_config_reloads_total", &[]);
    eventually(SOON, async || (reloads().await >= 1.0).then_some(())).await;
    assert_eq!(house.browser().open("/shop").await.status, 200);
    assert_eq!(house.api.config().await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn cookies_of_the_site_in_any_bytes_neither_hide_ours_nor_get_lost() {
    let (house, first) = busy_house(|setup| setup).await;
    let ours = format!("{COOKIE}={}", first.cookie(COOKIE).unwrap());
    for odd in ["name=J\u{fc}rgen".as_bytes(), b"name=J\xfcrgen"] {
        let mut head = format!("GET /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {ours}; ").into_bytes();
        head.extend_from_slice(odd);
        head.extend_from_slice(b"; last=1\r\n\r\n");
        let answer = raw(house.gate.addr(), &head, SOON).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let hit = house.origin.last().unwrap();
        assert_eq!(hit.headers["cookie"].as_bytes(), [odd, b"; last=1"].concat());
    }
    house.end().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_the_limit() {
    let server = "[server.limits]\nbody_bytes = 1000".to_owned();
    let house = house_with("", |setup| Setup { server, ..setup }).await;
    let post = |size: usize| send(house.browser().script(Method::POST, "/upload").body("x".repeat(size)));
    assert_eq!(post(1000).await.status, 200);
    let refused = post(1001).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (413, Some("too_large")));
    assert!(refused.json()["detail"].as_str().unwrap().contains("1000"), "{}", refused.text());
    house.end().await;
}

#[tokio::test]
async fn pages_behind_one_address_do_not_use_up_each_others_polls() {
    let (house, _first) = busy_house(|setup| setup).await;
    house.set(json!({"ip_status_polling_limit": 3, "ip_status_polling_limit_interval": 3600})).await;
    let address = next_address();
    for _ in 0..2 {
        let visitor = Browser::at(&house.gate.url(""), address);
        is_waiting_page(&visitor.open("/shop").await);
        for _ in 0..3 {
            assert_eq!(visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await.status, 200);
        }
        let limited = visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await;
        assert_eq!((limited.status, limited.header("retry-after").is_some()), (429, true));
    }
    house.end().await;
}

#[tokio::test]
async fn a_token_from_the_query_gets_its_cookie_on_a_page_that_others_may_keep_too() {
    let (house, first) = busy_house(|setup| setup).await;
    house.origin.on("/shared", |_| Answer::html("x").header("cache-control", "public, max-age=600"));
    let token = first.cookie(COOKIE).unwrap();
    let visitor = house.browser();
    let page = visitor.open(&format!("/shared?jwt={token}")).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("max-age=600, private")));
    assert_eq!(visitor.open("/next").await.status, 200, "the cookie is there");
    house.end().await;
}

#[tokio::test]
async fn a_form_from_elsewhere_sees_that_the_room_is_paused() {
    let house = house("mode = 'pause'").await;
    let page = house.browser().submit_cross_site("/pay", "a=b").await;
    assert_eq!((page.status, page.set_cookies().len()), (503, 0));
    assert!(page.text().contains("data-state=\"paused\""), "{}", page.text());
    house.end().await;
}

#[tokio::test]
async fn an_exception_does_not_show_the_origin_our_cookie() {
    let (house, first) =
        busy_house(|setup| Setup { more: "[[sites.bypass]]\npath = \"/free/**\"".into(), ..setup }).await;
    assert_eq!(first.open("/free/a").await.status, 200);
    let hit = house.origin.await_hit("/free/a").await;
    assert_eq!(hit.header("cookie"), None);
    assert_eq!(hit.header("x-gatekeeper-user"), None);
    house.end().await;
}

#[tokio::test]
async fn a_response_that_others_may_keep_becomes_private_with_a_first_cookie() {
    let house = house("").await;
    house.origin.on("/public", |_| Answer::html("x").header("cache-control", "public, s-maxage=60, max-age=30"));
    let visitor = house.browser();
    let page = visitor.open("/public").await;
    let cache = page.header("cache-control").unwrap();
    assert!(cache.contains("private") && !cache.contains("public") && !cache.contains("s-maxage"), "{cache}");
    let again = visitor.open("/public").await;
    assert_eq!(again.header("cache-control"), Some("public, s-maxage=60, max-age=30"));
    house.end().await;
}
