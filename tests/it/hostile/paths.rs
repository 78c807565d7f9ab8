//! Ways around the rules (B1 to B14): other spellings of a path or a host, and headers that name another request.
//!
//! `/shop/**` is guarded and full, everything else is free: whatever the gate does not take for `/shop` is forwarded.

use super::strict_origin::{Request, StrictOrigin};
use crate::support::chance::Chance;
use crate::support::client::{Browser, h2c, next_address, plain, raw, send, websocket};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::{SOON, eventually};
use futures_util::StreamExt;
use gatekeeper::config::PathPattern;
use gatekeeper::proxy::PathView;
use http::Method;
use proptest::prelude::*;
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite;

const GUARDED: &str = "protect = [\"/shop/**\", \"/b%C3%BChne/**\", \"/my shop/**\"]";
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";

struct House {
    origin: StrictOrigin,
    gate: Gatekeeper,
    /// Who is in.
    first: Browser,
}

async fn house(change: impl FnOnce(Setup) -> Setup) -> House {
    let origin = StrictOrigin::start().await;
    let setup = Setup { site: GUARDED.to_owned(), listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(change(setup.settings(BUSY))).await;
    let first = Browser::new(&gate.url(""));
    assert_eq!(first.open("/shop/first").await.status, 200);
    let stranger = Browser::new(&gate.url(""));
    eventually(SOON, async || (stranger.fetch(Method::GET, "/shop/full").await.status == 503).then_some(())).await;
    House { origin, gate, first }
}

impl House {
    /// What an answer to these octets begins with: `503`.
    async fn status(&self, request: &[u8]) -> String {
        status(self.gate.addr(), request).await
    }

    async fn get(&self, target: &str) -> String {
        self.status(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    /// What reached the origin since the room is full, guarded paths first.
    fn inside(&self) -> Vec<Request> {
        self.origin
            .requests()
            .into_iter()
            .filter(|request| request.path() != "/shop/first" && is_inside(request))
            .collect()
    }
}

async fn status(gate: SocketAddr, request: &[u8]) -> String {
    let answer = raw(gate, request, SOON).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("closed").to_owned()
}

/// Whether some origin serves something guarded for it.
fn is_inside(request: &Request) -> bool {
    readings(request.path()).iter().any(|path| is_guarded(path)) && request.path() != "/shop/full"
}

fn is_guarded(path: &str) -> bool {
    let path = path.to_lowercase();
    ["/shop", "/bühne", "/my shop"]
        .iter()
        .any(|guarded| path.strip_prefix(guarded).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// How origins are known to read a path.
fn readings(raw: &str) -> Vec<String> {
    let decoded = |path: &str| percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    let (once, twice) = (decoded(raw), decoded(&decoded(raw)));
    let cut = once.split(['\0', '?', '#', '\r', '\n']).next().unwrap().to_owned();
    let plain = |path: &str| path.split('/').map(|part| part.split(';').next().unwrap()).collect::<Vec<_>>().join("/");
    let trimmed =
        |path: &str| path.split('/').map(|part| part.trim_end_matches(['.', ' '])).collect::<Vec<_>>().join("/");
    let mut all = Vec::new();
    for path in [&raw.to_owned(), &once, &twice, &cut, &plain(raw), &plain(&once), &plain(&twice)] {
        for path in [path.clone(), path.replace('\\', "/"), trimmed(path)] {
            all.extend([resolve(&merge(&path)), merge(&resolve(&path)), merge(&path)]);
        }
    }
    all
}

fn merge(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if !(c == '/' && out.ends_with('/')) {
            out.push(c);
        }
    }
    out
}

fn resolve(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(out.pop()),
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

async fn all_wait(house: &House, targets: &[&str]) {
    for target in targets {
        let status = house.get(target).await;
        // 404: below the gate's own prefix, and it serves no such thing.
        assert!(["503", "400", "404"].contains(&status.as_str()), "{target}: {status}");
    }
    assert_eq!((house.inside(), house.origin.faults()), (vec![], vec![]));
}

#[tokio::test]
async fn b01_slashes_and_dots_lead_where_they_lead() {
    let house = house(|setup| setup).await;
    for target in
        ["/shop", "/shop/", "/shop/x", "/./shop/x", "/a/../shop/x", "/shop//x", "/shop/../shop/x", "/a/./../shop"]
    {
        assert_eq!(house.get(target).await, "503", "{target}");
    }
    all_wait(&house, &["//shop/x", "///shop", "/a//../shop/x", "/shop/x/..", "/shop/../../shop/x", "/../shop/x"]).await;
    // What is free is forwarded in the form that was decided on.
    for (target, forwarded) in [
        ("/a/../b", "/b"),
        ("/a//b", "/a/b"),
        ("/shop/../b", "/b"),
        ("/./b/%7euser/?x=/../y", "/b/~user/?x=/../y"),
        ("/shop2/./x", "/shop2/x"),
    ] {
        assert_eq!(house.get(target).await, "200", "{target}");
        assert_eq!(house.origin.requests().pop().unwrap().target, forwarded, "{target}");
    }
}

#[tokio::test]
async fn b02_escapes_and_backslashes_hide_nothing() {
    let house = house(|setup| setup).await;
    for target in ["/%73hop/x", "/sho%70", "/%53HOP/x", "/%2e/shop/x", "/b%C3%BChne/x", "/b%c3%bchne", "/my%20shop/x"] {
        assert_eq!(house.get(target).await, "503", "{target}");
    }
    all_wait(&house, &["/shop%2fx", "/shop%2Fx", "%2fshop/x", "/%2fshop/x", "/a%2f..%2fshop/x", "/shop%5cx"]).await;
    all_wait(
        &house,
        &["\\shop\\x", "/\\shop/x", "/shop\\x", "/a\\..\\shop/x", "/%5cshop/x", "/%/../shop", "/my+shop%2f"],
    )
    .await;
}

#[tokio::test]
async fn b03_neither_dots_nor_parameters_hide_a_segment() {
    let house = house(|setup| setup).await;
    assert_eq!(house.get("/a/%2e%2e/shop/x").await, "503");
    all_wait(&house, &["/%2e%2e/shop/x", "/a/%252e%252e/shop/x", "/a/..;/shop/x", "/x;a=b/../shop/y", "/;/shop/x"])
        .await;
    all_wait(&house, &["/shop;x", "/shop;a=b/x", "/shop%3bx/y", "/a/..%3b/shop", "/a/.../shop", "/a/..%20/shop"]).await;
    all_wait(&house, &["/shop./x", "/shop%20/x", "/shop.../x", "/a/..%c0%af/shop"]).await;
}

#[tokio::test]
async fn b04_case_and_odd_characters_hide_nothing() {
    let house = house(|setup| setup).await;
    for target in ["/SHOP/x", "/Shop", "/sHoP/x", "/B%C3%9CHNE/x"] {
        assert_eq!(house.get(target).await, "503", "{target}");
    }
    for target in ["/shop%00", "/%00/shop", "/shop%0d%0a", "/shop\0", "/sh\x01op", "/%7fshop"] {
        assert_eq!(house.get(target).await, "400", "{target:?}");
    }
    all_wait(&house, &["/%c5%bfhop/x", "/ſhop/x", "/%c1%b3hop/x", "/%c0%afshop", "/%ff/../shop", "/%ef%bd%93hop"])
        .await;
    all_wait(&house, &["/s%c2%adhop", "/shop%e2%80%8b/x", "/a/%c0%ae%c0%ae/shop", "/%e2%81%84shop"]).await;
}

#[tokio::test]
async fn b05_other_forms_of_a_target_are_the_same_path_or_none() {
    let house = house(|setup| setup).await;
    for target in ["http://a/shop/x", "HTTP://a/shop/x", "https://a/shop", "http://a/./shop", "http://a/%73hop?x"] {
        assert_eq!(house.get(target).await, "503", "{target}");
    }
    for target in [
        "*",
        "a:80",
        "http:/\\a/shop",
        "http:/a/shop",
        "shop/x",
        "?/shop",
        "http://b/shop",
        "/x#/../shop",
        "ftp://a/shop",
    ] {
        assert_eq!(house.get(target).await, "400", "{target}");
    }
    all_wait(&house, &["http://a//shop/x", "http://a\\/shop"]).await;
    assert_eq!(house.get("http://a/free?x=1").await, "200");
    assert_eq!(house.origin.requests().pop().unwrap().target, "/free?x=1", "as a path, whatever it was");
}

#[tokio::test]
async fn b06_a_host_is_the_same_host_in_every_spelling() {
    // The site for any host guards nothing; two hosts are guarded whole.
    let house = house(|setup| {
        let more = format!(
            "[[sites]]\nhosts = [\"shop.test\", \"[2001:db8::1]\"]\norigins = [\"{}\"]\nroom = \"checkout\"\n",
            setup.origins[0]
        );
        Setup { more, ..setup }
    })
    .await;
    let ask = async |host: &str| {
        house.status(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await
    };
    assert_eq!(ask("other.test").await, "200");
    for host in
        ["shop.test", "SHOP.TEST", "shop.test.", "shop.test:80", "Shop.Test.:8443", " shop.test ", "[2001:DB8:0::1]:80"]
    {
        assert_eq!(ask(host).await, "503", "{host}");
    }
    for host in [
        "",
        "shop.test..",
        "shop.test:",
        "shop.test:x",
        "u@shop.test",
        "shop.test/x",
        "shop.test,other.test",
        "shop%2etest",
    ] {
        assert_eq!(ask(host).await, "400", "{host}");
    }
    for two in ["Host: shop.test\r\nHost: other.test", "Host: other.test\r\nhost: shop.test", "Host: a\r\nHost: a"] {
        assert_eq!(house.status(format!("GET /x HTTP/1.1\r\n{two}\r\n\r\n").as_bytes()).await, "400", "{two}");
    }
    let absolute = b"GET http://other.test/x HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    assert_eq!(house.status(absolute).await, "400");
    let forwarded = "X-Forwarded-Host: other.test\r\nX-Host: other.test\r\nForwarded: host=other.test";
    let request = format!("GET /x HTTP/1.1\r\nHost: shop.test\r\n{forwarded}\r\nConnection: close\r\n\r\n");
    assert_eq!(house.status(request.as_bytes()).await, "503");
}

/// What some origin takes for the path, the method or the sender that the request "really" had.
const TRICKS: &[(&str, &str)] = &[
    ("X-Original-URL", "/shop/x"),
    ("X-Original-URI", "/shop/x"),
    ("X-Original-Method", "POST"),
    ("X-Original-Host", "shop.test"),
    ("X-Rewrite-URL", "/shop/x"),
    ("X-Rewrite-URI", "/shop/x"),
    ("X-Envoy-Original-Path", "/shop/x"),
    ("X-Forwarded-Uri", "/shop/x"),
    ("X-Forwarded-Path", "/shop/x"),
    ("X-Forwarded-Prefix", "/shop"),
    ("X-Forwarded-Method", "DELETE"),
    ("X-Forwarded-Server", "x"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
    ("x_original_url", "/shop/x"),
    ("X_Rewrite_Url", "/shop/x"),
    ("x_http_method_override", "DELETE"),
    ("Proxy", "http://evil.test"),
    ("Forwarded", "for=1.2.3.4"),
    ("X-Real-IP", "1.2.3.4"),
    ("X-Gatekeeper-User", "root"),
    ("X-Gatekeeper-Room", "vip"),
    ("X-Gatekeeper-Ready", "true"),
    ("x_gatekeeper_user", "root"),
    ("X-Gatekeeper_User", "root"),
    ("X-Gatekeeper-Anything", "1"),
    ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."),
    ("JWT", "forged"),
    ("X-Forwarded", "1"),
];

#[tokio::test]
async fn b07_no_header_names_another_path_or_method() {
    let house = house(|setup| setup).await;
    for (name, value) in TRICKS {
        let inside = value.replace("/shop/x", "/free");
        let request = format!("GET /shop/x HTTP/1.1\r\nHost: a\r\n{name}: {inside}\r\nConnection: close\r\n\r\n");
        assert_eq!(house.status(request.as_bytes()).await, "503", "{name}");
        let request = format!("GET /free HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nConnection: close\r\n\r\n");
        assert_eq!(house.status(request.as_bytes()).await, "200", "{name}");
        let seen = house.origin.requests().pop().unwrap();
        assert!(seen.fields.iter().all(|(_, seen)| seen != value), "{name}: {seen:?}");
    }
    assert_eq!(house.inside(), []);
}

#[tokio::test]
async fn b08_connection_takes_out_nothing_that_the_gate_sets() {
    let house = house(|setup| setup).await;
    for name in [
        "cookie",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Gatekeeper-User",
        "x-request-id",
        "jwt",
        "Host",
        "authorization",
    ] {
        let request = format!("GET /free HTTP/1.1\r\nHost: a\r\nConnection: close, {name}\r\n\r\n");
        assert_eq!(house.status(request.as_bytes()).await, "400", "{name}");
    }
    let jwt = house.first.cookie("gatekeeper_checkout").unwrap();
    let request =
        format!("GET /shop/own HTTP/1.1\r\nHost: a\r\njwt: {jwt}\r\nConnection: close, X-Own\r\nX-Own: 1\r\n\r\n");
    assert_eq!(house.status(request.as_bytes()).await, "200");
    let seen = house.origin.requests_for("/shop/own").pop().unwrap();
    assert_eq!((seen.field("x-own"), seen.field("connection")), (None, None));
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "x-gatekeeper-user", "jwt"]
    {
        assert!(seen.field(name).is_some(), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn b09_a_client_is_who_its_token_says_whatever_it_calls_itself() {
    let house = house(|setup| setup).await;
    let jwt = house.first.cookie("gatekeeper_checkout").unwrap();
    let request = TRICKS.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("jwt")).fold(
        plain().local_address(next_address()).build().unwrap().get(house.gate.url("/shop/who")).header("jwt", &jwt),
        |request, (name, value)| request.header(*name, *value),
    );
    assert_eq!(send(request).await.status, 200);
    let seen = house.origin.requests_for("/shop/who").pop().unwrap();
    assert_eq!((seen.field("jwt"), seen.field("x-gatekeeper-room")), (Some(jwt.as_str()), Some("checkout")));
    assert!(seen.field("x-gatekeeper-user").is_some_and(|user| user != "root"), "{seen:?}");
    assert_eq!(seen.fields.iter().filter(|(name, _)| name.contains("gatekeeper")).count(), 2, "{seen:?}");
    // And nobody is in by saying so.
    for (name, value) in
        [("cookie", "gatekeeper_checkout=ready"), ("cookie", "gatekeeper_checkout="), ("X-Gatekeeper-Ready", "1")]
    {
        let request = format!("GET /shop/x HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nConnection: close\r\n\r\n");
        assert_eq!(house.status(request.as_bytes()).await, "503", "{name}: {value}");
    }
}

#[tokio::test]
async fn b10_no_web_socket_and_no_stream_of_events_opens_without_a_turn() {
    let house = house(|setup| setup).await;
    for path in ["/shop/chat", "/SHOP/chat", "/./shop/chat"] {
        let refused = websocket(house.gate.addr(), path, &[]).await;
        assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 503), "{path}");
    }
    let events =
        Browser::new(&house.gate.url("")).script(Method::GET, "/shop/events").header("accept", "text/event-stream");
    let answer = send(events).await;
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("application/json")));
    assert_eq!(house.inside(), []);
}

#[tokio::test]
async fn b11_no_method_passes_without_a_turn() {
    let house = house(|setup| setup).await;
    let ask = async |method: &str, more: &str| {
        let request =
            format!("{method} /shop/x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n{more}Connection: close\r\n\r\n");
        String::from_utf8(raw(house.gate.addr(), request.as_bytes(), SOON).await).unwrap()
    };
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "TRACK", "get", "M-SEARCH"]
    {
        let answer = ask(method, "").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{method}: {answer}");
    }
    let head = ask("HEAD", "").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.ends_with("\r\n\r\n"), "{head}");
    for method in ["TRACE", "CONNECT"] {
        let answer = ask(method, "").await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
    }
    // Neither half of a preflight is one, nor does another method become one by a header.
    for more in ["Origin: http://b\r\n", "Access-Control-Request-Method: POST\r\n"] {
        assert!(ask("OPTIONS", more).await.starts_with("HTTP/1.1 503"), "{more}");
    }
    let preflight = "Origin: http://b\r\nAccess-Control-Request-Method: POST\r\n";
    let overridden = format!("{preflight}X-HTTP-Method-Override: OPTIONS\r\n");
    assert!(ask("POST", &overridden).await.starts_with("HTTP/1.1 503"));
    assert_eq!(house.inside(), []);
    // A real one goes through, and can't be made into anything else on the way.
    let sly = format!("{preflight}X-HTTP-Method-Override: GET\r\nX-Method-Override: POST\r\n");
    assert!(ask("OPTIONS", &sly).await.starts_with("HTTP/1.1 200"));
    let seen = house.origin.requests_for("/shop/x").pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.field("x-http-method-override"), seen.field("x-method-override")),
        ("OPTIONS", None, None)
    );
}

