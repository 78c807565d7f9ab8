//! HTTP/2 (A9 to A14): what would be something else in HTTP/1, and what makes work without asking for anything.

use super::raw_frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Http2, Outcome, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, text,
};
use super::strict_origin::StrictOrigin;
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::{SOON, eventually};
use std::time::{Duration, Instant};

const WHOLE: u8 = END_HEADERS | END_STREAM;

async fn house() -> (StrictOrigin, Gatekeeper) {
    let origin = StrictOrigin::start().await;
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    (origin, gate)
}

type Fields = Vec<(&'static str, &'static str)>;

/// GET /a, with other fields instead of or behind the usual ones.
fn with(changes: &[(&'static str, &'static str)]) -> Fields {
    let usual = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")];
    let kept = usual.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let (pseudo, plain): (Fields, Fields) = changes.iter().copied().partition(|(name, _)| name.starts_with(':'));
    kept.chain(pseudo).chain(plain).collect()
}

/// What becomes of a request with these fields and this body.
async fn ask(gate: &Gatekeeper, fields: &[(&str, &str)], body: Option<&str>) -> Outcome {
    let mut connection = Http2::to(gate.addr()).await;
    let flags = if body.is_some() { END_HEADERS } else { WHOLE };
    connection.send(&frame(HEADERS, flags, 1, &block(fields))).await;
    if let Some(body) = body {
        connection.send(&frame(DATA, END_STREAM, 1, body.as_bytes())).await;
    }
    connection.outcome(1).await
}

