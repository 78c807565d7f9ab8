//! The queue API: the table of calls, and one file per call.
//!
//! A handler takes the parts of an `http` request and gives an `http::Response<Bytes>`; how they travel is `proxy`'s matter.
//! To add a call: a line in [`ROUTES`], a file of its name, its entry in `openapi.json`, its rows in `tests/it/calls.rs`.

mod auth;
mod config;
pub mod docs;
mod enqueue;
mod finish;
mod health;
mod jwks;
pub mod problem;
mod reply;
mod status;
mod verify;

pub use enqueue::over_limit;
pub use health::Readiness;
pub use reply::allow_origin;
pub use status::{StatusBody, status_body};

use crate::config::{Config, CookieOptions, Scope};
use crate::gate::Gate;
use crate::limit::{Limiter, address_key};
use crate::queue::AddressKey;
use crate::rooms::{LiveRoom, Rooms};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use problem::Problem;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Where the calls are served in every configuration, and where the waiting page talks to.
pub const PREFIX: &str = "/.gatekeeper";
/// Bodies are read up to here.
pub const MAX_BODY: u64 = 64 * 1024;

/// Each page is more than a megabyte: made once, when it is first asked for.
static SWAGGER: OnceLock<docs::Page> = OnceLock::new();
static REDOC: OnceLock<docs::Page> = OnceLock::new();

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Enqueue,
    Status,
    Verify,
    Finish,
    Config,
    Health,
    Ready,
    Docs,
    Redoc,
    OpenApi,
    Jwks,
}

/// A path, what it is called by, what its `Allow` says.
type Route = (&'static str, &'static str, Call);

/// The whole API.
const ROUTES: [Route; 11] = [
    ("/queue/enqueue", "POST, OPTIONS", Call::Enqueue),
    ("/queue/status", "GET, HEAD, OPTIONS", Call::Status),
    ("/queue/verify", "GET, HEAD, OPTIONS", Call::Verify),
    ("/queue/finish", "DELETE, OPTIONS", Call::Finish),
    ("/config", "GET, HEAD, POST, OPTIONS", Call::Config),
    ("/health", "GET, HEAD, OPTIONS", Call::Health),
    ("/health/ready", "GET, HEAD, OPTIONS", Call::Ready),
    ("/docs", "GET, HEAD, OPTIONS", Call::Docs),
    ("/redoc", "GET, HEAD, OPTIONS", Call::Redoc),
    ("/openapi.json", "GET, HEAD, OPTIONS", Call::OpenApi),
    ("/jwks.json", "GET, HEAD, OPTIONS", Call::Jwks),
];

/// Who calls, as the front door sees it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub config: Arc<Config>,
    /// The room that guards the site which the request was sent to.
    pub site_room: Option<String>,
    pub cookie: CookieOptions,
    pub ip: IpAddr,
    pub is_https: bool,
    /// The request came from a page of the same origin.
    pub is_same_origin: bool,
    /// Where the calls are, as the caller reached them: a prefix or nothing.
    pub prefix: String,
}

impl Caller {
    /// As limits count the caller. It costs a hash, so only those calls ask that count.
    fn address(&self) -> AddressKey {
        address_key(self.ip)
    }
}

/// The API and what it needs.
pub struct Api {
    pub gate: Arc<Gate>,
    pub rooms: Arc<Rooms>,
    pub limiter: Arc<Limiter>,
    pub readiness: Arc<dyn Readiness>,
}

/// Whether a path belongs to the API, under the configured prefix or the fixed one: the prefix and the rest.
pub fn own_path<'a>(path: &'a str, configured: &str) -> Option<(String, &'a str)> {
    if let Some(rest) = below(path, PREFIX) {
        return Some((PREFIX.to_owned(), rest));
    }
    if !configured.is_empty() {
        return below(path, configured).map(|rest| (configured.to_owned(), rest));
    }
    // At the root a site may have keys of its own.
    let is_known = |(known, _, call): &Route| *known == path && *call != Call::Jwks;
    let is_ours = path == "/queue" || path.starts_with("/queue/") || ROUTES.iter().any(is_known);
    is_ours.then(|| (String::new(), path))
}

fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A call as it came; borrowed, since only few of its headers are ever looked at.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub query: Option<&'a str>,
    pub body: &'a Bytes,
}

/// A request with what was found out about it.
struct Asked<'a> {
    api: &'a Api,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    body: &'a Bytes,
}

impl Api {
    /// Answers a call; `path` is below the prefix.
    pub async fn handle(&self, caller: &Caller, path: &str, request: Incoming<'_>) -> Response<Bytes> {
        let Incoming { method, headers, query, body } = request;
        let asked = Asked { api: self, caller, headers, query, body };
        let answer = match ROUTES.iter().find(|(known, ..)| *known == path) {
            None => Err(Problem::NotFound),
            Some((_, allow, _)) if method == Method::OPTIONS => Ok(reply::options(allow)),
            Some((_, allow, _)) if !allow.split(", ").any(|known| known == method.as_str()) => {
                Err(Problem::MethodNotAllowed(allow))
            }
            Some((.., call)) => self.call(*call, method, &asked).await,
        };
        let mut response = answer.unwrap_or_else(Problem::into_response);
        allow_origin(&mut response, &caller.config.server.cors_origins, headers);
        response
    }

    /// Refuses a call before it is read, as [`Api::handle`] would.
    pub fn refuse(&self, caller: &Caller, headers: &HeaderMap, problem: Problem) -> Response<Bytes> {
        let mut response = problem.into_response();
        allow_origin(&mut response, &caller.config.server.cors_origins, headers);
        response
    }

    /// The room that a call is about: of its key, or without one of the page that calls. Whether it may, [`Api::handle`]
    /// says.
    pub fn room_of(
        &self,
        caller: &Caller,
        path: &str,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Option<Arc<LiveRoom>> {
        let asked = Asked { api: self, caller, headers, query, body: &Bytes::new() };
        let (.., call) = ROUTES.iter().find(|(known, ..)| *known == path)?;
        match call {
            Call::Enqueue | Call::Status if !auth::has_key(&asked).ok()? => auth::page_room(&asked).ok(),
            Call::Enqueue | Call::Status | Call::Verify | Call::Finish | Call::Config => {
                auth::room(&asked, Scope::Browser).ok()
            }
            Call::Health | Call::Ready | Call::Docs | Call::Redoc | Call::OpenApi | Call::Jwks => None,
        }
    }

    async fn call(&self, call: Call, method: &Method, asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
        match call {
            Call::Enqueue => enqueue::enqueue(asked).await,
            Call::Status => status::status(asked).await,
            Call::Verify => verify::verify(asked).await,
            Call::Finish => finish::finish(asked).await,
            Call::Config if method == Method::POST => config::change(asked).await,
            Call::Config => config::read(asked).await,
            Call::Health => Ok(health::alive()),
            Call::Ready => Ok(health::ready(self.readiness.as_ref())),
            Call::Docs => Ok(reply::page(SWAGGER.get_or_init(docs::swagger_page))),
            Call::Redoc => Ok(reply::page(REDOC.get_or_init(docs::redoc_page))),
            Call::Jwks => Ok(jwks::jwks(asked)),
            Call::OpenApi => Ok(reply::json_text(StatusCode::OK, docs::openapi(&asked.caller.prefix))),
        }
    }
}
