//! What one request carries through pingora's hooks.

use super::client::Client;
use super::seats::Work;
use crate::config::{Config, Site};
use crate::gate::{Guest, cookie};
use crate::rooms::LiveRoom;
use crate::telemetry::in_flight::InFlightGuard;
use crate::telemetry::words::Reason;
use std::sync::Arc;

/// What became of the request: set once, in `request_filter`, and only looked at later.
#[derive(Debug, Default)]
pub enum Outcome {
    #[default]
    Undecided,
    Forward {
        /// Who is inside, where somebody is.
        guest: Option<Guest>,
    },
    /// Answered here.
    Answered,
}

/// The state of one request.
pub struct RequestContext {
    /// Pinned: one request sees one configuration.
    pub config: Arc<Config>,
    pub request_id: String,
    /// µs of the machine's clock.
    pub started: u64,
    pub client: Option<Client>,
    pub host: String,
    /// The place in `config.sites`.
    pub site: Option<usize>,
    /// The one way to read the path, where the request passes by an exception and came in another: an origin that reads it
    /// differently would else serve what the exception doesn't name.
    pub canonical_path: Option<String>,
    pub room: Option<Arc<LiveRoom>>,
    pub outcome: Outcome,
    pub reason: Reason,
    /// Whether a person waits for a page.
    pub wants_page: bool,
    pub is_upgrade: bool,
    /// The protocols were switched: what follows belongs to a WebSocket.
    pub is_tunnel: bool,
    /// Body bytes that came so far.
    pub body_bytes: u64,
    /// Attempts to connect to an origin.
    pub attempts: u32,
    /// When the request went to the origin, and when the answer's header was there (µs).
    pub origin_asked: Option<u64>,
    pub origin_answered: Option<u64>,
    /// The status of an answer that `write_error_response` sent.
    pub in_flight: InFlightGuard,
    /// Keeps the connection from being taken for an idle one.
    pub work: Option<Work>,
}

impl RequestContext {
    /// The `Set-Cookie` lines of somebody who is inside; none where the visitor has the token already.
    pub fn cookies_of(&self, guest: &Guest, room: &LiveRoom) -> Vec<String> {
        let (true, Some(site), Some(client)) = (guest.is_new, self.site(), &self.client) else { return Vec::new() };
        let (name, token, is_https) = (room.name(), &guest.token, client.is_https());
        let line = cookie::line(name, token, &site.cookie, is_https, &room.view().settings);
        let spare = guest.walked_in.then(|| cookie::spare_line(name, token, &site.cookie, is_https));
        std::iter::once(line).chain(spare).collect()
    }

    pub fn site(&self) -> Option<&Site> {
        self.config.sites.get(self.site?)
    }
}
