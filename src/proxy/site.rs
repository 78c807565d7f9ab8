//! Which site a request is for, and whether its rules guard it.

use super::path::PathView;
use crate::config::{Bypass, Config, HostPattern, Site, normal_host};
use crate::gate::kind;
use crate::telemetry::words::Reason;
use http::{HeaderMap, Method};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// What the rules of a site say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Goes to the origin without a look at the gate.
    Forward(Reason),
    Guard,
}

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// As it came, without the query.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub ip: IpAddr,
}

/// The site of a host: named exactly, else the one for any host.
pub fn find(config: &Config, host: &str) -> Option<usize> {
    let host = normal_host(host)?;
    let named =
        |site: &Site| site.hosts.iter().any(|pattern| !matches!(pattern, HostPattern::Any) && pattern.matches(&host));
    let any = |site: &Site| site.hosts.iter().any(|pattern| pattern.matches(&host));
    config.sites.iter().position(named).or_else(|| config.sites.iter().position(any))
}

/// First match wins; what can be read in two ways never matches an exception.
pub fn rule(site: &Site, request: Request<'_>) -> Rule {
    if site.room.is_none() {
        return Rule::Forward(Reason::Bypass);
    }
    if kind::is_preflight(request.method, request.headers) {
        return Rule::Forward(Reason::Preflight);
    }
    let view = PathView::of(request.path.as_bytes());
    let Some(path) = view.clean() else { return Rule::Guard };
    let is_public = path == "/robots.txt" || path.starts_with("/.well-known/");
    let is_protected = site.protect.iter().any(|pattern| pattern.matches_in_any_case(path));
    if is_public || !is_protected || site.bypass.iter().any(|bypass| matches(bypass, path, request)) {
        return Rule::Forward(Reason::Bypass);
    }
    Rule::Guard
}

fn matches(bypass: &Bypass, path: &str, request: Request<'_>) -> bool {
    let Bypass { path: pattern, methods, from, header } = bypass;
    pattern.matches(path)
        && (methods.is_empty() || methods.contains(request.method))
        && (from.is_empty() || from.iter().any(|network| network.contains(&request.ip)))
        && header.as_ref().is_none_or(|(name, secret)| {
            let shown = request.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
            bool::from(shown.ct_eq(secret.expose().as_bytes()))
        })
}