/// What it is, its fields, its body.
type Strange = (&'static str, Fields, Option<&'static str>);

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn strange_fields() -> Vec<Strange> {
    vec![
        ("CR LF in a value", with(&[("x", "1\r\nInjected: 2")]), None),
        ("a request in a value", with(&[("x", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")]), None),
        ("CR in a value", with(&[("x", "1\r2")]), None),
        ("LF in a value", with(&[("x", "1\n2")]), None),
        ("NUL in a value", with(&[("x", "1\0")]), None),
        ("CR LF in a name", with(&[("x\r\ninjected", "1")]), None),
        ("a colon in a name", with(&[("transfer-encoding: chunked\r\nx", "1")]), None),
        ("a colon in a name, alone", with(&[("a:b", "1")]), None),
        ("a space in a name", with(&[("a b", "1")]), None),
        ("an empty name", with(&[("", "1")]), None),
        ("capitals in a name", with(&[("X-Up", "1")]), None),
        ("transfer-encoding", with(&[(":method", "POST"), ("transfer-encoding", "chunked")]), Some("0\r\n\r\n")),
        ("transfer_encoding", with(&[(":method", "POST"), ("transfer_encoding", "chunked")]), Some("0\r\n\r\n")),
        ("content_length", with(&[(":method", "POST"), ("content_length", "0")]), Some(SMUGGLED)),
        ("connection", with(&[("connection", "close")]), None),
        ("connection names a field", with(&[("connection", "x-forwarded-for")]), None),
        ("proxy-connection", with(&[("proxy-connection", "close")]), None),
        ("keep-alive", with(&[("keep-alive", "5")]), None),
        ("upgrade", with(&[("upgrade", "websocket")]), None),
        ("te", with(&[("te", "gzip")]), None),
    ]
}

fn strange_targets() -> Vec<Strange> {
    let without = |name: &str| with(&[]).into_iter().filter(|(known, _)| *known != name).collect::<Fields>();
    let mut misplaced = with(&[("x", "1")]);
    misplaced.rotate_left(1);
    vec![
        ("another host", with(&[("host", "b")]), None),
        ("two hosts", with(&[("host", "a"), ("host", "b")]), None),
        ("two paths", with(&[(":path", "/a"), (":path", "/smuggled")]), None),
        ("two methods", with(&[(":method", "GET"), (":method", "POST")]), None),
        ("two authorities", with(&[(":authority", "a"), (":authority", "b")]), None),
        ("no path", without(":path"), None),
        ("no method", without(":method"), None),
        ("an empty path", with(&[(":path", "")]), None),
        ("a path without a slash", with(&[(":path", "a")]), None),
        ("an absolute path", with(&[(":path", "http://a/smuggled")]), None),
        ("a space in the path", with(&[(":path", "/a b")]), None),
        ("a version in the path", with(&[(":path", "/a HTTP/1.1\r\nX: 1")]), None),
        ("NUL in the path", with(&[(":path", "/a\0")]), None),
        ("a control character, escaped", with(&[(":path", "/a%00")]), None),
        ("a star for GET", with(&[(":path", "*")]), None),
        ("a request as the method", with(&[(":method", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nGET")]), None),
        ("a space in the method", with(&[(":method", "GET /x")]), None),
        ("TRACE", with(&[(":method", "TRACE")]), None),
        ("userinfo", with(&[(":authority", "u@a")]), None),
        ("CR LF in the authority", with(&[(":authority", "a\r\nX: 1")]), None),
        ("a path in the authority", with(&[(":authority", "a/b")]), None),
        ("a space in the authority", with(&[(":authority", "a b")]), None),
        ("an empty authority", with(&[(":authority", "")]), None),
        ("a request as the scheme", with(&[(":scheme", "http://a/smuggled HTTP/1.1\r\n")]), None),
        ("an unknown pseudo field", with(&[(":x", "1")]), None),
        ("a pseudo field of answers", with(&[(":status", "200")]), None),
        ("a pseudo field behind others", misplaced, None),
    ]
}

fn strange_lengths() -> Vec<Strange> {
    vec![
        ("a shorter body", with(&[(":method", "POST"), ("content-length", "50")]), Some("abc")),
        ("a longer body", with(&[(":method", "POST"), ("content-length", "3")]), Some(SMUGGLED)),
        ("two lengths", with(&[(":method", "POST"), ("content-length", "3"), ("content-length", "0")]), Some("abc")),
        (
            "two equal lengths",
            with(&[(":method", "POST"), ("content-length", "3"), ("content-length", "3")]),
            Some("abc"),
        ),
        ("no number as a length", with(&[(":method", "POST"), ("content-length", "x")]), Some("abc")),
        ("a sign", with(&[(":method", "POST"), ("content-length", "+3")]), Some("abc")),
        ("a leading zero", with(&[(":method", "POST"), ("content-length", "03")]), Some("abc")),
        ("an odd expectation", with(&[("expect", "y 100-continue")]), None),
    ]
}

#[tokio::test]
async fn a09_nothing_of_http2_becomes_something_else_in_http1() {
    let (origin, gate) = house().await;
    let mut wrong = Vec::new();
    for (what, fields, body) in [strange_fields(), strange_targets(), strange_lengths()].concat() {
        let outcome = ask(&gate, &fields, body).await;
        if !outcome.is_refused() {
            wrong.push(format!("{what}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((origin.requests(), origin.faults()), (vec![], vec![]), "nothing reached the origin whole");
    // With a length of 0 the request is whole before its body shows that it isn't.
    ask(&gate, &with(&[(":method", "POST"), ("content-length", "0")]), Some(SMUGGLED)).await;
    let bodies: Vec<_> = origin.requests().into_iter().map(|request| (request.target, request.body)).collect();
    assert!(bodies.iter().all(|(target, body)| target == "/a" && body.is_empty()), "{bodies:?}");
    assert_eq!(origin.faults(), [""; 0]);
}

#[tokio::test]
async fn a09_what_is_right_in_http2_arrives_in_the_form_of_http1() {
    let (origin, gate) = house().await;
    for (fields, body) in [
        (with(&[("te", "trailers"), ("x", "a\tb")]), None),
        (with(&[(":method", "POST"), ("content-length", "5")]), Some("hello")),
        (with(&[(":method", "POST"), ("cookie", "a=b"), ("cookie", "c=d")]), Some("hello")),
        (with(&[("host", "a")]), None),
        (with(&[(":path", "/a?b=/../c")]), None),
    ] {
        let outcome = ask(&gate, &fields, body).await;
        assert!(outcome.body.starts_with("origin: "), "{fields:?}: {outcome:?}");
        let request = origin.requests().pop().unwrap();
        assert_eq!((request.path(), request.field("host"), request.field("te")), ("/a", Some("a"), None));
        assert_eq!(request.body, body.unwrap_or_default().as_bytes());
    }
    assert_eq!((origin.requests().len(), origin.faults()), (5, vec![]));
}

/// The path that was decided on keeps its host, also where another spelling came.
#[tokio::test]
async fn a09_an_exception_over_http2_keeps_its_host() {
    let origin = StrictOrigin::start().await;
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let site = "bypass = [{ path = \"/free/**\" }]\nstrip_query_token = true".to_owned();
    let gate = Gatekeeper::start(Setup { site, ..setup }).await;
    let outcome = ask(&gate, &with(&[(":path", "/free/./a?jwt=x&b=1"), (":authority", "shop.test:80")]), None).await;
    assert_eq!(outcome.body, "origin: GET /free/a", "{outcome:?}");
    let request = origin.requests().pop().unwrap();
    assert_eq!((request.target.as_str(), request.field("host")), ("/free/a?b=1", Some("shop.test:80")));
}

/// Sends `bytes` again and again until the connection ends, at most `most` times.
async fn flood(gate: &Gatekeeper, begin: &[u8], most: usize, bytes: impl Fn(u32) -> Vec<u8>) -> (Outcome, Duration) {
    let begun = Instant::now();
    let mut connection = Http2::to(gate.addr()).await;
    connection.send(begin).await;
    for nth in 0..most {
        if !connection.send(&bytes(u32::try_from(nth).unwrap())).await {
            break;
        }
    }
    let outcome = connection.end().await;
    (outcome, begun.elapsed())
}

async fn serves(gate: &Gatekeeper) {
    let outcome = ask(gate, &with(&[]), None).await;
    assert_eq!(outcome.body, "origin: GET /a", "another client is served: {outcome:?}");
}

#[tokio::test]
async fn a10_who_asks_and_takes_back_at_once_is_sent_away() {
    let (_origin, gate) = house().await;
    for _ in 0..3 {
        let (outcome, took) = flood(&gate, &[], 20_000, |nth| {
            let stream = 2 * nth + 1;
            let ask = frame(HEADERS, WHOLE, stream, &block(&with(&[])));
            [ask, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .await;
        assert!(outcome.closed && took < SOON / 2, "{took:?}: {outcome:?}");
        serves(&gate).await;
    }
}

#[tokio::test]
async fn a11_continuations_without_end_and_empty_data_are_cut() {
    let (origin, gate) = house().await;
    let half = frame(HEADERS, END_STREAM, 1, &block(&with(&[])));
    for (what, fragment) in [("empty", Vec::new()), ("full", block(&[("x", "y"); 1000]))] {
        let (outcome, took) = flood(&gate, &half, 50_000, |_| frame(CONTINUATION, 0, 1, &fragment)).await;
        assert!(outcome.closed && took < SOON / 2, "{what}: {took:?}: {outcome:?}");
        serves(&gate).await;
    }
    let post = frame(HEADERS, END_HEADERS, 1, &block(&with(&[(":method", "POST"), (":path", "/up")])));
    let (outcome, took) = flood(&gate, &post, 50_000, |_| frame(DATA, 0, 1, &[])).await;
    assert!(outcome.closed && took < SOON / 2, "{took:?}: {outcome:?}");
    assert!(origin.requests_for("/up").is_empty());
    serves(&gate).await;
}

/// Faults that make the server reset the stream, so that it isn't counted as the client's doing.
#[tokio::test]
async fn a11_who_makes_the_gate_reset_its_streams_is_sent_away() {
    let (_origin, gate) = house().await;
    let (outcome, took) = flood(&gate, &[], 20_000, |nth| {
        let stream = 2 * nth + 1;
        let post = frame(HEADERS, END_HEADERS, stream, &block(&with(&[(":method", "POST")])));
        [post, frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes())].concat()
    })
    .await;
    assert!(outcome.closed && took < SOON, "{took:?}: {outcome:?}");
    serves(&gate).await;
}

#[tokio::test]
async fn a12_pings_settings_and_other_idle_frames_are_counted() {
    let (_origin, gate) = house().await;
    let ping = frame(PING, 0, 0, &[7; 8]);
    for (what, idle) in [
        ("PING", ping.clone()),
        ("an answered PING", frame(PING, ACK, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("an unknown frame", frame(99, 0, 0, &[])),
    ] {
        let (outcome, took) = flood(&gate, &[], 50_000, |_| idle.clone()).await;
        assert!(outcome.closed && took < SOON / 2, "{what}: {took:?}: {outcome:?}");
        serves(&gate).await;
    }
    // Who sends some is served.
    let mut connection = Http2::to(gate.addr()).await;
    connection.send(&ping.repeat(500)).await;
    connection.send(&frame(HEADERS, WHOLE, 1, &block(&with(&[])))).await;
    assert_eq!(connection.outcome(1).await.body, "origin: GET /a");
}

#[tokio::test]
async fn a13_a_small_header_that_unfolds_into_a_large_one_costs_little() {
    let (origin, gate) = house().await;
    let memory = async || gate.metrics().await.value("process_resident_memory_bytes", &[]).unwrap();
    serves(&gate).await;
    let before = memory().await;
    // A field of 4,000 octets is put into the table, then named 16,000 times.
    let large = [vec![0x40], text("x"), text(&"y".repeat(3900))].concat();
    let bomb = [block(&with(&[])), large, vec![0xbe; 12_000]].concat();
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut connection = Http2::to(gate.addr()).await;
        connection.send(&frame(HEADERS, WHOLE, 1, &bomb)).await;
        let outcome = connection.outcome(1).await;
        assert!(outcome.is_refused() || outcome.answered, "{outcome:?}");
        open.push(connection);
    }
    let after = memory().await;
    assert!(after - before < 30.0 * 1_000_000.0, "grew from {before} to {after}");
    assert_eq!(origin.requests().len(), 1, "no bomb reached the origin");
    serves(&gate).await;
}

#[tokio::test]
async fn a14_too_large_a_header_over_http2_has_its_own_answer() {
    let (origin, gate) = house().await;
    let (value, path): (&'static str, &'static str) =
        (Box::leak("x".repeat(8_000).into()), Box::leak(format!("/{}", "a".repeat(8_300)).into()));
    let large: Fields = with(&[("a", value), ("b", value), ("c", value), ("d", value), ("e", value)]);
    let many: Fields = with(&[("x", "y"); 101]);
    for (what, fields, status) in [("large", large, 431), ("many", many, 431), ("long", with(&[(":path", path)]), 414)]
    {
        let mut connection = Http2::to(gate.addr()).await;
        let block = block(&fields);
        let mut pieces = block.chunks(16_000).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            let end = if kind == HEADERS { END_STREAM } else { 0 };
            connection.send(&frame(kind, last | end, 1, piece)).await;
            kind = CONTINUATION;
        }
        let outcome = connection.outcome(1).await;
        assert!(outcome.body.contains(&format!("\"status\":{status}")), "{what}: {outcome:?}");
    }
    assert_eq!(origin.requests().len(), 0);
    eventually(SOON, async || (gate.metrics().await.value("gatekeeper_in_flight", &[]) == Some(0.0)).then_some(()))
        .await;
}
