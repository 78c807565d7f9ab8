//! The front door: pingora's hooks, each a few lines. A request walks one way:
//! listener → client (who) → site (which rule) → gate (the decision) → forward or answer → log.
//!
//! pingora's types stay in this folder. What is decided is decided once, in `request_filter`; the later hooks only carry
//! it out.

mod answer;
mod balancer;
mod carrier;
mod client;
mod connection;
mod context;
mod forward;
mod frames;
mod framing;
mod guard;
mod head;
mod names;
mod opening;
mod origin;
mod pace;
mod passed;
mod path;
mod request;
mod seats;
mod site;
mod target;
mod tunnel;
mod waiting;

pub use balancer::{Header, HeaderError, read_header};
pub use carrier::{carried, seat_of};
pub use client::{Client, Scheme, is_trusted};
pub use connection::Connection;
pub use guard::guard;
pub use opening::open;
pub use origin::Origins;
pub use path::PathView;
pub use seats::{Bounds, Full, Seat, Seats, Whose};

use crate::api::Api;
use crate::api::problem::Problem;
use crate::config::Live;
use crate::gate::Gate;
use crate::page::Page;
use crate::rooms::Rooms;
use crate::telemetry::access_log::{AccessLog, Entry};
use crate::telemetry::metrics::{Metrics, RoomMetrics};
use crate::telemetry::words::{Closing, OriginError, Reason};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use context::{Outcome, RequestContext};
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Attempts to connect to an origin before giving up; each may go to another one.
const ATTEMPTS: u32 = 3;

/// Everything that the door needs; made by `app`.
pub struct Door {
    pub live: Arc<Live>,
    pub gate: Arc<Gate>,
    pub rooms: Arc<Rooms>,
    pub api: Arc<Api>,
    pub origins: Arc<Origins>,
    /// The waiting page of each site, in the order of the configuration.
    pub pages: Arc<ArcSwap<Vec<Arc<Page>>>>,
    pub metrics: Arc<Metrics>,
    pub room_metrics: Arc<ArcSwap<HashMap<String, RoomMetrics>>>,
    pub access_log: Option<Arc<AccessLog>>,
}

#[async_trait]
impl ProxyHttp for Door {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext {
            config: self.live.pin(),
            request_id: crate::random::name(),
            started: self.rooms.clock().own_micros(),
            client: None,
            host: String::new(),
            site: None,
            canonical_path: None,
            room: None,
            outcome: Outcome::Undecided,
            reason: Reason::Invalid,
            wants_page: false,
            is_upgrade: false,
            is_tunnel: false,
            body_bytes: 0,
            attempts: 0,
            origin_asked: None,
            origin_answered: None,
            in_flight: self.metrics.in_flight.enter(),
            work: None,
        }
    }

    /// None: pingora's own, a compressor that is switched off, would still be asked about each piece of each answer.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, context: &mut RequestContext) -> Result<()> {
        let carrier = session.digest().and_then(|digest| digest.proxy_digest.as_deref());
        context.work = carrier.and_then(seat_of).map(|seat| seat.work());
        request::bound(session, &context.config.server.limits)
    }

    async fn request_filter(&self, session: &mut Session, context: &mut RequestContext) -> Result<bool> {
        request::handle(self, session, context).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut RequestContext,
    ) -> Result<()> {
        if let Some(work) = context.work.as_mut().filter(|_| !context.is_tunnel) {
            work.has_body(end);
        }
        let limit = context.config.server.limits.body_bytes;
        context.body_bytes += body.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if limit > 0 && context.body_bytes > limit {
            return Error::e_explain(ErrorType::HTTPStatus(413), "request body over the limit");
        }
        Ok(())
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
        context.attempts += 1;
        context.origin_asked = Some(self.rooms.clock().own_micros());
        let site = context.site().ok_or_else(|| Error::new(ErrorType::HTTPStatus(500)))?;
        self.origins.choose(site, context.is_upgrade).map(Box::new)
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        let (Some(client), Outcome::Forward { guest }) = (&context.client, &context.outcome) else { return Ok(()) };
        forward::prepare(request, context, client, guest.as_ref())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        _context: &mut RequestContext,
    ) -> Result<()> {
        forward::take_back_trailers(response);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // What comes now is no body: it may pause for as long as the origin puts up with.
            session.set_read_timeout(None);
            context.is_tunnel = true;
        }
        if context.origin_answered.is_none() {
            context.origin_answered = Some(self.rooms.clock().own_micros());
        }
        let finished = forward::take_command(response);
        let (Some(room), Outcome::Forward { guest: Some(guest) }) = (&context.room, &context.outcome) else {
            return Ok(());
        };
        if finished {
            let visitor = self.gate.keys().visitor(room.name(), &guest.claims.sub);
            room.finish(visitor, guest.claims.ticket(), crate::gate::stay_of(&guest.claims)).await;
            return Ok(());
        }
        let is_renewal = guest.has_cookie && context.reason == Reason::Ready;
        for line in context.cookies_of(guest, room) {
            forward::add_cookie(response, &line, is_renewal)?;
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(context.attempts < ATTEMPTS);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut RequestContext) -> FailToProxy {
        let Some(problem) = problem_of(error, context.config.server.limits.body_bytes) else {
            return FailToProxy { error_code: 499, can_reuse_downstream: false };
        };
        let error_code = problem.status().as_u16();
        if matches!(problem, Problem::BadGateway | Problem::GatewayTimeout) {
            context.reason = Reason::OriginDown;
            if let Some(site) = context.site() {
                self.metrics.site(&origin::site_name(site)).origin_error(origin_error(error));
            }
        }
        self.metrics.refused(problem.code());
        let response = waiting::failure(problem, context, &session.req_header().headers);
        answer::send_failure(session, response).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut RequestContext) {
        let status = session.response_written().map_or(499, |response| response.status.as_u16());
        let now = self.rooms.clock().own_micros();
        let room = context.room.as_ref().map(|room| room.name());
        if let Some(metrics) = self.room_metrics.load().get(room.unwrap_or_default()) {
            metrics.request(context.reason);
            if let (Some(asked), Some(answered)) = (context.origin_asked, context.origin_answered) {
                metrics.origin_seconds.observe(Duration::from_micros(answered.saturating_sub(asked)).as_secs_f64());
            }
        }
        if let Some(why) = error.and_then(slowness) {
            self.metrics.closings.count(why);
        }
        if let Some(error) = error.filter(|error| *error.esource() == ErrorSource::Upstream) {
            tracing::warn!(request_id = %context.request_id, error = %error.etype().as_str(), "the origin failed");
        }
        let Some(log) = &self.access_log else { return };
        let request = session.req_header();
        let origin_ms =
            context.origin_answered.zip(context.origin_asked).map(|(end, start)| end.saturating_sub(start) / 1000);
        log.write(&Entry {
            time: now / 1000,
            request_id: &context.request_id,
            // What was refused before it was asked who it is, is told of the peer.
            client: context.client.as_ref().map_or_else(|| request::peer(session), |client| client.ip),
            method: request.method.as_str(),
            host: &context.host,
            path: request.uri.path(),
            status,
            decision: context.reason.decision().name(),
            reason: context.reason.name(),
            room,
            bytes: session.body_bytes_sent() as u64,
            duration_ms: now.saturating_sub(context.started) / 1000,
            origin_ms,
            user_agent: request.headers.get("user-agent").and_then(|value| value.to_str().ok()),
        });
    }

    /// pingora's own lines would print the query, and with it tokens; ours says what is needed.
    fn request_summary(&self, session: &Session, context: &RequestContext) -> String {
        let request = session.req_header();
        format!("{} {} {}", request.method, request.uri.path(), context.request_id)
    }

    fn suppress_error_log(&self, _session: &Session, _context: &RequestContext, _error: &Error) -> bool {
        true // one failure, one line: `logging` writes it
    }
}

