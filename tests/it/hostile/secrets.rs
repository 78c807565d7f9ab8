//! Keys, secrets and logs: who may call what, and that nothing secret shows anywhere.
//!
//! E7 for a real Redis is in `redis_store.rs`; what `Debug` shows is tested beside each type.

use super::tokens::{COOKIE, full_house, house};
use crate::support::client::{Answer, Browser, plain, raw, send};
use crate::support::gatekeeper::{BROWSER_KEY, FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use crate::support::ports::free_port;
use crate::support::{SOON, eventually};
use http::Method;
use serde_json::{Value, json};
use std::fs;

#[tokio::test]
async fn e1_a_pages_key_changes_nothing_and_a_change_is_noted() {
    let (house, _first, token) = full_house(|setup| setup).await;
    let page = house.api.with_key(BROWSER_KEY);
    let before = house.api.config().await.text();
    for answer in [
        page.config().await,
        page.set_config(json!({"admission_limit": 9})).await,
        page.verify(&token).await,
        page.finish(&token).await,
    ] {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("key_scope")));
    }
    assert_eq!(house.api.config().await.text(), before);
    assert_eq!(house.api.verify(&token).await.json()["ready"], true);
    assert!(!house.gate.logs().contains("settings changed"));
    assert_eq!(house.api.set_config(json!({"message": "a-word-of-the-operator"})).await.status, 200);
    house.gate.await_log("settings changed", SOON).await;
    let logs = house.gate.logs();
    let line = logs.lines().find(|line| line.contains("settings changed")).unwrap();
    assert!(line.contains("checkout") && line.contains("message"), "{line}");
    assert!(!logs.contains("a-word-of-the-operator") && !logs.contains(FULL_KEY), "names, no values");
}

