//! The walk of a request up to the decision, and the decision carried out.

use super::client::Client;
use super::context::{Outcome, RequestContext};
use super::head::Body;
use super::path::PathView;
use super::seats::Work;
use super::site::{self, Rule};
use super::{Door, answer, head, target, waiting};
use crate::api::problem::Problem;
use crate::api::{Caller, Incoming, MAX_BODY, own_path};
use crate::config::{CookieOptions, Limits, SameSite, normal_host};
use crate::gate::kind::is_same_origin;
use crate::gate::{Decision, Facts, Kind, cookie, kind};
use crate::rooms::LiveRoom;
use crate::telemetry::words::Reason;
use http::{Method, Version, header};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Header fields of one request at most.
const MAX_FIELDS: usize = 100;
/// An unread body is drained for so long, then the connection closes.
const DRAIN: Duration = Duration::from_secs(5);

/// Bounds what a request may cost, before anything looks at it.
pub fn bound(session: &mut Session, limits: &Limits) -> Result<()> {
    // An idle connection would stay for ever. The guard keeps the close that pingora orders for ambiguous framing. The
    // connection's own deadline comes first, and is counted.
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(limits.keepalive_seconds + 1));
    }
    session.set_read_timeout(Some(Duration::from_secs(limits.body_idle_seconds)));
    session.set_write_timeout(Some(Duration::from_secs(limits.write_seconds)));
    session.set_total_drain_timeout(Some(DRAIN));
    let request = session.req_header();
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let fields: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let status = if target as u64 > limits.target_bytes {
        414
    } else if fields as u64 > limits.header_bytes || request.headers.len() > MAX_FIELDS {
        431
    } else {
        return unambiguous(session);
    };
    Error::e_explain(ErrorType::HTTPStatus(status), "request header over the limit")
}

/// Refuses what could be read in two ways.
fn unambiguous(session: &mut Session) -> Result<()> {
    let checked = match session.as_downstream().as_http1() {
        Some(http1) => head::check(&http1.get_headers_raw_bytes()),
        None => head::check_http2(&session.req_header().headers).map(|()| Body::None),
    };
    match checked {
        Err(fault) => return Error::e_explain(ErrorType::HTTPStatus(400), fault),
        // If the origin doesn't switch, what came behind the request is not looked at as another one.
        Ok(Body::Tunnel) => session.set_keepalive(None),
        Ok(_) => {}
    }
    Ok(())
}

/// Walks the request to its decision; `true`: it is answered.
pub async fn handle(door: &Door, session: &mut Session, context: &mut RequestContext) -> Result<bool> {
    identify(session, context)?;
    let path = session.req_header().uri.path().to_owned();
    if let Some((prefix, rest)) = own_path(&path, &context.config.server.api_prefix)
        && serves_api(session, context, &prefix)
    {
        return call_api(door, session, context, prefix, rest).await;
    }
    if context.site.is_none() {
        return refuse(door, session, context, Problem::Misdirected).await;
    }
    let limit = context.config.server.limits.body_bytes;
    if limit > 0 && answer::announced_length(session) > limit {
        // Before anybody answers 100 Continue.
        return refuse(door, session, context, Problem::TooLarge { limit }).await;
    }
    if let Some(rule) = forwarded_without_gate(session, context, &path) {
        context.reason = rule;
        context.canonical_path = PathView::of(path.as_bytes()).to_request_path().filter(|canonical| *canonical != path);
        context.outcome = Outcome::Forward { guest: None };
        return Ok(false);
    }
    let Some(room) = room_of(door, context) else {
        return refuse(door, session, context, Problem::Internal).await;
    };
    context.room = Some(Arc::clone(&room));
    let decision = decide(door, session, context, &room).await;
    carry_out(door, session, context, &room, decision).await
}

