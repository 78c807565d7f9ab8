//! What goes through the gate and how it arrives: what the origin gets to see of a request, and the visitor of an answer.

use crate::support::client::{Browser, h2c, next_address, plain, raw, send};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::raw_origin::RawOrigin;
use crate::support::{SOON, eventually};
use http::Method;
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

#[tokio::test]
async fn a_site_that_is_to_see_no_token_in_the_query_sees_none_whatever_the_request() {
    let origin = Origin::start().await;
    let site = "strip_query_token = true\nbypass = [{ path = \"/static/**\" }]".to_owned();
    let setup = Setup { site, listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let inside = Browser::new(&gate.url(""));
    assert_eq!(inside.open("/welcome").await.status, 200);
    let jwt = inside.cookie("gatekeeper_checkout").unwrap();

    let client = plain().local_address(next_address()).build().unwrap();
    let query = format!("a=1&jwt={jwt}&b=%C3%A9");
    for (method, path, accept) in [
        (Method::HEAD, "/head", "text/html"),
        (Method::POST, "/post", "text/html"),
        (Method::GET, "/script", "*/*"),
        (Method::GET, "/static/image", "image/png"), // an exception is no place to show it either
        (Method::GET, "/static/../static/./spelled", "image/png"),
    ] {
        let head = format!("{method} {path}?{query} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n");
        let request = format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = raw(gate.addr(), request.as_bytes(), SOON).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{method} {path}: {}", String::from_utf8_lossy(&answer));
        let hit = origin.last().unwrap();
        assert_eq!(hit.uri.query(), Some("a=1&b=%C3%A9"), "{method} {path}");
        assert!(hit.path().ends_with(path.rsplit('/').next().unwrap()), "{}", hit.path());
    }
    let alone = send(client.post(gate.url(&format!("/alone?jwt={jwt}"))).header("accept", "text/html")).await;
    assert_eq!((alone.status, origin.last().unwrap().uri.to_string().as_str()), (200, "/alone"));
    assert!(origin.last().unwrap().header("jwt").is_some_and(|token| token.starts_with("ey")), "it is in the header");
    let over_http2 = send(h2c().post(gate.url(&format!("/two?jwt={jwt}&c=3")))).await;
    assert_eq!((over_http2.status, origin.last().unwrap().uri.to_string().as_str()), (200, "/two?c=3"));

    // As it came, to the byte.
    let other = RawOrigin::start("HTTP/1.1 204 No Content\r\n\r\n").await;
    let setup = Setup { site: "strip_query_token = true".to_owned(), ..Setup::before(other.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let head = format!("POST /bytes?jwt={jwt}&name=\u{e9}&c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n");
    raw(gate.addr(), format!("{head}Connection: close\r\n\r\n").as_bytes(), SOON).await;
    let sent = String::from_utf8(other.await_bytes(b"POST /bytes").await).unwrap();
    assert!(sent.starts_with("POST /bytes?name=\u{e9}&c HTTP/1.1\r\n"), "{sent}");
}

#[tokio::test]
async fn an_origin_whose_name_is_mistyped_is_named_once_with_its_site_and_the_reason() {
    let origin = Origin::start().await;
    let more = format!(
        "[[sites]]\nhosts = [\"two.test\"]\norigins = [\"{}\", \"http://no-such-site.invalid:9000\"]\n",
        origin.addr()
    );
    let gate = Gatekeeper::start(Setup { more, ..Setup::before(origin.addr()) }).await;
    gate.await_log("no-such-site.invalid:9000", SOON).await;
    let logs = gate.logs();
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains("can't be looked up")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((line["site"].as_str(), line["level"].as_str()), (Some("two.test"), Some("WARN")), "{line}");
    assert_eq!(line["origin"], "no-such-site.invalid:9000");
    assert!(line["error"].as_str().unwrap().contains("lookup"), "{line}");
    let up = async || gate.metrics().await.value("gatekeeper_origin_up", &[("origin", "no-such-site.invalid:9000")]);
    eventually(SOON, async || (up().await == Some(0.0)).then_some(())).await;
    let other = plain().build().unwrap().get(gate.url("/")).header("host", "two.test");
    assert_eq!(send(other).await.status, 200, "the other origin serves");
}

#[tokio::test]
async fn of_what_says_how_a_request_was_forwarded_nothing_comes_through_but_from_a_trusted_proxy() {
    const NAMES: [&str; 8] = [
        "X-Forwarded-Port",
        "x_forwarded_port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Server",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded",
    ];
    let origin = Origin::start().await;
    let server = "trusted_proxies = [\"127.0.0.3\"]".to_owned();
    let gate = Gatekeeper::start(Setup { server, ..Setup::before(origin.addr()) }).await;
    let seen = async |from: [u8; 4]| {
        let client = plain().local_address(std::net::IpAddr::from(from)).build().unwrap();
        let request = NAMES.iter().fold(client.get(gate.url("/shop")), |request, name| request.header(*name, "said"));
        assert_eq!(send(request).await.status, 200);
        let hit = origin.last().unwrap();
        NAMES.into_iter().filter(|name| hit.header(&name.to_lowercase()).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(seen([127, 0, 0, 2]).await, [""; 0]);
    let kept = ["X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Server"];
    assert_eq!(seen([127, 0, 0, 3]).await, kept, "what would name another path or method stays out all the same");
}
