//! The PROXY protocol: whom a balancer names is the client, and nobody else is listened to.

use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::pki::TestCa;
use crate::support::{SOON, eventually};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const GET: &[u8] = b"GET /robots.txt HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

async fn gate(origin: &Origin, trusted: &str, listener: &str) -> Gatekeeper {
    let server = format!("trusted_proxies = [\"{trusted}\"]\n[server.limits]\nheader_seconds = 1");
    let listener = format!("proxy_protocol = true\n{listener}");
    let place = crate::support::ports::free_port();
    // What tells the harness that it is up speaks no PROXY protocol.
    let setup = Setup { server, listener: "api = true".to_owned(), ..Setup::before(origin.addr()) };
    let more = format!("[[server.listeners]]\naddr = \"127.0.0.1:{place}\"\n{listener}\n# {MARK}{place}\n");
    Gatekeeper::start(Setup { more, ..setup }).await
}

const MARK: &str = "asked:";

/// The listener that speaks it.
fn port(gate: &Gatekeeper) -> u16 {
    let file = std::fs::read_to_string(gate.place().config_file()).unwrap();
    file.split(MARK).nth(1).unwrap().trim().parse().unwrap()
}

async fn connect(gate: &Gatekeeper) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port(gate))).await.unwrap()
}

/// What comes back for these bytes until it is closed.
async fn said(gate: &Gatekeeper, bytes: &[u8]) -> String {
    talk(connect(gate).await, bytes).await
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    let _may_be_closed = stream.write_all(bytes).await;
    let _may_be_closed = stream.flush().await;
    let mut read = Vec::new();
    let _or_reset = timeout(SOON, stream.read_to_end(&mut read)).await.expect("closed in time");
    String::from_utf8_lossy(&read).into_owned()
}

async fn await_closed(gate: &Gatekeeper, why: &str, count: f64) {
    let found = async || gate.metrics().await.value("gatekeeper_connections_closed_total", &[("reason", why)]).unwrap();
    eventually(SOON, async || (found().await >= count).then_some(())).await;
    assert_eq!(found().await, count, "{why}");
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// From 203.0.113.9:49152.
const FOUR: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0xc0, 0, 0, 80];

#[tokio::test]
async fn the_client_is_whom_the_header_names() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "").await;
    for (header, client) in [
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 80\r\n".to_vec(), "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 2001:db8::1 49152 80\r\n".to_vec(), "203.0.113.9"),
        (v2(1, 0x11, &FOUR), "203.0.113.9"),
        // The balancer's own connections, and those without an address.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0, 0, &[]), "127.0.0.1"),
        (v2(1, 0, &[]), "127.0.0.1"),
    ] {
        origin.forget_hits();
        let answer = said(&gate, &[&header, GET].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(origin.last().unwrap().header("x-forwarded-for"), Some(client));
    }
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_what_follows_may_come_with_it() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "").await;
    for header in [b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 80\r\n".to_vec(), v2(1, 0x11, &FOUR)] {
        let mut stream = connect(&gate).await;
        stream.set_nodelay(true).unwrap();
        for byte in &header {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(talk(stream, GET).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(origin.last().unwrap().header("x-forwarded-for"), Some("203.0.113.9"));
    }
}

#[tokio::test]
async fn a_forwarded_header_counts_only_from_whom_the_header_names_and_trusts() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "").await;
    let get =
        b"GET /robots.txt HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n";
    let answer = said(&gate, &[&v2(1, 0x11, &FOUR), get.as_slice()].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(origin.last().unwrap().header("x-forwarded-for"), Some("203.0.113.9"), "a stranger's word");
    said(&gate, &[b"PROXY TCP4 127.0.0.77 192.0.2.1 1 80\r\n", get.as_slice()].concat()).await;
    assert_eq!(origin.last().unwrap().header("x-forwarded-for"), Some("198.51.100.7, 127.0.0.77"), "a proxy's word");
}