#[tokio::test]
async fn b12_the_waiting_page_is_whole_and_has_no_validator() {
    let house = house(|setup| setup).await;
    let visitor = Browser::new(&house.gate.url(""));
    for (name, value) in
        [("range", "bytes=0-9"), ("if-none-match", "*"), ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")]
    {
        let answer = send(visitor.navigation(Method::GET, "/shop/x", "none").header(name, value)).await;
        assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")), "{name}");
        assert!(answer.text().trim_end().ends_with("</html>"), "{name}");
        for header in ["etag", "last-modified", "content-range", "accept-ranges"] {
            assert_eq!(answer.header(header), None, "{name}");
        }
    }
}

#[tokio::test]
async fn b13_nothing_passes_by_how_its_path_ends_or_what_it_contains() {
    let house = house(|setup| setup).await;
    all_wait(
        &house,
        &["/shop/pay.css", "/shop/pay/.js", "/shop/favicon.ico", "/shop/robots.txt", "/shop/x/robots.txt"],
    )
    .await;
    all_wait(&house, &["/shop/.well-known/x", "/robots.txt/../shop/x", "/.well-known/../shop/x", "/shop/queue/status"])
        .await;
    all_wait(&house, &["/shop/health", "/health/../shop/x", "/.gatekeeper/../shop/x?a", "/shop/x?a=/free.css"]).await;
}

const STEPS: &[&str] = &[
    "/",
    "//",
    "/./",
    "/../",
    "/a/../",
    "/a/b/../../",
    "/.",
    "/..",
    "/%2e/",
    "/%2e%2e/",
    "/.%2E/",
    "/%252e%252e/",
    "%2f",
    "%5c",
    "\\",
    ";",
    ";a=b",
    "/;/",
    "..;/",
    "%3b",
    "%00",
    "%20",
    "%0a",
    "%c0%af",
    "%c0%ae",
    "%ef%bc%8f",
    "%e2%80%8b",
    "?",
    "%3f",
    "%23",
    ".",
    "%2e",
    "%25",
    "free",
    "/free/",
    "%",
];

/// `/shop/x`, or something near it, with steps put in and letters spelled otherwise.
fn spelled(chance: &mut Chance) -> String {
    let mut pieces: Vec<String> = chance
        .pick(&["/shop/x", "/shop", "/free/../shop/x", "/shop/x/../y", "/free/x"])
        .chars()
        .map(String::from)
        .collect();
    for _ in 0..=chance.index(4) {
        let at = chance.index(pieces.len());
        match chance.index(5) {
            0 => pieces[at] = pieces[at].to_uppercase(),
            1 => pieces[at] = pieces[at].bytes().map(|byte| format!("%{byte:02x}")).collect(),
            2 => pieces[at] = pieces[at].bytes().map(|byte| format!("%25{byte:02X}")).collect(),
            3 => pieces.insert(at, chance.pick(STEPS).to_owned()),
            _ => pieces.insert(at, "/".to_owned()),
        }
    }
    let path = pieces.concat();
    if path.starts_with('/') || chance.percent(20) { path } else { format!("/{path}") }
}

/// The gate's own rule, without the wire.
fn forwarded_without_gate(raw: &str) -> Option<String> {
    let path = raw.split('?').next().unwrap();
    let view = PathView::of(path.as_bytes());
    let guarded = PathPattern::parse("/shop/**").unwrap().matches_in_any_case(view.clean()?);
    (!guarded).then(|| view.to_request_path().unwrap())
}

#[test]
fn b14_a_hundred_thousand_spellings_and_none_leads_past_the_rules() {
    let (mut chance, mut free) = (Chance::of(14, 0, 1), 0);
    for _ in 0..100_000 {
        let raw = spelled(&mut chance);
        if let Some(forwarded) = forwarded_without_gate(&raw) {
            free += 1;
            let inside: Vec<String> = readings(&forwarded).into_iter().filter(|path| is_guarded(path)).collect();
            assert!(inside.is_empty(), "{raw} is free, forwarded as {forwarded}, and read as {inside:?}");
            assert_eq!(forwarded_without_gate(&forwarded), Some(forwarded.clone()), "{raw}: another decision");
        }
    }
    assert!((1_000..60_000).contains(&free), "{free} of them are free: the spellings try nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// What one origin reads as guarded is never an exception, whatever stands around it.
    #[test]
    fn b14_what_anybody_reads_as_guarded_is_guarded(before in "(/|/[a-z.%;2ef5c]{0,6}){0,3}", after in "[a-z./%;\\\\2ef5c]{0,8}") {
        let raw = format!("{before}/shop{after}");
        if readings(&raw).iter().all(|path| is_guarded(path)) {
            prop_assert_eq!(forwarded_without_gate(&raw), None);
        }
        if let Some(forwarded) = forwarded_without_gate(&raw) {
            prop_assert!(!readings(&forwarded).iter().any(|path| is_guarded(path)), "{} as {}", raw, forwarded);
        }
    }
}

/// The same through the real door, over both protocols: what the origin receives decides.
#[tokio::test(flavor = "multi_thread")]
async fn b14_no_spelling_reaches_a_guarded_path_through_the_door() {
    let house = house(|setup| setup).await;
    let mut chance = Chance::of(15, 0, 1);
    let all: Vec<String> = (0..1500).map(|_| spelled(&mut chance)).collect();
    let gate = house.gate.addr();
    futures_util::stream::iter(&all)
        .for_each_concurrent(16, |target| async move {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let status = status(gate, request.as_bytes()).await;
            assert!(["200", "503", "400"].contains(&status.as_str()), "{target}: {status}");
        })
        .await;
    let forwarded = house.origin.requests().len();
    assert!(forwarded > 50, "only {forwarded} were forwarded: the spellings try nothing");
    let client = h2c();
    for target in all.iter().take(150) {
        if let Ok(url) = reqwest::Url::parse(&house.gate.url(target)) {
            let status = send(client.get(url)).await.status;
            assert!([200, 503, 400].contains(&status), "{target}: {status}");
        }
    }
    assert_eq!((house.inside(), house.origin.faults()), (vec![], vec![]));
}