/// Who asks, for which host; what makes no sense is refused here.
fn identify(session: &mut Session, context: &mut RequestContext) -> Result<()> {
    if matches!(session.req_header().method, Method::TRACE | Method::CONNECT) {
        return Error::e_explain(ErrorType::HTTPStatus(405), "method not served");
    }
    to_origin_form(session)?;
    let host = match host_of(session) {
        Some(host) => host,
        // HTTP/1.0 needs none, and balancers' health checks send none: they get what is served for any host.
        None if session.req_header().version == Version::HTTP_10 && !has_host(session) => String::new(),
        None => return Error::e_explain(ErrorType::HTTPStatus(400), "no host"),
    };
    let request = session.req_header();
    let digest = session.digest();
    let is_tls = digest.is_some_and(|digest| digest.ssl_digest.is_some())
        || context.work.as_ref().is_some_and(Work::tls_in_front);
    context.client =
        Some(Client::identify(peer(session), is_tls, &request.headers, &context.config.server.trusted_proxies));
    context.host = host;
    context.site = if context.host.is_empty() { None } else { site::find(&context.config, &context.host) };
    context.wants_page = Kind::of(&request.method, &request.headers) == Kind::Navigation;
    context.is_upgrade = session.is_upgrade_req();
    Ok(())
}

/// Who is at the other end of the connection.
pub fn peer(session: &Session) -> IpAddr {
    session.client_addr().and_then(|address| address.as_inet()).map_or(IpAddr::from([0, 0, 0, 0]), SocketAddr::ip)
}

fn has_host(session: &Session) -> bool {
    let request = session.req_header();
    request.headers.contains_key(header::HOST) || request.uri.authority().is_some()
}

/// From here on there is one target: it is looked at, and forwarded.
fn to_origin_form(session: &mut Session) -> Result<()> {
    let (is_http2, request) = (session.is_http2(), session.req_header());
    let given = request.raw_path();
    let form = target::origin_form(&request.method, given).filter(|form| !is_http2 || **form == *given);
    let Some(form) = form else {
        return Error::e_explain(ErrorType::HTTPStatus(400), "a target without a path");
    };
    if *form != *given {
        let form = form.into_owned();
        session.req_header_mut().set_raw_path(&form)?;
    }
    Ok(())
}

/// `Host`, or HTTP/2's `:authority`; `None` where that isn't a host.
fn host_of(session: &Session) -> Option<String> {
    let request = session.req_header();
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    host.or_else(|| request.uri.authority().map(ToString::to_string)).filter(|host| normal_host(host).is_some())
}

/// Whether this listener serves the API at its root or configured prefix; the fixed prefix is served everywhere.
fn serves_api(session: &Session, context: &RequestContext, prefix: &str) -> bool {
    if prefix == crate::api::PREFIX {
        return true;
    }
    let port = session.server_addr().and_then(|address| address.as_inet()).map(SocketAddr::port);
    let listener = context.config.server.listeners.iter().find(|listener| Some(listener.addr.port()) == port);
    listener.is_none_or(|listener| listener.api)
}

fn forwarded_without_gate(session: &Session, context: &RequestContext, path: &str) -> Option<Reason> {
    let request = session.req_header();
    let ip = context.client.as_ref()?.ip;
    let asked = site::Request { method: &request.method, path, headers: &request.headers, ip };
    match site::rule(context.site()?, asked) {
        Rule::Forward(reason) => Some(reason),
        Rule::Guard => None,
    }
}

fn room_of(door: &Door, context: &RequestContext) -> Option<Arc<LiveRoom>> {
    door.rooms.find(context.site()?.room.as_deref()?)
}

async fn decide(door: &Door, session: &mut Session, context: &RequestContext, room: &LiveRoom) -> Decision {
    let has_body = !session.as_downstream_mut().is_body_empty();
    let request = session.req_header();
    let tokens = cookie::tokens(&request.headers, request.uri.query(), room.name());
    let ip = context.client.as_ref().map_or(IpAddr::from([0, 0, 0, 0]), |client| client.ip);
    let facts = Facts {
        tokens: &tokens,
        kind: if context.wants_page { Kind::Navigation } else { Kind::Other },
        has_body,
        is_cross_site: kind::is_cross_site(&request.headers, &context.host),
        ip,
        max_addresses: context.config.tokens.max_addresses_per_token,
    };
    door.gate.decide(room, &facts).await
}

