//! The HTTP contract's calls, as a site's backend meets them: every body, status, code and header of them.

use crate::support::client::{Answer, Api, Browser, plain, raw, send};
use crate::support::gatekeeper::{BROWSER_KEY, FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use crate::support::{SOON, eventually};
use futures_util::future::join_all;
use gatekeeper::queue::Time;
use gatekeeper::token::Keyring;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROOM: &str = "checkout";
/// One gets in an hour: who comes later waits for the whole test.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";
const OTHER_ROOM: &str = "[[rooms]]\nname = \"other\"\nkeys = [{ key = \"other-key-1\", scope = \"full\" }]";

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

impl House {
    /// Somebody who is in; the token as status gave it.
    async fn ready(&self, user: &str) -> String {
        let jwt = token(&self.api.enqueue(user).await);
        eventually(SOON, async || {
            let body = self.api.status(&jwt).await.json();
            (body["ready"] == true).then(|| body["jwt_token"].as_str().unwrap().to_owned())
        })
        .await
    }

    /// Somebody who waits, behind one who is in.
    async fn waiting(&self, user: &str) -> String {
        self.ready("the-first").await;
        token(&self.api.enqueue(user).await)
    }

    /// Nothing panicked, and the log repeats neither keys nor tokens.
    async fn end(self, tokens: &[&str]) {
        assert_eq!(self.gate.metrics().await.sum("gatekeeper_panics_total", &[]), 0.0);
        let logs = self.gate.logs();
        for secret in [FULL_KEY, BROWSER_KEY, SECRET].iter().chain(tokens) {
            assert!(!logs.contains(secret), "the log holds {secret}");
        }
        assert!(!self.origin.hits().iter().any(|hit| hit.path().starts_with("/queue")), "a call reached the origin");
    }
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let jwt = answer.json()["jwt"].as_str().unwrap().to_owned();
    assert!(jwt.contains('.'), "{jwt}");
    jwt
}

#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(status.into()), Some(code)), "{body}");
    for member in ["type", "title", "detail"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    body
}

/// The same place, its token so old that `exp` has passed.
fn aged(jwt: &str, seconds: u64) -> String {
    let keys = Keyring::new(&[SECRET], None).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut claims = keys.verify(jwt, ROOM, Time(u64::try_from(now.as_millis()).unwrap())).unwrap().claims;
    claims.iat -= seconds;
    claims.exp -= seconds;
    keys.sign(&claims)
}

#[tokio::test]
async fn enqueue_gives_one_token_per_user() {
    let house = house(BUSY).await;
    let first = house.api.enqueue("ann").await;
    let jwt = token(&first);
    assert_eq!(first.text(), format!(r#"{{"jwt":"{jwt}","position":1,"message":"User enqueued successfully."}}"#));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert!(first.set_cookies().is_empty());
    eventually(SOON, async || (house.api.status(&jwt).await.json()["ready"] == true).then_some(())).await;
    let again = house.api.enqueue("ann").await;
    assert_eq!(again.text(), r#"{"jwt":"","position":null,"message":"User is already ready."}"#);
    let second = house.api.enqueue("bob").await;
    assert_eq!((second.json()["position"].as_u64(), token(&second).is_empty()), (Some(1), false));
    let again = house.api.enqueue("bob").await;
    assert_eq!(again.text(), r#"{"jwt":"","position":1,"message":"User already in queue."}"#);
    assert_eq!(house.api.enqueue("eve").await.json()["position"], 2);
    let by_page = house.api.with_key(BROWSER_KEY).enqueue("dan").await;
    assert_eq!((by_page.status, by_page.json()["position"].as_u64()), (200, Some(3)));
    house.end(&[&jwt]).await;
}

#[tokio::test]
async fn of_simultaneous_enqueues_one_gets_the_token() {
    let house = house(BUSY).await;
    house.ready("the-first").await;
    let answers = join_all((0..20).map(|_| house.api.enqueue("ann"))).await;
    let tokens = answers.iter().filter(|answer| answer.json()["jwt"] != "").count();
    assert_eq!(tokens, 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["position"] == 1));
    house.end(&[]).await;
}

#[tokio::test]
async fn status_tells_everything_to_who_waits_and_to_who_is_ready() {
    let house = house(&format!("{BUSY}, message = \"Back soon\"")).await;
    let waiting = house.waiting("bob").await;
    let answer = house.api.status(&waiting).await;
    let body = answer.json();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    let mut expected = [
        "warning_msg",
        "jwt_token",
        "position",
        "ready",
        "state",
        "waiting",
        "eta_seconds",
        "poll_after_ms",
        "expires_at",
        "message",
    ];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!((&body["warning_msg"], &body["position"], &body["ready"]), (&Value::Null, &json!(1), &json!(false)));
    assert_eq!(
        (&body["state"], &body["expires_at"], &body["message"]),
        (&json!("waiting"), &Value::Null, &json!("Back soon"))
    );
    assert!(body["jwt_token"].as_str().is_some_and(|jwt| jwt.contains('.')));
    assert!(body["poll_after_ms"].as_u64().is_some_and(|ms| (500..=40_000).contains(&ms)), "{body}");
    assert!(
        body["eta_seconds"].is_null() || body["eta_seconds"]["low"].as_u64() <= body["eta_seconds"]["high"].as_u64()
    );
    eventually(SOON, async || (house.api.status(&waiting).await.json()["waiting"] == 1).then_some(())).await;
    let ready = house.api.status(&aged_ready(&house).await).await.json();
    assert_eq!((&ready["ready"], &ready["position"], &ready["state"]), (&json!(true), &Value::Null, &json!("ready")));
    let expires = ready["expires_at"].as_str().unwrap();
    assert!(expires.len() >= 20 && expires.ends_with('Z') && expires.contains('T'), "{expires}");
    house.end(&[&waiting]).await;
}

/// Somebody else who is in, let in by a larger limit.
async fn aged_ready(house: &House) -> String {
    assert_eq!(house.api.set_config(json!({"admission_limit": 100})).await.status, 200);
    house.ready("late").await
}

#[tokio::test]
async fn status_takes_expired_tokens_and_renews_them_but_verify_and_finish_refuse_them() {
    let house = house(BUSY).await;
    let jwt = house.waiting("bob").await;
    let old = aged(&jwt, 400);
    for answer in [house.api.verify(&old).await, house.api.finish(&old).await] {
        problem(&answer, 401, "expired_token");
    }
    let body = house.api.status(&old).await.json();
    assert_eq!((&body["position"], &body["state"]), (&json!(1), &json!("waiting")));
    let renewed = body["jwt_token"].as_str().unwrap();
    assert_ne!(renewed, old);
    for jwt in [renewed, &jwt] {
        assert_eq!(house.api.verify(jwt).await.text(), r#"{"message":"User is not ready","ready":false}"#);
    }
    let body = house.api.status(&aged(&jwt, 4000)).await.json();
    assert_eq!(body["warning_msg"], "User not found in queue. Enqueue again.");
    assert_eq!((&body["position"], &body["ready"], &body["state"]), (&Value::Null, &json!(false), &json!("unknown")));
    house.end(&[&jwt, &old]).await;
}

#[tokio::test]
async fn a_token_serves_by_header_bearer_and_cookie() {
    let house = house("").await;
    let jwt = house.ready("ann").await;
    let verify =
        |name: &'static str, value: String| send(house.api.call(Method::GET, "/queue/verify").header(name, value));
    for (name, value) in [
        ("jwt", jwt.clone()),
        ("authorization", format!("Bearer {jwt}")),
        ("authorization", format!("bearer {jwt}")),
        ("cookie", format!("a=b; gatekeeper_checkout={jwt}")),
    ] {
        assert_eq!(verify(name, value).await.text(), r#"{"message":"User is ready","ready":true}"#, "{name}");
    }
    let first = send(house.api.call(Method::GET, "/queue/verify").header("jwt", "a.b.c").bearer_auth(&jwt)).await;
    problem(&first, 401, "invalid_token");
    house.end(&[&jwt]).await;
}

#[tokio::test]
async fn finish_clears_exactly_once_and_the_token_opens_nothing_after() {
    let house = house("").await;
    let jwt = house.ready("ann").await;
    let answers = join_all((0..10).map(|_| house.api.finish(&jwt))).await;
    let texts: Vec<String> = answers.iter().map(Answer::text).collect();
    let cleared = r#"{"status":"ready_cleared","message":"User removed from ready state"}"#;
    let not_ready = r#"{"status":"not_ready","message":"User was not in ready state"}"#;
    assert_eq!(texts.iter().filter(|text| *text == cleared).count(), 1);
    assert_eq!(texts.iter().filter(|text| *text == not_ready).count(), 9);
    assert_eq!(house.api.verify(&jwt).await.text(), r#"{"message":"User is not ready","ready":false}"#);
    assert_eq!(house.api.status(&jwt).await.json()["state"], "unknown");
    assert_eq!(house.api.set_config(json!({"mode": "pause"})).await.status, 200);
    let shown = send(plain().build().unwrap().get(house.gate.url("/shop")).header("jwt", &jwt)).await;
    assert_eq!(shown.status, 503, "a finished token opened the door");
    assert_eq!(house.api.set_config(json!({"mode": "auto"})).await.status, 200);
    let anew = token(&house.api.enqueue("ann").await);
    assert_ne!(anew, jwt);
    eventually(SOON, async || (house.api.status(&anew).await.json()["ready"] == true).then_some(())).await;
    assert_eq!(house.api.verify(&jwt).await.json()["ready"], false, "the old token came back to life");
    house.end(&[&jwt, &anew]).await;
}

#[tokio::test]
async fn finish_of_who_only_waits_changes_nothing() {
    let house = house(BUSY).await;
    let jwt = house.waiting("bob").await;
    assert_eq!(house.api.finish(&jwt).await.json()["status"], "not_ready");
    assert_eq!(house.api.status(&jwt).await.json()["position"], 1);
    house.end(&[&jwt]).await;
}

fn defaults() -> Value {
    json!({
        "admission_limit": 1000, "admission_frequency": 5, "jwt_expiry_seconds": 300, "ready_ttl_seconds": 600,
        "ip_enqueue_limit": 100, "ip_enqueue_limit_interval": 60, "ip_status_polling_limit": 600,
        "ip_status_polling_limit_interval": 60, "max_active": 0, "presence_seconds": 120, "retention_seconds": 1800,
        "renew_ready": true, "ready_max_seconds": 7200, "mode": "auto", "message": "",
    })
}

#[tokio::test]
async fn config_is_read_and_changed_in_parts() {
    let house = house("").await;
    let read = house.api.config().await.json();
    assert_eq!(read, json!({"message": "Configuration retrieved successfully", "updated_config": defaults()}));
    let changed = house.api.set_config(json!({"admission_limit": 7, "mode": "pause", "message": "Ä\nb"})).await.json();
    let mut expected = defaults();
    expected["admission_limit"] = json!(7);
    expected["mode"] = json!("pause");
    expected["message"] = json!("Ä\nb");
    assert_eq!(changed, json!({"message": "Configuration updated successfully", "updated_config": expected}));
    assert_eq!(house.api.set_config(json!({})).await.json()["updated_config"], expected);
    assert_eq!(house.api.config().await.json()["updated_config"], expected);
    house.end(&[]).await;
}

#[tokio::test]
async fn changed_settings_survive_a_restart() {
    let mut house = house("").await;
    house.api.set_config(json!({"admission_limit": 7})).await;
    house.gate.restart().await;
    assert_eq!(house.api.config().await.json()["updated_config"]["admission_limit"], 7);
    house.end(&[]).await;
}

#[tokio::test]
async fn every_range_is_held_and_a_refusal_changes_nothing() {
    let house = house("").await;
    let ranges = [
        ("admission_limit", 1, 1_000_000),
        ("admission_frequency", 1, 3600),
        ("jwt_expiry_seconds", 60, 600),
        ("ready_ttl_seconds", 60, 3600),
        ("ip_enqueue_limit", 1, 1_000_000),
        ("ip_enqueue_limit_interval", 1, 3600),
        ("ip_status_polling_limit", 1, 1_000_000),
        ("ip_status_polling_limit_interval", 1, 3600),
        ("max_active", 0, 10_000_000),
        ("presence_seconds", 30, 600),
        ("retention_seconds", 60, 86_400),
        ("ready_max_seconds", 60, 86_400),
    ];
    let mut wrong: Vec<(&str, Value)> = Vec::new();
    for (field, low, high) in ranges {
        wrong.extend([(field, json!(low - 1)), (field, json!(high + 1)), (field, json!(low.to_string()))]);
        wrong.extend([
            (field, json!(1.5)),
            (field, Value::Null),
            (field, json!(-1)),
            (field, json!([low])),
            (field, json!(true)),
        ]);
    }
    wrong.extend([("mode", json!("on")), ("mode", json!(1)), ("mode", json!("AUTO")), ("renew_ready", json!("yes"))]);
    wrong.extend([("renew_ready", json!(1)), ("message", json!("x".repeat(501))), ("message", json!("\u{7}"))]);
    wrong.extend([("message", json!(1)), ("message", Value::Null), ("admision_limit", json!(1)), ("", json!(1))]);
    for (field, value) in wrong {
        let other = if field == "max_active" { "admission_limit" } else { "max_active" };
        let body = problem(&house.api.set_config(json!({field: value, other: 9})).await, 422, "invalid_field");
        assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
        assert_eq!(body["errors"][0]["field"], field);
        assert!(body["errors"][0]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(house.api.config().await.json()["updated_config"], defaults());
    for (field, low, high) in ranges {
        for value in [low, high] {
            let answer = house.api.set_config(json!({field: value})).await;
            assert_eq!((answer.status, answer.json()["updated_config"][field].as_i64()), (200, Some(value)), "{field}");
        }
    }
    let both = problem(&house.api.set_config(json!({"mode": "on", "max_active": -1})).await, 422, "invalid_field");
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
    house.end(&[]).await;
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let house = house("").await;
    let post = |kind: &'static str, body: String| {
        send(house.api.call(Method::POST, "/config").header("content-type", kind).body(body))
    };
    problem(&post("application/json", "{\"mode\":".into()).await, 400, "not_json");
    problem(&post("application/json", String::new()).await, 400, "not_json");
    problem(&post("text/plain", "{}".into()).await, 415, "not_json");
    problem(&send(house.api.call(Method::POST, "/config").body("{}")).await, 415, "not_json");
    problem(&post("application/json", "[]".into()).await, 422, "invalid_field");
    assert_eq!(post("Application/JSON; charset=utf-8", "{}".into()).await.status, 200);
    let sized = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
    assert_eq!(post("application/json", sized(65_536)).await.status, 200);
    problem(&post("application/json", sized(65_537)).await, 413, "too_large");
    problem(&post("application/json", sized(300_000)).await, 413, "too_large");
    let chunks = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 4096])));
    let chunked = house.api.call(Method::POST, "/config").header("content-type", "application/json");
    problem(&send(chunked.body(reqwest::Body::wrap_stream(chunks))).await, 413, "too_large");
    house.end(&[]).await;
}

#[tokio::test]
async fn health_is_told_without_a_key() {
    let mut house = house("").await;
    let healthy = house.gate.get("/health").await;
    assert_eq!((healthy.status, healthy.text().as_str()), (200, r#"{"status":"healthy"}"#));
    assert_eq!(healthy.header("content-type"), Some("application/json"));
    eventually(SOON, async || (house.gate.get("/health/ready").await.status == 200).then_some(())).await;
    house.origin.close().await;
    let unready = eventually(Duration::from_secs(30), async || {
        Some(house.gate.get("/health/ready").await).filter(|answer| answer.status == 503)
    })
    .await;
    assert!(unready.json()["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert!(unready.header("retry-after").is_some());
    assert_eq!(house.gate.get("/health").await.status, 200);
}

#[tokio::test]
async fn the_documentation_is_complete_in_itself() {
    let house = house("").await;
    for path in ["/docs", "/redoc"] {
        let page = house.gate.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.header("content-security-policy").is_some());
        let html = page.text();
        for tag in [
            "<script src=\"http",
            "<script src=\"//",
            "<link href=\"http",
            "src=\"https://",
            "rel=\"stylesheet\" href=\"http",
        ] {
            assert!(!html.contains(tag), "{path} loads from elsewhere: {tag}");
        }
    }
    let document = house.gate.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 7, "{:?}", paths.keys());
    for (path, operations) in paths {
        for method in
            operations.as_object().unwrap().keys().filter(|key| ["get", "post", "delete"].contains(&key.as_str()))
        {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let status = send(house.api.bare(method.clone(), path)).await.status;
            assert!(![404, 405].contains(&status), "{method} {path}: {status}");
        }
    }
    house.end(&[]).await;
}

#[tokio::test]
async fn head_options_and_other_methods_are_answered_here() {
    let house = house("").await;
    let paths = [
        ("/queue/enqueue", "POST, OPTIONS"),
        ("/queue/status", "GET, HEAD, OPTIONS"),
        ("/queue/verify", "GET, HEAD, OPTIONS"),
        ("/queue/finish", "DELETE, OPTIONS"),
        ("/config", "GET, HEAD, POST, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/redoc", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ];
    for (path, allow) in paths {
        for prefix in ["", "/.gatekeeper"] {
            let path = format!("{prefix}{path}");
            let options = send(house.api.bare(Method::OPTIONS, &path)).await;
            assert_eq!((options.status, options.header("allow"), options.body.len()), (204, Some(allow), 0), "{path}");
            let patch = send(house.api.bare(Method::PATCH, &path)).await;
            problem(&patch, 405, "method_not_allowed");
            assert_eq!(patch.header("allow"), Some(allow), "{path}");
        }
    }
    let get = house.gate.get("/health").await;
    let head = send(house.api.bare(Method::HEAD, "/health")).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, get.header("content-length")));
    let bytes = raw(house.gate.addr(), b"HEAD /config HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", SOON).await;
    assert!(bytes.starts_with(b"HTTP/1.1 401 ") && bytes.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&bytes));
    for path in [
        "/queue/none",
        "/queue",
        "/queue/",
        "/.gatekeeper",
        "/.gatekeeper/",
        "/.gatekeeper/none",
        "/.gatekeeper/.gatekeeper/health",
    ] {
        problem(&house.gate.get(path).await, 404, "not_found");
    }
    assert_eq!(house.origin.hits().len(), 0);
    house.end(&[]).await;
}

#[tokio::test]
async fn a_prefix_moves_the_api_away_from_the_sites_own_paths() {
    let house = house_with("", |setup| Setup { server: "api_prefix = \"/gate\"".into(), ..setup }).await;
    for prefix in ["/gate", "/.gatekeeper"] {
        let api = Api::new(&house.gate.url(prefix), FULL_KEY);
        assert_eq!(api.config().await.status, 200);
        assert_eq!(api.enqueue(&format!("user{}", prefix.len())).await.status, 200);
        let document = house.gate.get(&format!("{prefix}/openapi.json")).await.json();
        assert_eq!(document["servers"][0]["url"], prefix);
        problem(&house.gate.get(&format!("{prefix}/none")).await, 404, "not_found");
    }
    let page = Browser::new(&house.gate.url("")).open("/config").await;
    assert_eq!(page.text(), "origin: GET /config");
    assert_eq!(house.gate.get("/gatefold").await.text(), "origin: GET /gatefold");
}

#[tokio::test]
async fn both_spellings_serve_and_a_contradiction_is_refused() {
    let house = house(BUSY).await;
    let call = |headers: &'static [(&'static str, &'static str)]| {
        let request = house.api.bare(Method::POST, "/queue/enqueue");
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    assert_eq!(call(&[("business-id", FULL_KEY), ("user-id", "a")]).await.status, 200);
    assert_eq!(call(&[("business_id", FULL_KEY), ("user-id", "b")]).await.status, 200);
    assert_eq!(call(&[("business_id", FULL_KEY), ("business-id", FULL_KEY), ("user_id", "c")]).await.status, 200);
    let answer = call(&[("business_id", FULL_KEY), ("business-id", "another"), ("user_id", "d")]).await;
    problem(&answer, 400, "conflicting_headers");
    let answer = call(&[("business_id", FULL_KEY), ("user_id", "d"), ("user-id", "e")]).await;
    problem(&answer, 400, "conflicting_headers");
    house.end(&[]).await;
}

#[tokio::test]
async fn every_refusal_has_its_status_and_code() {
    let house = house_with(BUSY, |setup| Setup { more: OTHER_ROOM.into(), ..setup }).await;
    let jwt = house.ready("ann").await;
    let api = &house.api;
    // A page's own call is known by its prefix, and opens no other room than that of its site.
    let from_page = |path: &str| api.bare(Method::POST, path).header("sec-fetch-site", "same-origin");
    problem(&send(from_page("/queue/enqueue").header("user_id", "a")).await, 401, "missing_key");
    problem(&send(from_page("/.gatekeeper/queue/enqueue?room=other")).await, 401, "missing_key");
    assert_eq!(send(from_page("/.gatekeeper/queue/enqueue?room=checkout")).await.status, 200);
    // The key was lost on the way, not the token.
    let asked = |header: &str, value: &str| api.bare(Method::GET, "/queue/status").header(header, value);
    problem(&send(asked("jwt", &jwt)).await, 401, "missing_key");
    problem(&send(asked("authorization", &format!("Bearer {jwt}"))).await, 401, "missing_key");
    problem(&send(asked("accept", "*/*")).await, 401, "missing_key");
    let keyless = problem(&send(api.bare(Method::GET, "/config")).await, 401, "missing_key");
    assert!(keyless["detail"].as_str().unwrap().contains("underscore"));
    problem(&send(api.bare(Method::POST, "/queue/enqueue").header("user_id", "a")).await, 401, "missing_key");
    problem(&api.with_key("wrong-key-123").config().await, 401, "unknown_key");
    problem(&send(api.call(Method::GET, "/queue/verify")).await, 401, "missing_token");
    problem(&send(api.call(Method::GET, "/queue/status")).await, 401, "missing_token");
    let (head, signature) = jwt.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for bad in ["a.b.c", "x", &forged] {
        let answer = api.verify(bad).await;
        let body = problem(&answer, 401, "invalid_token");
        assert!(!body.to_string().contains(bad) || bad == "x");
        assert!(answer.header("www-authenticate").is_some());
    }
    let page = api.with_key(BROWSER_KEY);
    for answer in
        [page.verify(&jwt).await, page.finish(&jwt).await, page.config().await, page.set_config(json!({})).await]
    {
        problem(&answer, 403, "key_scope");
    }
    assert_eq!(page.status(&jwt).await.status, 200);
    let other = api.with_key("other-key-1");
    for answer in [other.verify(&jwt).await, other.finish(&jwt).await, other.status(&jwt).await] {
        problem(&answer, 403, "wrong_room");
    }
    assert_eq!(api.verify(&jwt).await.json()["ready"], true);
    problem(&send(api.call(Method::POST, "/queue/enqueue")).await, 422, "invalid_field");
    for user in ["", "with blank", &"x".repeat(129)] {
        let body = problem(&api.enqueue(user).await, 422, "invalid_field");
        assert_eq!(body["errors"][0]["field"], "user_id");
    }
    assert_eq!(api.enqueue(&"x".repeat(128)).await.status, 200);
    assert_eq!(api.set_config(json!({"mode": "closed"})).await.status, 200);
    let closed = api.enqueue("late").await;
    problem(&closed, 503, "room_closed");
    assert!(closed.header("retry-after").is_some());
    house.end(&[&jwt, &forged]).await;
}

#[tokio::test]
async fn scripts_of_the_configured_origins_may_call() {
    let house =
        house_with("", |setup| Setup { server: "cors_origins = [\"https://shop.test\"]".into(), ..setup }).await;
    let preflight = |origin: &'static str| {
        let request = house.api.bare(Method::OPTIONS, "/queue/enqueue").header("origin", origin);
        send(
            request.header("access-control-request-method", "POST").header("access-control-request-headers", "user_id"),
        )
    };
    let answer = preflight("https://shop.test").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://shop.test")));
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(
        ["business_id", "business-id", "user_id", "user-id", "jwt"].iter().all(|name| allowed.contains(name)),
        "{allowed}"
    );
    assert!(answer.header("vary").is_some_and(|vary| vary.contains("Origin")));
    assert_eq!(preflight("https://evil.test").await.header("access-control-allow-origin"), None);
    let call = send(house.api.call(Method::GET, "/config").header("origin", "https://shop.test")).await;
    assert_eq!((call.status, call.header("access-control-allow-origin")), (200, Some("https://shop.test")));
    let error = send(house.api.bare(Method::GET, "/config").header("origin", "https://shop.test")).await;
    assert_eq!((error.status, error.header("access-control-allow-origin")), (401, Some("https://shop.test")));
    house.end(&[]).await;
}

#[track_caller]
fn limited(answer: &Answer) {
    problem(answer, 429, "rate_limited");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").is_some_and(|state| state.contains("r=0") && state.contains("t=")));
    assert!(answer.header("ratelimit-policy").is_some_and(|terms| terms.contains("q=3") && terms.contains("w=3600")));
}

#[tokio::test]
async fn enqueues_are_limited_per_address() {
    let house = house(&format!("{BUSY}, ip_enqueue_limit = 3, ip_enqueue_limit_interval = 3600")).await;
    for user in ["a", "b", "c"] {
        assert_eq!(house.api.enqueue(user).await.status, 200);
    }
    limited(&house.api.enqueue("d").await);
    assert_eq!(house.api.enqueue("c").await.json()["message"], "User already in queue.", "costs nobody a place");
    assert_eq!(Api::new(&house.gate.url(""), FULL_KEY).enqueue("d").await.status, 200);
    house.end(&[]).await;
}

#[tokio::test]
async fn status_calls_are_limited_per_address() {
    let settings = format!("{BUSY}, ip_status_polling_limit = 3, ip_status_polling_limit_interval = 3600");
    let house = house(&settings).await;
    let jwt = token(&house.api.enqueue("a").await);
    for _ in 0..3 {
        assert_eq!(house.api.status(&jwt).await.status, 200);
    }
    limited(&house.api.status(&jwt).await);
    assert_eq!(Api::new(&house.gate.url(""), FULL_KEY).status(&jwt).await.status, 200);
    house.end(&[&jwt]).await;
}
