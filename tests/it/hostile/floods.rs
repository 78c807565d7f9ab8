//! Too slow, too large, too many: nobody holds the gate up, and a crowd is no attack.
//!
//! Each test sees the connection closed or served, and its reason counted once for each connection.

use crate::support::client::{Api, Browser, next_address};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Setup};
use crate::support::origin::{Answer, Origin};
use crate::support::pki::TestCa;
use crate::support::{SOON, eventually};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use http::Method;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// One gets in an hour: who comes later waits for the whole test.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";
const GET: &[u8] = b"GET /robots.txt HTTP/1.1\r\nHost: shop.test\r\n\r\n";
const DRIBBLE: Duration = Duration::from_millis(100);

async fn house(limits: &str) -> (Origin, Gatekeeper) {
    house_with(limits, |setup| setup).await
}

async fn house_with(limits: &str, change: impl FnOnce(Setup) -> Setup) -> (Origin, Gatekeeper) {
    let origin = Origin::start().await;
    let setup = change(Setup::before(origin.addr()));
    let server = format!("{}\n[server.limits]\n{limits}", setup.server);
    let gate = Gatekeeper::start(Setup { server, ..setup }).await;
    (origin, gate)
}

/// How many connections were closed for this reason.
async fn closed(gate: &Gatekeeper, why: &str) -> f64 {
    gate.metrics().await.value("gatekeeper_connections_closed_total", &[("reason", why)]).unwrap()
}

async fn await_closed(gate: &Gatekeeper, why: &str, count: f64) {
    eventually(SOON, async || (closed(gate, why).await >= count).then_some(())).await;
    assert_eq!(closed(gate, why).await, count, "{why}");
}

/// A connection of bytes.
struct Raw(TcpStream);

impl Raw {
    async fn to(gate: &Gatekeeper) -> Self {
        Self(TcpStream::connect(gate.addr()).await.unwrap())
    }

    async fn from(source: IpAddr, gate: &Gatekeeper) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        Self(socket.connect(gate.addr()).await.unwrap())
    }

    /// One that had its answer and lies idle now.
    async fn idle(source: IpAddr, gate: &Gatekeeper) -> Self {
        let mut raw = Self::from(source, gate).await;
        raw.send(GET).await;
        raw.expect("200").await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next answer, its head and as much of its body as its length says.
    async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return text;
                }
            }
            let mut buffer = [0; 4096];
            let length = timeout(SOON, self.0.read(&mut buffer)).await.expect("an answer in time").unwrap();
            assert!(length > 0, "closed after {text:?}");
            read.extend_from_slice(&buffer[..length]);
        }
    }

    async fn expect(&mut self, status: &str) -> String {
        let answer = self.answer().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        answer
    }

    /// What comes until it is closed, which it must be soon.
    async fn end(&mut self) -> String {
        let mut read = Vec::new();
        let _or_reset = timeout(SOON, self.0.read_to_end(&mut read)).await.expect("closed in time");
        String::from_utf8_lossy(&read).into_owned()
    }

    async fn is_open(&mut self) -> bool {
        let mut byte = [0];
        timeout(DRIBBLE, self.0.read(&mut byte)).await.is_err()
    }
}