#[tokio::test]
async fn without_a_whole_header_the_connection_is_closed() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "").await;
    for (bytes, why, count) in [
        (GET.to_vec(), "no_proxy_header", 1.0),
        (b"PROXY TCP4".to_vec(), "no_proxy_header", 2.0), // and then nothing
        (Vec::new(), "no_proxy_header", 3.0),
        (b"PROXY TCP4 203.0.113.999 192.0.2.1 1 80\r\n".to_vec(), "bad_proxy_header", 1.0),
        ([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), "bad_proxy_header", 2.0),
        ([SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 100]].concat(), "bad_proxy_header", 3.0),
        ([SIGNATURE, &[0x11, 0x11, 0, 12], &FOUR].concat(), "bad_proxy_header", 4.0),
    ] {
        let answer = said(&gate, &[bytes.as_slice(), if why.starts_with("bad") { GET } else { b"" }].concat()).await;
        assert_eq!(answer, "", "{bytes:?}");
        await_closed(&gate, why, count).await;
    }
    assert!(origin.hits().is_empty());
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_is_listened_to() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.99.0.0/16", "").await;
    for bytes in [[&v2(1, 0x11, &FOUR), GET].concat(), GET.to_vec()] {
        assert_eq!(said(&gate, &bytes).await, "");
    }
    await_closed(&gate, "untrusted_proxy", 2.0).await;
    assert!(origin.hits().is_empty());
    assert_eq!(gate.get("/robots.txt").await.status, 200, "the other listener takes anybody");
}

#[tokio::test]
async fn the_limits_of_an_address_are_those_of_the_named_one() {
    let origin = Origin::start().await;
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]\n[server.limits]\nconnections_per_address = 2".to_owned();
    let place = crate::support::ports::free_port();
    let more = format!("[[server.listeners]]\naddr = \"127.0.0.1:{place}\"\nproxy_protocol = true\n# {MARK}{place}\n");
    let setup = Setup { server: trusted, listener: "api = true".to_owned(), more, ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let header = |client: &str| format!("PROXY TCP6 {client} 2001:db8::1 1 80\r\n");
    let idle = async |client: &str| {
        let mut stream = connect(&gate).await;
        let get = "GET /robots.txt HTTP/1.1\r\nHost: shop.test\r\n\r\n";
        stream.write_all(format!("{}{get}", header(client)).as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        assert!(timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
        stream
    };
    let mut first = idle("2001:db8:1:2::1").await;
    let _second = idle("2001:db8:1:2::2").await;
    let _neighbour = idle("2001:db8:1:3::1").await;
    let _third = idle("2001:db8:1:2:ffff::3").await;
    let mut rest = Vec::new();
    timeout(SOON, first.read_to_end(&mut rest)).await.expect("the longest idle one of the /64 is closed").unwrap();
    await_closed(&gate, "made_room", 1.0).await;
}

#[tokio::test]
async fn the_header_comes_before_the_handshake() {
    let (origin, ca) = (Origin::start().await, TestCa::new());
    let tls = format!("tls = {{ cert = \"{}\", key = \"{}\" }}", ca.certificate().display(), ca.key().display());
    let gate = gate(&origin, "127.0.0.0/8", &tls).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.root()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for header in [b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 80\r\n".to_vec(), v2(1, 0x11, &FOUR)] {
        let mut stream = connect(&gate).await;
        stream.write_all(&header).await.unwrap();
        let stream = connector.connect(ServerName::try_from("shop.test").unwrap(), stream).await.unwrap();
        assert!(talk(stream, GET).await.starts_with("HTTP/1.1 200 "));
        let hit = origin.last().unwrap();
        assert_eq!(hit.header("x-forwarded-for"), Some("203.0.113.9"));
        assert_eq!(hit.header("x-forwarded-proto"), Some("https"));
    }
    let bare = connector.connect(ServerName::try_from("shop.test").unwrap(), connect(&gate).await).await;
    assert!(bare.is_err());
    await_closed(&gate, "no_proxy_header", 1.0).await;
}

#[tokio::test]
async fn a_balancer_that_took_the_tls_says_so() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "").await;
    let by_tls = [FOUR.as_slice(), &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for (rest, scheme) in [(by_tls.as_slice(), "https"), (&FOUR, "http")] {
        let answer = said(&gate, &[&v2(1, 0x11, rest), GET].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(origin.last().unwrap().header("x-forwarded-proto"), Some(scheme));
    }
}

#[tokio::test]
async fn without_trusted_proxies_it_does_not_start() {
    let origin = Origin::start().await;
    let setup = Setup { listener: "proxy_protocol = true".to_owned(), ..Setup::before(origin.addr()) };
    let (status, said) = Gatekeeper::fails(setup).await;
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("server.listeners[0].proxy_protocol: needs server.trusted_proxies"), "{said}");
}

#[tokio::test]
async fn with_http2_and_without_tls_the_header_comes_first_too() {
    let origin = Origin::start().await;
    let gate = gate(&origin, "127.0.0.0/8", "h2c = true").await;
    let answer = said(&gate, &[b"PROXY TCP4 203.0.113.9 192.0.2.1 1 80\r\n", GET].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(origin.last().unwrap().header("x-forwarded-for"), Some("203.0.113.9"));
}
