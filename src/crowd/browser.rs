//! Requests as a browser makes them, or as a client of the API does, over a bounded pool of kept connections.

use super::Refusal;
use super::visitor::Ask;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Connecting, and one whole request, take at most this long.
const CONNECT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
/// A kept connection is given up a little before gates do it.
const IDLE: Duration = Duration::from_secs(20);
/// Answers are read up to here.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The calls of the API, in every configuration of a gate.
const API: &str = "/.gatekeeper/queue";

/// One request of a visitor.
#[derive(Clone, Debug)]
pub struct Call {
    pub ask: Ask,
    /// The visitor's number.
    pub n: u32,
    pub path: String,
    pub room: Option<std::sync::Arc<str>>,
    pub token: Option<Box<str>>,
    /// Who is enqueued, by the API.
    pub user: String,
}

/// What came back, as far as it matters to a visitor.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// A token that came with it.
    pub pass: Option<Pass>,
    /// The body, where it tells a place.
    pub told: Option<Told>,
    /// In ms.
    pub retry_after: Option<u32>,
    /// The gate refused the call and said why.
    pub is_problem: bool,
}

impl Answer {
    /// Whether it says nothing about the visitor's place. A waiting page may come as 429, but brings a token then.
    pub const fn is_refusal(&self) -> bool {
        self.is_problem || (self.status == 429 && self.pass.is_none())
    }
}

/// A token, and what can be read in it without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub room: String,
    pub token: Box<str>,
    pub ticket: u64,
    pub is_ready: bool,
}

impl Pass {
    /// `None` where it isn't one of ours.
    pub fn read(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Claims {
            aud: String,
            tkt: u64,
            rdy: Option<u64>,
        }
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        Some(Self { room: claims.aud, token: token.into(), ticket: claims.tkt, is_ready: claims.rdy.is_some() })
    }
}

/// What a status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub is_ready: bool,
    /// Not in the line, and not inside.
    pub is_unknown: bool,
    pub poll_after_ms: u32,
    /// Seconds.
    pub estimate: Option<(u32, u32)>,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    Refused,
    Broken,
    Timeout,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "no connection",
            Self::Broken => "connection broken",
            Self::Timeout => "no answer in time",
        })
    }
}

/// Makes requests; cheap to clone.
#[derive(Clone)]
pub struct Browser {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: String,
    key: Option<HeaderValue>,
    forwarded_for: bool,
}

impl Browser {
    /// In front of `base` (`https://shop.example`), keeping at most so many connections.
    ///
    /// # Errors
    /// The key can't be sent in a header.
    pub fn new(base: &str, key: Option<&str>, connections: usize, forwarded_for: bool) -> Result<Self, Refusal> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(HttpsConnector::new_with_connector(http));
        let key = key.map(HeaderValue::from_str).transpose();
        let key = key.map_err(|_| Refusal::one("--key: no header can carry it; keys are visible ASCII characters"))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key, forwarded_for })
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// There was no whole answer.
    pub async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let request = self.request(call).ok_or(Failure::Broken)?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| if error.is_connect() { Failure::Refused } else { Failure::Broken })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|_| Failure::Broken)?;
            Ok(read(parts.status.as_u16(), &parts.headers, &body.to_bytes(), call.ask))
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(Failure::Timeout))
    }

    fn request(&self, call: &Call) -> Option<Request<Empty<Bytes>>> {
        let room = call.room.as_deref().unwrap_or_default();
        let (method, target) = match (call.ask, &self.key) {
            (Ask::Page, _) => (Method::GET, call.path.clone()),
            (Ask::Finish, None) => (Method::GET, call.path.clone()),
            (Ask::Finish, Some(_)) => (Method::DELETE, format!("{API}/finish")),
            (Ask::Enqueue, _) => (Method::POST, format!("{API}/enqueue")),
            (Ask::Status, Some(_)) => (Method::GET, format!("{API}/status")),
            (Ask::Status, None) => (Method::GET, format!("{API}/status?room={room}")),
        };
        let is_page = method == Method::GET && call.ask != Ask::Status;
        let uri: Uri = format!("{}{target}", self.base).parse().ok()?;
        let mut request = Request::builder().method(method).uri(uri).body(Empty::new()).ok()?;
        let headers = request.headers_mut();
        if is_page {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"));
            headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
            headers.insert("sec-fetch-dest", HeaderValue::from_static("document"));
        } else {
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        self.identify(headers, call, room, is_page)?;
        Some(request)
    }

    fn identify(&self, headers: &mut HeaderMap, call: &Call, room: &str, is_page: bool) -> Option<()> {
        match (&self.key, &call.token) {
            (None, Some(token)) => {
                let line = format!("gatekeeper_{room}={token}");
                headers.insert(header::COOKIE, HeaderValue::from_str(&line).ok()?);
            }
            (Some(_), Some(token)) => _ = headers.insert("jwt", HeaderValue::from_str(token).ok()?),
            (_, None) => {}
        }
        if let Some(key) = self.key.as_ref().filter(|_| !is_page) {
            headers.insert("business-id", key.clone());
            headers.insert("user-id", HeaderValue::from_str(&call.user).ok()?);
        }
        if self.forwarded_for {
            let address = Ipv4Addr::from(0x0A00_0000 | (call.n & 0x00FF_FFFF));
            headers.insert("x-forwarded-for", HeaderValue::from_str(&address.to_string()).ok()?);
        }
        Some(())
    }
}