/// Sends a piece every 100 ms until the connection is closed; what it was told meanwhile, and after how long.
async fn dribble(mut raw: Raw, start: &[u8], piece: &[u8]) -> (String, Duration) {
    let begin = Instant::now();
    raw.send(start).await;
    let (mut reader, mut writer) = raw.0.into_split();
    let piece = piece.to_vec();
    let writing = tokio::spawn(async move {
        let mut every = interval(DRIBBLE);
        loop {
            every.tick().await;
            if writer.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let mut read = Vec::new();
    let _or_reset = timeout(SOON, reader.read_to_end(&mut read)).await.expect("closed in time");
    writing.abort();
    (String::from_utf8_lossy(&read).into_owned(), begin.elapsed())
}

#[tokio::test]
async fn a14_a_header_a_target_or_too_many_fields_are_refused() {
    let (origin, gate) = house("").await;
    let request = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n");
    let long = "x".repeat(40_000);
    for (status, bytes) in [
        ("431", request("/robots.txt", &format!("x-long: {long}\r\n"))),
        ("431", request("/robots.txt", &"x-many: 1\r\n".repeat(101))),
        ("414", request(&format!("/robots.txt?{}", &long[..9000]), "")),
    ] {
        let mut raw = Raw::to(&gate).await;
        raw.send(bytes.as_bytes()).await;
        let end = raw.end().await;
        assert!(end.starts_with(&format!("HTTP/1.1 {status} ")), "{end}");
    }
    assert!(origin.hits().is_empty());
}

#[tokio::test]
async fn a15_an_endless_header_is_cut_at_the_limit() {
    const CLIENTS: usize = 100;
    let (_origin, gate) = house("").await;
    let resident = async || gate.metrics().await.value("process_resident_memory_bytes", &[]).unwrap();
    let before = resident().await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let raw = Raw::to(&gate).await;
        clients.spawn(dribble(raw, b"GET / HTTP/1.1\r\nHost: shop.test\r\nx-endless: ", &[b'x'; 20_000]));
    }
    for (said, _) in clients.join_all().await {
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    }
    await_closed(&gate, "large_header", CLIENTS as f64).await;
    let grown = resident().await - before;
    assert!(grown < 30e6, "grown by {grown} bytes");
}

#[tokio::test]
async fn a16_a_header_that_dribbles_is_cut_at_its_deadline_and_nobody_else_notices() {
    const CLIENTS: usize = 200;
    let (_origin, gate) = house("header_seconds = 1").await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let raw = Raw::to(&gate).await;
        clients.spawn(dribble(raw, b"GET / HTTP/1.1\r\nHost: shop.test\r\n", b"x: y\r\n"));
    }
    while clients.try_join_next().is_none() {
        let begin = Instant::now();
        assert_eq!(gate.get("/robots.txt").await.status, 200);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
    for (said, after) in clients.join_all().await {
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&after), "{after:?}");
    }
    await_closed(&gate, "slow_header", CLIENTS as f64).await;
}

#[tokio::test]
async fn a16_the_second_header_of_a_connection_has_its_deadline_too() {
    let (_origin, gate) = house("header_seconds = 1").await;
    let raw = Raw::idle(next_address(), &gate).await;
    let (said, _) = dribble(raw, b"GET / HTTP/1.1\r\n", b"x: y\r\n").await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    await_closed(&gate, "slow_header", 1.0).await;
}

#[tokio::test]
async fn a17_a_body_that_dribbles_is_cut_and_one_of_some_pace_is_not() {
    let (origin, gate) = house("header_seconds = 1\nbody_rate = 1000").await;
    let head = b"POST /.well-known/up HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 6000\r\n\r\n";
    let (_, after) = dribble(Raw::to(&gate).await, head, &[b'x'; 10]).await;
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&after), "{after:?}");
    await_closed(&gate, "slow_body", 1.0).await;

    let mut raw = Raw::to(&gate).await;
    raw.send(head).await;
    for _ in 0..20 {
        raw.send(&[b'x'; 300]).await;
        sleep(DRIBBLE).await; // the pace is what is tested
    }
    raw.expect("200").await;
    assert_eq!(origin.last().unwrap().body_length, 6000);
    assert_eq!(closed(&gate, "slow_body").await, 1.0);
}

#[tokio::test]
async fn a17_a_body_that_stops_is_cut_with_an_answer() {
    let (_origin, gate) = house("body_idle_seconds = 1\nbody_rate = 0").await;
    let mut raw = Raw::to(&gate).await;
    raw.send(b"POST /.well-known/up HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100\r\n\r\nten bytes.").await;
    let end = raw.end().await;
    assert!(end.starts_with("HTTP/1.1 408 "), "{end}");
    await_closed(&gate, "slow_body", 1.0).await;
}

