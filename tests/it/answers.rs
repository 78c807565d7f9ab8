//! The gate's own answers: what goes with them, and what is said of them in the log.

use crate::support::client::{Answer, Api, Browser, next_address, plain, raw, send};
use crate::support::gatekeeper::{BROWSER_KEY, FULL_KEY, Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::{SOON, eventually};
use http::Method;
use serde_json::{Value, json};

/// The lines of the access log for this path, whole ones.
fn accesses(gate: &Gatekeeper, path: &str) -> Vec<Value> {
    let logs = gate.logs();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["path"] == path).collect()
}

#[tokio::test]
async fn a_call_is_logged_with_the_room_that_its_key_names() {
    let origin = Origin::start().await;
    let more = "[[rooms]]\nname = \"other\"\nkeys = [{ key = \"other-key-1\", scope = \"full\" }]".to_owned();
    let gate = Gatekeeper::start(Setup { more, ..Setup::before(origin.addr()) }).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    for (key, path, room) in [
        (FULL_KEY, "/config", json!("checkout")),
        ("other-key-1", "/.gatekeeper/config", json!("other")),
        (BROWSER_KEY, "/queue/verify", json!("checkout")), // refused, but known
        ("wrong-key-123", "/queue/finish", Value::Null),
    ] {
        send(api.with_key(key).call(Method::GET, path)).await;
        let line = eventually(SOON, async || accesses(&gate, path).pop()).await;
        assert_eq!((&line["room"], line["reason"].as_str()), (&room, Some("own")), "{line}");
    }
    let page = Browser::new(&gate.url(""));
    page.fetch(Method::GET, "/.gatekeeper/queue/status").await;
    let line = eventually(SOON, async || accesses(&gate, "/.gatekeeper/queue/status").pop()).await;
    assert_eq!(line["room"], "checkout", "the page's own call: {line}");
    api.bare(Method::GET, "/health").send().await.unwrap();
    assert_eq!(accesses(&gate, "/health")[0]["room"], Value::Null);
}