#[tokio::test]
async fn e2_a_key_is_known_or_not_and_nothing_tells_how_near_it_was() {
    let house = house(|setup| setup).await;
    let near = format!("{}2", &FULL_KEY[..FULL_KEY.len() - 1]);
    let long = "k".repeat(10_000);
    let mut bodies = Vec::new();
    for key in [near.as_str(), "wrong", &FULL_KEY.to_uppercase(), &format!("{FULL_KEY}x"), &long] {
        let answer = house.api.with_key(key).config().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unknown_key")), "{key}");
        assert!(key.len() < 6 || !answer.text().contains(key), "the answer repeats it");
        bodies.push(answer.text());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let call = |headers: &[(&'static str, &str)]| {
        let request = house.api.bare(Method::GET, "/config");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    for (headers, status, code) in [
        (vec![("business_id", "")], 401, "missing_key"),
        (vec![("business_id", FULL_KEY), ("business_id", "other")], 400, "conflicting_headers"),
        (vec![("business_id", "other"), ("business-id", FULL_KEY)], 400, "conflicting_headers"),
        (vec![("business-id", FULL_KEY), ("business-id", "other")], 400, "conflicting_headers"),
        (vec![("authorization", FULL_KEY)], 401, "missing_key"),
    ] {
        let answer = send(call(&headers)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{headers:?}");
    }
}

/// At the chattiest level, over good requests and bad ones.
#[tokio::test]
async fn e3_no_log_metric_or_answer_shows_a_key_a_token_or_a_cookie() {
    let mark = "a-cookie-of-the-site-that-is-nobodys-business";
    let (house, first, token) = full_house(|setup| Setup { more: "[log]\nlevel = \"trace\"".into(), ..setup }).await;
    let client = plain().build().unwrap();
    let url = |path: &str| house.gate.url(path);
    send(client.get(url(&format!("/shop?jwt={token}&private=hidden-in-a-query"))).header("cookie", mark)).await;
    send(client.get(url("/shop")).bearer_auth(&token).header("cookie", format!("a={mark}"))).await;
    let mut answers = vec![
        house.api.verify(&format!("{token}x")).await,
        house.api.with_key(&format!("{FULL_KEY}x")).config().await,
        house.api.set_config(json!({"mode": token})).await,
        house.api.enqueue(&token).await,
        first.open("/shop").await,
    ];
    // What is malformed is refused by the parser, which logs more readily than anybody.
    for broken in [
        format!("GET /shop HTTP/1.1\r\nHost: a\r\nCookie: {COOKIE}={token}; {mark}\r\nbusiness_id {FULL_KEY}\r\n\r\n"),
        format!(
            "GET /shop?jwt={token} HTTP/1.1\r\nHost: a\r\nHost: b\r\njwt: {token}\r\nbusiness_id: {FULL_KEY}\r\n\r\n"
        ),
        format!("POST /shop HTTP/1.1\r\nHost: a\r\njwt: {token}\r\nContent-Length: +1\r\n\r\n{FULL_KEY}"),
    ] {
        let answer = raw(house.gate.addr(), broken.as_bytes(), std::time::Duration::from_millis(300)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains(&token) && !answer.contains(FULL_KEY), "{answer}");
    }
    answers.push(house.gate.get("/.gatekeeper/none").await);
    let metrics = send(client.get(format!("http://{}/metrics", house.gate.metrics_addr()))).await.text();
    house.gate.await_log("/.gatekeeper/none", SOON).await;
    let signature = token.rsplit_once('.').unwrap().1;
    for secret in [FULL_KEY, BROWSER_KEY, SECRET, signature, mark, "hidden-in-a-query"] {
        assert!(!house.gate.logs().contains(secret), "the log holds {secret}");
        assert!(!metrics.contains(secret), "the metrics hold {secret}");
        for answer in &answers {
            assert!(!answer.text().contains(secret), "an answer holds {secret}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn e4_what_a_client_writes_is_one_line_of_bounded_length() {
    let house = house(|setup| setup).await;
    let long = "u".repeat(20_000);
    let odd = [
        "GET /odd-1 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\x1b[31mred\x1b[0m\x07\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /odd-2%0d%0a{\"status\":200} HTTP/1.1\r\nHost: a\r\nUser-Agent: \"}\\u000a\r\nConnection: close\r\n\r\n"
            .to_owned(),
        format!("GET /odd-3 HTTP/1.1\r\nHost: a\r\nUser-Agent: {long}\r\nConnection: close\r\n\r\n"),
        format!("GET /odd-4/{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &long[..7_000]),
        "GET /odd-5 HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{202e}\u{2028}\u{feff}\r\nConnection: close\r\n\r\n"
            .to_owned(),
    ];
    for request in &odd {
        raw(house.gate.addr(), request.as_bytes(), SOON).await;
    }
    house.gate.get("/the-last-one").await;
    house.gate.await_log("/the-last-one", SOON).await;
    let logs = house.gate.logs();
    for nth in 1..=odd.len() {
        let lines: Vec<&str> = logs.lines().filter(|line| line.contains(&format!("/odd-{nth}"))).collect();
        // What the parser refuses has no line.
        assert!(lines.len() == 1 || nth == 1 && lines.is_empty(), "{nth}: {lines:?}");
        for line in lines {
            assert!(line.len() <= 4096 && line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
            let read: Value = serde_json::from_str(line).unwrap();
            assert!(read["user_agent"].as_str().unwrap_or_default().len() <= 1024);
        }
    }
}

#[tokio::test]
async fn e5_what_is_for_operators_is_not_served_to_visitors() {
    let house = house(|setup| setup.settings("ip_enqueue_limit = 1000000")).await;
    let series = async || {
        send(plain().build().unwrap().get(format!("http://{}/metrics", house.gate.metrics_addr())))
            .await
            .text()
            .lines()
            .count()
    };
    assert!(series().await > 20, "the control: they are somewhere");
    for path in ["/metrics", "/.gatekeeper/metrics", "/.gatekeeper/debug", "/admin", "/.gatekeeper/config.toml"] {
        let answer = house.browser().open(path).await;
        assert!(!answer.text().contains("gatekeeper_requests_total"), "{path}");
        assert!(answer.text().starts_with("origin: ") || answer.status == 404, "{path}: {}", answer.text());
    }
    let ready = house.gate.get("/health/ready").await.text();
    assert!(!ready.contains(&house.origin.addr().port().to_string()), "{ready}");
    // Whatever visitors call themselves, no series grows of it.
    house.browser().open("/warm").await;
    let before = series().await;
    for nth in 0..200 {
        house.api.enqueue(&format!("visitor-{nth}")).await;
        house.gate.get(&format!("/path-{nth}?q={nth}")).await;
    }
    assert_eq!(series().await, before);
}

#[tokio::test]
async fn e6_no_secret_stands_where_other_users_of_the_machine_look() {
    let mark = "a-secret-of-32-bytes-in-the-environment-alone";
    let house = house(|setup| Setup {
        secrets: vec!["${THE_SECRET}".to_owned()],
        environment: vec![("THE_SECRET".to_owned(), mark.to_owned())],
        ..setup
    })
    .await;
    let line = fs::read(format!("/proc/{}/cmdline", house.gate.process().pid())).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.contains("gatekeeper.toml"), "the control: {line}");
    for secret in [mark, FULL_KEY] {
        assert!(!line.contains(secret));
        assert!(!house.gate.logs().contains(secret));
    }
    // What is wrong in a configuration is said without what was given.
    let text = fs::read_to_string(house.gate.place().config_file()).unwrap();
    fs::write(
        house.gate.place().config_file(),
        text.replace(FULL_KEY, "a key with blanks in it").replace("[tokens]", "[tokens]\nid_secret = 'short-secret'"),
    )
    .unwrap();
    house.gate.reload();
    house.gate.await_log("configuration not reloaded", SOON).await;
    let logs = house.gate.logs();
    assert!(logs.contains("tokens.id_secret") && logs.contains("rooms[0].keys[0].key"), "{logs}");
    assert!(!logs.contains("short-secret") && !logs.contains("a key with blanks"), "{logs}");
}

#[tokio::test]
async fn e7_the_stores_password_is_in_no_error() {
    let url = format!("redis://someone:hunter2-hunter2@127.0.0.1:{}", free_port());
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).on_store(&url)).await;
    let enqueue = async || -> Answer {
        let client = plain().build().unwrap();
        send(client.post(gate.url("/queue/enqueue")).header("business_id", FULL_KEY).header("user_id", "ann")).await
    };
    enqueue().await;
    eventually(SOON, async || gate.logs().contains("store").then_some(())).await;
    let page = Browser::new(&gate.url("")).open("/shop").await;
    let ready = gate.get("/health/ready").await;
    for text in [gate.logs(), page.text(), ready.text(), enqueue().await.text()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
