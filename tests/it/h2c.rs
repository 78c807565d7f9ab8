//! HTTP/2 without TLS, on a port that serves HTTP/1 as well.

use crate::support::client::{h2c, raw, send};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::{SOON, eventually};
use http::Version;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One gets in an hour: who comes later waits for the whole test.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";

async fn gate(origin: &Origin, change: impl FnOnce(Setup) -> Setup) -> Gatekeeper {
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    Gatekeeper::start(change(setup)).await
}

#[tokio::test]
async fn http2_is_forwarded_and_gets_the_waiting_page() {
    let origin = Origin::start().await;
    let gate = gate(&origin, |setup| setup.settings(BUSY)).await;
    let open = async |path: &str| {
        let request = h2c().get(gate.url(path)).header("accept", "text/html").header("sec-fetch-mode", "navigate");
        send(request.header("sec-fetch-dest", "document")).await
    };
    let first = open("/shop").await;
    assert_eq!((first.status, first.version, first.text().as_str()), (200, Version::HTTP_2, "origin: GET /shop"));
    assert_eq!(origin.last().unwrap().header("host"), Some(gate.addr().to_string().as_str()));
    let second = open("/shop").await;
    assert_eq!((second.status, second.version), (503, Version::HTTP_2));
    assert!(second.header("content-type").unwrap().starts_with("text/html") && second.text().contains("<html"));
    // A program is forwarded until this instance has heard that the room is full.
    eventually(SOON, async || (send(h2c().get(gate.url("/data"))).await.status == 503).then_some(())).await;
    let posted = send(h2c().post(gate.url("/shop")).body("x".repeat(100_000))).await;
    assert_eq!((posted.status, posted.version), (503, Version::HTTP_2), "its body was not read");
}

#[tokio::test]
async fn http1_is_served_beside_it_however_short() {
    let origin = Origin::start().await;
    let gate = gate(&origin, |setup| setup).await;
    let plain = gate.get("/shop").await;
    assert_eq!((plain.status, plain.version), (200, Version::HTTP_11));
    let begun = Instant::now();
    let short = raw(gate.addr(), b"GET / HTTP/1.0\r\n\r\n", SOON).await;
    assert!(short.starts_with(b"HTTP/1.1 421"), "no host, so no site: {}", String::from_utf8_lossy(&short));
    // As a balancer asks that knows no more.
    let health = String::from_utf8(raw(gate.addr(), b"GET /health HTTP/1.0\r\n\r\n", SOON).await).unwrap();
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("healthy"), "{health}");
    let bare = raw(gate.addr(), b"GET /health HTTP/1.1\r\n\r\n", SOON).await;
    assert!(bare.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&bare));
    let named = raw(gate.addr(), b"GET /old HTTP/1.0\r\nHost: a\r\n\r\n", SOON).await;
    assert!(named.ends_with(b"origin: GET /old"), "{}", String::from_utf8_lossy(&named));
    assert!(begun.elapsed() < SOON / 2, "answered at once: {:?}", begun.elapsed());
    // In pieces, the first of which HTTP/2 would begin with too.
    let mut stream = TcpStream::connect(gate.addr()).await.unwrap();
    for piece in ["P", "ROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let origin = Origin::start().await;
    let limits = "[server.limits]\nheader_seconds = 1".to_owned();
    let gate = gate(&origin, |setup| Setup { more: limits, ..setup }).await;
    for said in ["", "PRI * HTTP/2.0\r\n"] {
        let begun = Instant::now();
        assert_eq!(raw(gate.addr(), said.as_bytes(), SOON).await, b"");
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(900) && waited < SOON / 2, "closed after {waited:?}");
    }
    eventually(SOON, async || (gate.metrics().await.value("gatekeeper_connections", &[]) == Some(0.0)).then_some(()))
        .await;
}

/// Its connections are told to go away, and nothing of what they carry is lost.
#[tokio::test]
async fn an_upgrade_loses_no_request_of_http2() {
    let (origin, redis) = (Origin::start().await, Redis::start().await);
    let gate = gate(&origin, |setup| setup.on_store(&redis.url())).await;
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let people = [(); 4].map(|()| {
        let (url, over, answers) = (gate.url("/shop"), Arc::clone(&over), Arc::clone(&answers));
        tokio::spawn(async move {
            let client = h2c();
            while !over.load(Ordering::Relaxed) {
                let answer = send(client.get(&url)).await;
                assert_eq!((answer.status, answer.version), (200, Version::HTTP_2), "{}", answer.text());
                answers.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let new = gate.beside(&["--upgrade"]);
    new.await_log("waiting for the listeners", SOON).await;
    gate.quit();
    assert_eq!(gate.wait_exit(SOON * 2).await.code(), Some(0), "nothing keeps it");
    let before = answers.load(Ordering::Relaxed);
    eventually(SOON, async || (answers.load(Ordering::Relaxed) > before + 50).then_some(())).await;
    over.store(true, Ordering::Relaxed);
    for person in people {
        person.await.unwrap();
    }
}