fn read(status: u16, headers: &HeaderMap, body: &[u8], ask: Ask) -> Answer {
    let is = |kind: &str| {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(kind))
    };
    let json = matches!(ask, Ask::Status | Ask::Enqueue) && is("application/json");
    let (told, token) = if json { read_body(body) } else { (None, None) };
    let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    Answer {
        status,
        pass: token.or_else(|| in_cookie(headers)),
        told,
        retry_after: retry_after.map(|seconds| seconds.saturating_mul(1000)),
        is_problem: is("application/problem+json"),
    }
}

/// Of several cookies the gate's is the one whose token can be read.
fn in_cookie(headers: &HeaderMap) -> Option<Pass> {
    headers.get_all(header::SET_COOKIE).iter().find_map(|line| {
        let (name, rest) = line.to_str().ok()?.split_once('=')?;
        let pass = Pass::read(rest.split(';').next()?)?;
        (name == format!("gatekeeper_{}", pass.room)).then_some(pass)
    })
}

/// The answer to an enqueue or a status.
fn read_body(body: &[u8]) -> (Option<Told>, Option<Pass>) {
    #[derive(Deserialize)]
    struct Range {
        low: u32,
        high: u32,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "jwt")]
        jwt_token: Option<String>,
        #[serde(default)]
        ready: bool,
        state: Option<String>,
        poll_after_ms: Option<u32>,
        eta_seconds: Option<Range>,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return (None, None) };
    let told = Told {
        is_ready: body.ready,
        is_unknown: body.state.as_deref() == Some("unknown"),
        poll_after_ms: body.poll_after_ms.unwrap_or(5000),
        estimate: body.eta_seconds.map(|range| (range.low, range.high)),
    };
    (Some(told), body.jwt_token.as_deref().and_then(Pass::read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_gates_cookie_is_found_among_the_sites_own() {
        let ours = token(r#"{"iss":"gatekeeper","aud":"shop","sub":"x","tkt":17,"rdy":9,"exp":1}"#);
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", format!("session={ours}; Path=/").parse().unwrap());
        headers.append("set-cookie", format!("gatekeeper_shop={ours}; HttpOnly; Path=/").parse().unwrap());
        let answer = read(200, &headers, b"", Ask::Page);
        let expected = Pass { room: "shop".to_owned(), token: ours.as_str().into(), ticket: 17, is_ready: true };
        assert_eq!(answer.pass, Some(expected));
        assert_eq!(Pass::read("no.token"), None);
    }

    #[test]
    fn a_status_is_read_and_a_problem_is_one() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let waiting = token(r#"{"aud":"shop","tkt":17}"#);
        let body = format!(
            r#"{{"jwt_token":"{waiting}","ready":false,"state":"waiting","position":3,"poll_after_ms":1500,"eta_seconds":{{"low":4,"high":9}}}}"#
        );
        let answer = read(200, &headers, body.as_bytes(), Ask::Status);
        let told = Told { is_ready: false, is_unknown: false, poll_after_ms: 1500, estimate: Some((4, 9)) };
        assert_eq!((answer.told, answer.pass.map(|pass| pass.ticket)), (Some(told), Some(17)));
        headers.insert("content-type", "application/problem+json".parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        let refused = read(429, &headers, b"{}", Ask::Status);
        assert!(refused.is_refusal() && refused.retry_after == Some(7000) && refused.told.is_none());
    }
}