async fn carry_out(
    door: &Door,
    session: &mut Session,
    context: &mut RequestContext,
    room: &LiveRoom,
    decision: Decision,
) -> Result<bool> {
    match decision {
        Decision::Forward(reason) => {
            context.reason = reason;
            context.outcome = Outcome::Forward { guest: None };
            Ok(false)
        }
        Decision::Pass(guest, reason) => {
            context.reason = reason;
            if let Some(clean) = clean_address(session, context) {
                context.outcome = Outcome::Answered;
                let response = waiting::redirect(&clean, &guest, room, context);
                answer::send(session, response).await?;
                return Ok(true);
            }
            if let Some(work) = &context.work {
                work.is_of_ready_visitor();
            }
            context.outcome = Outcome::Forward { guest: Some(guest) };
            Ok(false)
        }
        Decision::Wait(status, reason) => {
            context.reason = reason;
            context.outcome = Outcome::Answered;
            let response = waiting::answer(door, session, context, room, *status);
            answer::send(session, response).await?;
            Ok(true)
        }
        Decision::TooMany { retry_after } => {
            let problem = crate::api::over_limit(&room.view().settings, retry_after);
            refuse(door, session, context, problem).await
        }
    }
}

/// Where the token is moved from the address to the cookie: only for a GET, a redirect would lose anything else.
fn clean_address(session: &Session, context: &RequestContext) -> Option<String> {
    let request = session.req_header();
    let query = request.uri.query()?;
    if !context.site()?.strip_query_token || request.method != Method::GET || !context.wants_page {
        return None;
    }
    let has_token = query.split('&').any(|pair| pair.starts_with("jwt="));
    has_token.then(|| {
        let rest = cookie::query_without_token(query);
        let path = crate::page::LocalUrl::new(request.uri.path());
        if rest.is_empty() { path.to_string() } else { format!("{path}?{rest}") }
    })
}

async fn refuse(door: &Door, session: &mut Session, context: &mut RequestContext, problem: Problem) -> Result<bool> {
    context.outcome = Outcome::Answered;
    context.reason = if matches!(problem, Problem::RateLimited(_)) { Reason::Limited } else { Reason::Invalid };
    door.metrics.refused(problem.code());
    let response = waiting::refusal(problem, context, &session.req_header().headers);
    answer::send(session, response).await?;
    Ok(true)
}

async fn call_api(
    door: &Door,
    session: &mut Session,
    context: &mut RequestContext,
    prefix: String,
    path: &str,
) -> Result<bool> {
    context.outcome = Outcome::Answered;
    context.reason = Reason::Own;
    let caller = caller(session, context, prefix);
    let asked = session.req_header();
    context.room = door.api.room_of(&caller, path, &asked.headers, asked.uri.query());
    let Some(body) = answer::read_body(session, MAX_BODY).await? else {
        // Whoever calls the API gets a problem, whatever the call looks like.
        let problem = Problem::TooLarge { limit: MAX_BODY };
        door.metrics.refused(problem.code());
        let response = door.api.refuse(&caller, &session.req_header().headers, problem);
        answer::send(session, response).await?;
        return Ok(true);
    };
    let request = session.req_header();
    let (method, headers, query) = (&request.method, &request.headers, request.uri.query());
    let response = door.api.handle(&caller, path, Incoming { method, headers, query, body: &body }).await;
    answer::send(session, response).await?;
    Ok(true)
}

fn caller(session: &Session, context: &RequestContext, prefix: String) -> Caller {
    let client = context.client.as_ref();
    let site = context.site();
    Caller {
        config: Arc::clone(&context.config),
        site_room: site.and_then(|site| site.room.clone()),
        cookie: site.map_or(CookieOptions { same_site: SameSite::Lax, embed: false }, |site| site.cookie.clone()),
        ip: client.map_or(IpAddr::from([0, 0, 0, 0]), |client| client.ip),
        is_https: client.is_some_and(Client::is_https),
        is_same_origin: is_same_origin(&session.req_header().headers, &context.host),
        prefix,
    }
}