#[tokio::test]
async fn a17_a_body_for_a_call_of_ours_that_dribbles_is_cut() {
    let (_origin, gate) = house("header_seconds = 1\nbody_idle_seconds = 1").await;
    let mut raw = Raw::to(&gate).await;
    let head = format!(
        "POST /config HTTP/1.1\r\nHost: shop.test\r\nbusiness_id: {FULL_KEY}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    raw.send(head.as_bytes()).await;
    let end = raw.end().await;
    assert!(end.starts_with("HTTP/1.1 408 "), "{end}");
    await_closed(&gate, "slow_body", 1.0).await;
}

#[tokio::test]
async fn a_slow_origin_is_not_held_against_the_client() {
    let (origin, gate) =
        house("header_seconds = 1\nbody_rate = 1000000\nkeepalive_seconds = 1\nbody_idle_seconds = 1").await;
    origin.on("/.well-known/slow", |_| Answer::html("at last").after(Duration::from_secs(3)));
    let mut raw = Raw::to(&gate).await;
    raw.send(b"POST /.well-known/slow HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody").await;
    assert!(raw.expect("200").await.ends_with("at last"));
}

#[tokio::test]
async fn a17_who_does_not_read_is_cut() {
    let (origin, gate) = house("write_seconds = 1").await;
    origin.on("/.well-known/large", |_| Answer::big(30_000_000));
    let mut raw = Raw::to(&gate).await;
    raw.send(b"GET /.well-known/large HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    await_closed(&gate, "slow_reader", 1.0).await;
    let metrics = async || gate.metrics().await;
    let is_over = async || (metrics().await.value("gatekeeper_in_flight", &[]) == Some(0.0)).then_some(());
    eventually(SOON, is_over).await;
}

#[tokio::test]
async fn a18_who_never_says_anything_is_closed_also_where_tls_is_spoken() {
    const CLIENTS: usize = 100;
    let ca = TestCa::new();
    let tls = format!("tls = {{ cert = \"{}\", key = \"{}\" }}", ca.certificate().display(), ca.key().display());
    let origin = Origin::start().await;
    let place = crate::support::ports::free_port();
    let more = format!("[[server.listeners]]\naddr = \"127.0.0.1:{place}\"\n{tls}\n");
    let server = "[server.limits]\nheader_seconds = 1".to_owned();
    let setup = Setup { server, listener: "h2c = false".to_owned(), more, ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let mut silent = Vec::new();
    for _ in 0..CLIENTS {
        silent.push(Raw::to(&gate).await);
        silent.push(Raw(TcpStream::connect((Ipv4Addr::LOCALHOST, place)).await.unwrap()));
    }
    for raw in &mut silent {
        assert_eq!(raw.end().await, "");
    }
    await_closed(&gate, "silent", 2.0 * CLIENTS as f64).await;
}

#[tokio::test]
async fn a18_http2_without_a_request_is_closed() {
    let origin = Origin::start().await;
    let server = "[server.limits]\nheader_seconds = 1".to_owned();
    let setup = Setup { server, listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let mut silent = Raw::to(&gate).await;
    let mut polite = Raw::to(&gate).await;
    polite.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert_eq!(silent.end().await, "");
    polite.end().await;
    await_closed(&gate, "silent", 1.0).await;
    await_closed(&gate, "slow_header", 1.0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let (_origin, gate) = house("keepalive_seconds = 1").await;
    let mut raw = Raw::idle(next_address(), &gate).await;
    let begin = Instant::now();
    assert_eq!(raw.end().await, "");
    assert!((Duration::from_millis(800)..Duration::from_secs(4)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    await_closed(&gate, "idle", 1.0).await;
}

#[tokio::test]
async fn an_address_with_all_its_connections_gives_up_an_idle_one_and_no_working_one() {
    let (origin, gate) = house("connections_per_address = 3").await;
    origin.on("/.well-known/slow", |_| Answer::html("at last").after(Duration::from_secs(2)));
    let address = next_address();
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(Raw::idle(address, &gate).await);
    }
    assert_eq!(idle[0].end().await, "", "the longest idle one made room");
    assert!(idle[1].is_open().await && idle[3].is_open().await);
    await_closed(&gate, "made_room", 1.0).await;
    for raw in &mut idle[1..] {
        raw.send(b"GET /.well-known/slow HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    }
    eventually(SOON, async || {
        (origin.hits().iter().filter(|hit| hit.path() == "/.well-known/slow").count() == 3).then_some(())
    })
    .await;
    let mut refused = Raw::from(address, &gate).await;
    let said = refused.end().await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 5\r\n"), "{said}");
    await_closed(&gate, "address_full", 1.0).await;
    let _another = Raw::idle(next_address(), &gate).await;
    for raw in &mut idle[1..] {
        assert!(raw.expect("200").await.ends_with("at last"));
    }
}

#[tokio::test]
async fn the_connections_of_a_trusted_proxy_are_not_counted_for_one_address() {
    let trusted = |setup| Setup { server: "trusted_proxies = [\"127.0.0.0/8\"]".to_owned(), ..setup };
    let (_origin, gate) = house_with("connections_per_address = 2", trusted).await;
    let address = next_address();
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(Raw::idle(address, &gate).await);
    }
    for raw in &mut all {
        raw.send(GET).await;
        raw.expect("200").await;
    }
    assert_eq!(closed(&gate, "made_room").await, 0.0);
}

#[tokio::test]
async fn a_full_house_gives_up_idle_strangers_and_no_ready_visitor() {
    let (_origin, gate) = house("connections = 4").await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nAccept: text/html\r\n\r\n");
    let mut ready = Raw::from(next_address(), &gate).await;
    ready.send(get("/shop").as_bytes()).await;
    assert!(ready.expect("200").await.contains("gatekeeper_checkout=ey"));
    // The gate's own start was asked for by a client that may keep its connection: it is a stranger, too.
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(Raw::idle(next_address(), &gate).await);
    }
    assert_eq!(strangers[0].end().await, "");
    eventually(SOON, async || (closed(&gate, "made_room").await >= 5.0).then_some(())).await;
    ready.send(get("/robots.txt").as_bytes()).await;
    ready.expect("200").await;
}

#[tokio::test]
async fn a_full_house_of_workers_refuses_and_recovers() {
    let (origin, gate) = house("connections = 5").await;
    origin.on("/.well-known/slow", |_| Answer::html("at last").after(Duration::from_secs(2)));
    let mut busy = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::from(next_address(), &gate).await;
        raw.send(b"GET /.well-known/slow HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
        busy.push(raw);
        eventually(SOON, async || {
            (origin.hits().iter().filter(|hit| hit.path() == "/.well-known/slow").count() == busy.len()).then_some(())
        })
        .await;
    }
    let said = Raw::from(next_address(), &gate).await.end().await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 5\r\n"), "{said}");
    await_closed(&gate, "full", 1.0).await;
    for raw in &mut busy {
        raw.expect("200").await;
    }
    drop(busy);
    let mut after = Raw::from(next_address(), &gate).await;
    after.send(GET).await;
    after.expect("200").await;
}

#[tokio::test]
async fn half_open_connections_are_asked_whether_they_live() {
    let (_origin, gate) = house("").await;
    let _raw = Raw::idle(next_address(), &gate).await;
    // The accepted socket of an idle connection has a keep-alive timer (column tr: 02).
    let port = format!(":{:04X}", gate.addr().port());
    eventually(SOON, async || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.any(|row| row[1].ends_with(&port) && row[3] == "01" && row[5].starts_with("02:")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_asked_for() {
    let (origin, gate) = house("body_bytes = 1000").await;
    let call = format!("business_id: {FULL_KEY}\r\nContent-Type: application/json\r\n");
    for (path, fields, length) in
        [("/.well-known/up", "", 1001), ("/shop", "", 5000), ("/config", call.as_str(), 70_000)]
    {
        let mut raw = Raw::to(&gate).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: shop.test\r\n{fields}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        raw.send(head.as_bytes()).await;
        let end = raw.end().await;
        assert!(end.starts_with("HTTP/1.1 413 ") && !end.contains("100 Continue"), "{path}: {end}");
    }
    assert!(origin.hits().is_empty());
    let metrics = gate.metrics().await;
    assert_eq!(metrics.value("gatekeeper_refused_total", &[("reason", "too_large")]), Some(3.0));
}

#[tokio::test]
async fn an_idle_websocket_has_none_of_these_deadlines() {
    let (origin, gate) =
        house("header_seconds = 1\nbody_idle_seconds = 1\nkeepalive_seconds = 1\nbody_rate = 1000000").await;
    origin.on("/.well-known/socket", |_| Answer::websocket());
    let mut socket = crate::support::client::websocket(gate.addr(), "/.well-known/socket", &[]).await.unwrap();
    sleep(Duration::from_secs(3)).await; // the silence is what is tested
    socket.send("still there?".into()).await.unwrap();
    let echo = timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echo.to_text().unwrap(), "still there?");
}

/// V6: neighbours share an address, and are slowed together, not turned away.
#[tokio::test]
async fn d1_a_crowd_behind_one_address_waits_and_nobody_of_it_is_turned_away() {
    const CROWD: usize = 20;
    let origin = Origin::start().await;
    let settings = format!("{BUSY}, ip_enqueue_limit = 10, ip_enqueue_limit_interval = 4");
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(&settings)).await;
    let address = next_address();
    let crowd: Vec<Browser> = (0..CROWD).map(|_| Browser::at(&gate.url(""), address)).collect();
    for (nth, visitor) in crowd.iter().enumerate() {
        let expected = if nth == 0 { 200 } else { 503 };
        assert_eq!(visitor.open("/shop").await.status, expected, "visitor {nth}");
    }
    let asked = join_all(crowd[1..].iter().map(async |visitor| {
        let ticket = visitor.cookie("gatekeeper_checkout").unwrap();
        let poll = visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await;
        if poll.status == 429 {
            assert!(poll.header("retry-after").is_some());
            assert_eq!(visitor.cookie("gatekeeper_checkout"), Some(ticket), "costs no place");
            assert_eq!(visitor.open("/shop").await.status, 503, "a reload shows the page, and not an error");
        }
        poll.status
    }));
    assert!(asked.await.contains(&429), "the limit is there");
    for visitor in &crowd[1..] {
        eventually(SOON * 2, async || {
            let poll = visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await;
            (poll.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn d3_what_a_stranger_says_of_its_address_is_ignored() {
    let origin = Origin::start().await;
    let settings = format!("{BUSY}, ip_enqueue_limit = 3, ip_enqueue_limit_interval = 3600");
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(&settings)).await;
    assert_eq!(entries_from(&gate, |nth| format!("198.51.100.{nth}")).await, 3);
}

#[tokio::test]
async fn d5_d6_a_network_of_ipv6_and_a_mapped_address_count_once() {
    for (first, second) in [("2001:db8:1:2", "2001:db8:1:3"), ("::ffff:203.0.113.9", "::ffff:203.0.113.10")] {
        let origin = Origin::start().await;
        let settings = format!("{BUSY}, ip_enqueue_limit = 3, ip_enqueue_limit_interval = 3600");
        let server = "trusted_proxies = [\"127.0.0.0/8\"]".to_owned();
        let gate = Gatekeeper::start(Setup { server, ..Setup::before(origin.addr()).settings(&settings) }).await;
        let spelled = |network: &'static str| {
            move |nth: usize| match network.strip_prefix("::ffff:") {
                Some(v4) if nth.is_multiple_of(2) => v4.to_owned(),
                Some(_) => network.to_owned(),
                None => format!("{network}:{nth:x}::{nth}"),
            }
        };
        assert_eq!(entries_from(&gate, spelled(first)).await, 3, "{first}");
        assert_eq!(entries_from(&gate, spelled(second)).await, 3, "{second} has its own");
    }
}

/// How many of ten users get in line who come, as they say, from these addresses.
async fn entries_from(gate: &Gatekeeper, address: impl Fn(usize) -> String) -> usize {
    let api = Api::new(&gate.url(""), FULL_KEY);
    let mut entered = 0;
    for nth in 0..10 {
        let address = address(nth);
        let call = api.call(Method::POST, "/queue/enqueue").header("user_id", format!("{address}-{nth}"));
        let answer = crate::support::client::send(call.header("x-forwarded-for", address)).await;
        assert!([200, 429].contains(&answer.status), "{}", answer.text());
        entered += usize::from(answer.status == 200);
    }
    entered
}
