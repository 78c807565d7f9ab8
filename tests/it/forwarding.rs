//! What goes through the gate and how it arrives: what the origin gets to see of a request, and the visitor of an answer.

use crate::support::SOON;
use crate::support::client::{h2c, raw};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::raw_origin::RawOrigin;
use http_body_util::BodyExt;

/// An answer with a trailer, announced.
const WITH_TRAILER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Kept: yes\r\n\r\n\
                            2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n";

#[tokio::test]
async fn a_trailer_of_an_answer_ends_here_and_is_not_announced() {
    let origin = RawOrigin::start(WITH_TRAILER).await;
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;

    let request = b"GET /data HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
    let text = String::from_utf8(raw(gate.addr(), request, SOON).await).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("X-Kept: yes"), "{head}");
    assert!(!head.to_lowercase().contains("trailer:"), "announces what will not come: {head}");
    assert_eq!(body, "2\r\nhi\r\n0\r\n\r\n");

    let other = RawOrigin::start(WITH_TRAILER).await; // each of its connections answers once
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(other.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let response = h2c().get(gate.url("/data")).header("te", "trailers").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().get("trailer")), (200, None));
    let whole = http::Response::from(response).into_body().collect().await.unwrap();
    assert!(whole.trailers().is_none());
    assert_eq!(whole.to_bytes(), "hi");
}

#[tokio::test]
async fn a_trailer_of_a_request_ends_here_and_is_neither_announced_nor_asked_for() {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let request = b"POST /upload HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\nConnection: TE, close\r\n\
                    Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n";
    let answer = raw(gate.addr(), request, SOON).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let hit = origin.await_hit("/upload").await;
    assert_eq!((hit.body.as_ref(), hit.trailers.is_none()), (&b"hi"[..], true));
    assert_eq!((hit.header("trailer"), hit.header("te"), hit.header("x-sum")), (None, None, None));
}
