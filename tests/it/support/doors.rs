//! Several instances as a crowd meets them: any of them may be asked, one may be dead, no visitor has a connection of
//! their own to keep.

use super::client::{Answer, plain, try_send};
use super::gatekeeper::{FULL_KEY, Gatekeeper};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use std::time::Duration;

const COOKIE: &str = "gatekeeper_checkout";
/// Longer than anybody may be kept waiting for an answer; who is, shall see how long it took.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a visitor's token says, read as the visitor's own script would: without the key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Token {
    pub sub: String,
    /// The place in line.
    pub tkt: u64,
    /// When the turn was taken, in seconds of the store.
    pub adm: Option<u64>,
    /// Until when it lasts.
    pub rdy: Option<u64>,
}

impl Token {
    /// # Panics
    /// When it isn't a token of ours.
    pub fn read(jwt: &str) -> Self {
        let payload = jwt.split('.').nth(1).unwrap_or_else(|| panic!("no token: {jwt:?}"));
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}

/// How a visitor shows the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A browser with the waiting page: by cookie, without a key.
    Browser,
    /// A site's backend: by header, with the key.
    Api,
}

/// The doors.
#[derive(Clone, Debug)]
pub struct Doors {
    client: Client,
    bases: Vec<String>,
}

impl Doors {
    pub fn of(gates: &[Gatekeeper]) -> Self {
        let client = plain().timeout(PATIENCE).connect_timeout(Duration::from_secs(2)).build().unwrap();
        Self { client, bases: gates.iter().map(|gate| gate.url("")).collect() }
    }

    pub fn len(&self) -> usize {
        self.bases.len()
    }

    /// Somebody types the address, or reloads.
    pub async fn open(&self, door: usize, path: &str, jwt: Option<&str>) -> reqwest::Result<Answer> {
        let request = self.to(door, Method::GET, path).header("accept", "text/html");
        let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        try_send(with_cookie(request, jwt)).await
    }

    pub async fn enqueue(&self, door: usize, user: &str) -> reqwest::Result<Answer> {
        let request = self.to(door, Method::POST, "/queue/enqueue");
        try_send(request.header("business_id", FULL_KEY).header("user_id", user)).await
    }

    pub async fn status(&self, door: usize, way: Way, jwt: &str) -> reqwest::Result<Answer> {
        try_send(match way {
            Way::Browser => {
                let path = "/.gatekeeper/queue/status?room=checkout";
                let request = self.to(door, Method::GET, path).header("sec-fetch-site", "same-origin");
                with_cookie(request, Some(jwt))
            }
            Way::Api => with_key(self.to(door, Method::GET, "/queue/status"), jwt),
        })
        .await
    }

    pub async fn finish(&self, door: usize, jwt: &str) -> reqwest::Result<Answer> {
        try_send(with_key(self.to(door, Method::DELETE, "/queue/finish"), jwt)).await
    }

    /// What a script of the page fetches from the site.
    pub async fn fetch(&self, door: usize, path: &str, jwt: &str) -> reqwest::Result<Answer> {
        let request = self.to(door, Method::GET, path).header("accept", "*/*").header("sec-fetch-mode", "cors");
        try_send(with_cookie(request, Some(jwt))).await
    }

    fn to(&self, door: usize, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.bases[door % self.bases.len()]))
    }
}

/// The token that an answer brings: in its body, or as a cookie. None where the old one stays.
pub fn token_in(answer: &Answer) -> Option<String> {
    let cookie = answer.set_cookies().into_iter().find_map(|line| {
        let value = line.strip_prefix(COOKIE)?.strip_prefix('=')?;
        value.split(';').next().map(str::to_owned)
    });
    cookie.or_else(|| {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        let token = body.get("jwt_token").or_else(|| body.get("jwt"))?.as_str()?;
        Some(token.to_owned()).filter(|token| !token.is_empty())
    })
}

fn with_key(request: RequestBuilder, jwt: &str) -> RequestBuilder {
    request.header("business_id", FULL_KEY).header("jwt", jwt)
}

fn with_cookie(request: RequestBuilder, jwt: Option<&str>) -> RequestBuilder {
    match jwt {
        Some(jwt) => request.header("cookie", format!("{COOKIE}={jwt}")),
        None => request,
    }
}