#[track_caller]
fn varies(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let vary = answer.header("vary").unwrap_or_default();
    assert!(vary.contains("Accept") && vary.contains("Sec-Fetch-Mode"), "{status} varies on {vary:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn every_answer_of_the_gate_says_what_it_was_chosen_by() {
    let mut origin = Origin::start().await;
    let setup = Setup { site: "strip_query_token = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup.clone()).await;
    let visitor =
        Browser::with(&gate.url(""), next_address(), |client| client.redirect(reqwest::redirect::Policy::none()));
    assert_eq!(visitor.open("/shop").await.status, 200);
    let jwt = visitor.cookie("gatekeeper_checkout").unwrap();
    varies(&visitor.open(&format!("/shop?jwt={jwt}")).await, 303);
    origin.close().await;
    varies(&visitor.open("/shop").await, 502);
    varies(&visitor.fetch(Method::GET, "/shop").await, 502);

    let named = setup.toml(gate.place()).replace("hosts = [\"*\"]", "hosts = [\"shop.test\"]");
    std::fs::write(gate.place().config_file(), named).unwrap();
    gate.reload();
    gate.await_log("configuration reloaded", SOON).await;
    let unknown = visitor.open("/shop").await;
    varies(&unknown, 421);
    assert!(unknown.text().contains("Unknown address"));
    varies(&visitor.fetch(Method::GET, "/shop").await, 421);
}

#[tokio::test]
async fn only_who_has_a_turn_is_told_that_it_is_kept() {
    let mut origin = Origin::start().await;
    let site = "bypass = [{ path = \"/free/**\" }]".to_owned();
    let more = format!("[[sites]]\nhosts = [\"open.test\"]\norigins = [\"{}\"]\n", origin.addr());
    let gate = Gatekeeper::start(Setup { site, more, ..Setup::before(origin.addr()) }).await;
    let visitor = Browser::new(&gate.url(""));
    assert_eq!(visitor.open("/shop").await.status, 200);
    origin.close().await;
    let inside = visitor.open("/shop").await;
    assert!(inside.status == 502 && inside.text().contains("Your turn is kept"), "{}", inside.text());
    let free = visitor.open("/free/of/charge").await;
    let open = send(visitor.navigation(Method::GET, "/shop", "none").header("host", "open.test")).await;
    for page in [free, open] {
        assert!(page.status == 502 && page.text().contains("does not answer"), "{}", page.text());
        assert!(!page.text().contains("waiting room") && !page.text().contains("turn"), "{}", page.text());
    }
}

#[tokio::test]
async fn a_call_with_too_large_a_body_is_refused_so_that_a_script_can_read_it() {
    let origin = Origin::start().await;
    let server = "cors_origins = [\"https://shop.test\"]".to_owned();
    let gate = Gatekeeper::start(Setup { server, ..Setup::before(origin.addr()) }).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    let call = |origin: &str| {
        let call =
            api.call(Method::POST, "/config").header("origin", origin).header("content-type", "application/json");
        send(call.body(" ".repeat(100_000)))
    };
    let refused = call("https://shop.test").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (413, Some("too_large")));
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.test"));
    assert!(refused.header("vary").unwrap_or_default().contains("Origin"));
    let stranger = call("https://evil.test").await;
    assert_eq!((stranger.status, stranger.header("access-control-allow-origin")), (413, None));
    assert!(stranger.header("vary").unwrap_or_default().contains("Origin"));
}

/// Whether a script of `https://shop.test` may read the answer, its body and when to come again.
fn is_readable(answer: &Answer) -> bool {
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    answer.header("access-control-allow-origin") == Some("https://shop.test")
        && answer.header("access-control-allow-credentials") == Some("true")
        && ["retry-after", "gatekeeper-store", "x-request-id"].iter().all(|name| exposed.contains(name))
        && answer.headers.get_all("vary").iter().any(|vary| vary == "Origin")
}

#[tokio::test]
async fn what_the_gate_answers_instead_of_the_site_can_be_read_by_scripts_of_the_configured_origins() {
    let mut origin = Origin::start().await;
    let server = "cors_origins = [\"https://shop.test\"]".to_owned();
    let settings = "admission_limit = 1, admission_frequency = 3600";
    let gate = Gatekeeper::start(Setup { server, ..Setup::before(origin.addr()) }.settings(settings)).await;
    let visitor = Browser::new(&gate.url(""));
    assert_eq!(visitor.open("/shop").await.status, 200, "the one who gets in");
    let script = |visitor: &Browser, from: &str| send(visitor.script(Method::GET, "/shop").header("origin", from));
    let stranger = Browser::new(&gate.url(""));
    let waits = eventually(SOON, async || {
        let answer = script(&stranger, "https://shop.test").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(is_readable(&waits) && waits.json()["waiting_room"] == true, "{:?}", waits.headers);
    assert!(waits.header("retry-after").is_some());
    let foreign = script(&stranger, "https://evil.test").await;
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (503, None));
    origin.close().await;
    let failed = script(&visitor, "https://shop.test").await;
    assert!(failed.status == 502 && is_readable(&failed), "{} {:?}", failed.status, failed.headers);
}

#[tokio::test]
async fn a_call_whose_body_is_too_slow_is_refused_so_that_a_script_can_read_it() {
    let origin = Origin::start().await;
    let server = "cors_origins = [\"https://shop.test\"]".to_owned();
    let gate = Gatekeeper::start(Setup { server, ..Setup::before(origin.addr()) }).await;
    let head = format!(
        "POST /config HTTP/1.1\r\nHost: shop.test\r\nOrigin: https://shop.test\r\nbusiness_id: {FULL_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let answer = raw(gate.addr(), head.as_bytes(), SOON * 3).await;
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(text.starts_with("http/1.1 408") && text.contains("request_timeout"), "{text}");
    assert!(text.contains("access-control-allow-origin: https://shop.test"), "{text}");
}

#[tokio::test]
async fn a_setting_that_is_given_twice_is_refused_by_name() {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    let post = |body: &'static str| {
        send(api.call(Method::POST, "/config").header("content-type", "application/json").body(body))
    };
    let before = api.config().await.json();
    let twice = post("{\"admission_limit\": 5, \"max_active\": 3, \"admission_limit\": 7}").await;
    let body = twice.json();
    assert_eq!((twice.status, body["code"].as_str()), (422, Some("invalid_field")), "{body}");
    assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body["errors"][0]["field"], "admission_limit");
    assert!(body["errors"][0]["message"].as_str().unwrap().contains("once"), "{body}");
    let escaped = post("{\"max_active\": 3, \"max\\u005factive\": 3, \"max_active\": 4}").await.json();
    assert_eq!(
        (escaped["errors"].as_array().unwrap().len(), &escaped["errors"][0]["field"]),
        (1, &json!("max_active"))
    );
    assert_eq!(api.config().await.json()["updated_config"], before["updated_config"], "nothing was changed");
}

#[tokio::test]
async fn without_the_store_a_call_that_needs_it_says_when_to_come_again() {
    let redis = Redis::start().await;
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).on_store(&redis.url())).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    let changed = eventually(SOON, async || {
        let answer = api.set_config(json!({"admission_limit": 5})).await;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(changed.await.json()["updated_config"]["admission_limit"], 5);
    redis.kill9();
    let away = eventually(SOON, async || {
        let answer = api.set_config(json!({"admission_limit": 6})).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(away.header("content-type"), Some("application/problem+json"));
    assert_eq!(
        (away.json()["code"].as_str(), away.header("cache-control")),
        (Some("store_unavailable"), Some("no-store"))
    );
    let wait: u64 = away.header("retry-after").unwrap().parse().unwrap();
    assert!((5..=15).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_site_in_a_frame_of_another_one_gets_a_cookie_for_that() {
    let origin = Origin::start().await;
    let site = "[sites.cookie]\nembed = true\nsame_site = \"strict\"".to_owned();
    let server = "trusted_proxies = [\"127.0.0.0/8\"]".to_owned();
    let settings = "admission_limit = 1, admission_frequency = 3600";
    let gate = Gatekeeper::start(Setup { site, server, ..Setup::before(origin.addr()).settings(settings) }).await;
    let client = plain().local_address(next_address()).build().unwrap();
    let mut seen = Vec::new();
    for (status, cookies) in [(200, 2), (503, 1)] {
        let request = client.get(gate.url("/shop")).header("accept", "text/html").header("x-forwarded-proto", "https");
        let answer = send(request).await;
        assert_eq!((answer.status, answer.set_cookies().len()), (status, cookies));
        seen.extend(answer.set_cookies().into_iter().map(str::to_owned));
    }
    // Behind a proxy that isn't trusted to say https, a cookie without `Secure` would be lost.
    seen.push(send(client.get(gate.url("/shop")).header("accept", "text/html")).await.set_cookies()[0].to_owned());
    for line in seen {
        let parts: Vec<&str> = line.split("; ").collect();
        assert!(
            ["gatekeeper_checkout=ey", "gatekeeper_checkout.in=ey"].iter().any(|name| parts[0].starts_with(name)),
            "{line}"
        );
        for part in ["HttpOnly", "SameSite=None", "Secure", "Partitioned", "Path=/"] {
            assert!(parts.contains(&part), "{part}: {line}");
        }
    }
}