/// What a failure is to the client; `None`: the client left. `body_limit`: of a forwarded request.
fn problem_of(error: &Error, body_limit: u64) -> Option<Problem> {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, H2Error, HTTPStatus, ReadError, ReadTimedout, WriteError, WriteTimedout,
    };
    Some(match (error.esource(), error.etype()) {
        (_, HTTPStatus(408)) => Problem::RequestTimeout,
        (_, HTTPStatus(413)) => Problem::TooLarge { limit: body_limit },
        (_, HTTPStatus(414)) => Problem::UriTooLong,
        (_, HTTPStatus(431)) => Problem::HeaderTooLarge,
        (_, HTTPStatus(400)) => Problem::BadRequest,
        (_, HTTPStatus(405)) => Problem::MethodNotAllowed("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (_, HTTPStatus(502)) => Problem::BadGateway,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout) => Problem::GatewayTimeout,
        (ErrorSource::Upstream, _) => Problem::BadGateway,
        (ErrorSource::Downstream, ReadError) if guard::is_faulty(error) => Problem::BadRequest,
        (ErrorSource::Downstream, ReadTimedout) => Problem::RequestTimeout,
        (ErrorSource::Downstream, ReadError | WriteError | WriteTimedout | ConnectionClosed | H2Error) => return None,
        (ErrorSource::Downstream, _) => Problem::BadRequest,
        _ => Problem::Internal,
    })
}

/// Whether the client was too slow, and at what. What the connection itself sees, it counts itself.
fn slowness(error: &Error) -> Option<Closing> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(408)) | (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Closing::SlowBody),
        (ErrorSource::Downstream, ErrorType::WriteTimedout) => Some(Closing::SlowReader),
        _ => None,
    }
}

fn origin_error(error: &Error) -> OriginError {
    match error.etype() {
        ErrorType::HTTPStatus(_) => OriginError::NoneHealthy,
        ErrorType::ConnectTimedout => OriginError::ConnectTimeout,
        ErrorType::ReadTimedout => OriginError::ReadTimeout,
        ErrorType::ConnectRefused | ErrorType::ConnectError | ErrorType::ConnectNoRoute => OriginError::Connect,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => OriginError::Closed,
        _ => OriginError::Protocol,
    }
}
