//! The sites: which hosts and paths are guarded, by which room, and where requests go.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use http::{HeaderName, Method};
use ipnet::IpNet;

use super::address::{is_host, network, normal_host, split_port};
use super::choices::SameSite;
use super::design::{PageDesign, design};
use super::file;
use super::report::{At, Report};
use super::rules::PathPattern;
use super::secret::Secret;

/// Hosts in front of origins.
#[derive(Clone, Debug)]
pub struct Site {
    /// At least one; no host is in two sites.
    pub hosts: Vec<HostPattern>,
    /// At least one.
    pub origins: Vec<Origin>,
    /// The name of a room that exists; absent: everything is forwarded.
    pub room: Option<String>,
    /// The guarded paths.
    pub protect: Vec<PathPattern>,
    /// What is forwarded all the same; the first that fits counts.
    pub bypass: Vec<Bypass>,
    /// The waiting page's status: 200, 202, 429 or 503.
    pub waiting_status: u16,
    /// Whether `?jwt=` is moved to the cookie by a 303 instead of being forwarded.
    pub strip_query_token: bool,
    pub cookie: CookieOptions,
    /// A waiting page of one's own.
    pub template: Option<PathBuf>,
    /// Its colours, logo, languages and texts.
    pub page: PageDesign,
    /// Until an origin takes a connection.
    pub connect_seconds: u64,
    /// Until the first byte of an answer, and between two pieces of it.
    pub read_seconds: u64,
    /// The same for an upgraded connection (WebSocket).
    pub upgrade_read_seconds: u64,
    pub health: HealthCheck,
}

/// The hosts that a site answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host that no other site names.
    Any,
    /// One host, as [`normal_host`] writes it.
    Exact(String),
}

impl HostPattern {
    /// # Errors
    /// What would be right, as a sentence without subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let host = normal_host(text).filter(|_| matches!(split_port(text), Some((_, None))));
        let right =
            "must be a host such as shop.example.com, without scheme and port (xn--… where it isn't ASCII), or *";
        host.map(Self::Exact).ok_or_else(|| right.to_owned())
    }

    /// Whether a host in the form of [`normal_host`] is meant.
    pub fn matches(&self, normal_host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(host) => host == normal_host,
        }
    }
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

impl Origin {
    /// Takes `host`, `host:port`, `http://…` and `https://…`.
    ///
    /// # Errors
    /// What would be right, as a sentence without subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (tls, authority) = match text.split_once("://") {
            None => (false, text),
            Some(("http", authority)) => (false, authority),
            Some(("https", authority)) => (true, authority),
            Some(_) => return Err(ORIGIN.to_owned()),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split_port(authority).filter(|(host, _)| is_host(host)).ok_or(ORIGIN)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        if port == 0 {
            return Err(ORIGIN.to_owned());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port, tls })
    }

    /// Whether requests would come back to a listener of ours.
    fn is_listener(&self, listener: SocketAddr) -> bool {
        let host = if self.host == "localhost" { Ipv4Addr::LOCALHOST.to_string() } else { self.host.clone() };
        let Ok(target) = format!("{host}:{}", self.port).parse::<SocketAddr>() else { return false };
        let local = target.ip().is_loopback() || target.ip().is_unspecified();
        target == listener || target.port() == listener.port() && local && listener.ip().is_unspecified()
    }
}

const ORIGIN: &str = "must be host:port, http://host:port or https://host:port, without a path";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Requests that never wait. All that is given must fit.
#[derive(Clone, Debug)]
pub struct Bypass {
    pub path: PathPattern,
    /// Empty: any.
    pub methods: Vec<Method>,
    /// Client networks; empty: any.
    pub from: Vec<IpNet>,
    /// A header that must have this value; to be compared in constant time.
    pub header: Option<(HeaderName, Secret)>,
}

/// The visitor's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    pub same_site: SameSite,
    /// Whether the site may be shown in another site's frame: `SameSite=None; Secure; Partitioned`, whatever
    /// `same_site` says.
    pub embed: bool,
}

/// How a dead origin is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for with GET, 2xx or 3xx being healthy; absent: that a connection can be made.
    pub path: Option<String>,
    pub interval_seconds: u64,
    /// So many in a row make an origin dead.
    pub failures: u64,
}

/// The sites, and whether their hosts are unique.
pub(super) fn sites(written: &[file::Site], report: &mut Report<'_>) -> Vec<Site> {
    let at = At::default().key("sites");
    if written.is_empty() {
        report.warn(&at, "none is given: nothing is forwarded, only the API is served");
    }
    let sites: Vec<_> =
        written.iter().enumerate().map(|(nth, written)| site(written, &at.index(nth), report)).collect();
    unique_hosts(written, &at, report);
    sites
}

fn unique_hosts(written: &[file::Site], at: &At, report: &mut Report<'_>) {
    let mut seen: Vec<(HostPattern, At)> = Vec::new();
    for (nth, site) in written.iter().enumerate() {
        for (index, text) in site.hosts.iter().enumerate() {
            let Ok(host) = HostPattern::parse(text) else { continue };
            let here = at.index(nth).key("hosts").index(index);
            match seen.iter().find(|(known, _)| *known == host) {
                Some((_, earlier)) => report.error(&here, format!("is the same as {earlier}")),
                None => seen.push((host, here)),
            }
        }
    }
}

fn site(written: &file::Site, at: &At, report: &mut Report<'_>) -> Site {
    for (name, list) in [("hosts", &written.hosts), ("origins", &written.origins), ("protect", &written.protect)] {
        if list.is_empty() {
            report.error(&at.key(name), "must name at least one");
        }
    }
    let statuses = [200, 202, 429, 503];
    let waiting_status = statuses.into_iter().find(|status| u64::from(*status) == written.waiting_status);
    let waiting_status = waiting_status.ok_or("must be 200, 202, 429 or 503");
    if let Some(path) = &written.template {
        report.readable(&at.key("template"), path);
    }
    let bypass = written.bypass.iter().enumerate();
    Site {
        hosts: report.each(&at.key("hosts"), &written.hosts, HostPattern::parse),
        origins: report.each(&at.key("origins"), &written.origins, Origin::parse),
        room: written.room.clone(),
        protect: report.each(&at.key("protect"), &written.protect, PathPattern::parse),
        bypass: bypass.filter_map(|(nth, rule)| self::bypass(rule, &at.key("bypass").index(nth), report)).collect(),
        waiting_status: report.take(&at.key("waiting_status"), waiting_status).unwrap_or(503),
        strip_query_token: written.strip_query_token,
        cookie: CookieOptions { same_site: written.cookie.same_site, embed: written.cookie.embed },
        template: written.template.clone(),
        page: design(&written.page, &at.key("page"), report),
        connect_seconds: report.range(&at.key("connect_seconds"), written.connect_seconds, 1..=60),
        read_seconds: report.range(&at.key("read_seconds"), written.read_seconds, 1..=3600),
        upgrade_read_seconds: report.range(&at.key("upgrade_read_seconds"), written.upgrade_read_seconds, 1..=604_800),
        health: health(&written.health, &at.key("health"), report),
    }
}

fn health(written: &file::Health, at: &At, report: &mut Report<'_>) -> HealthCheck {
    if let Some(path) = &written.path {
        let right = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        report.take(&at.key("path"), right.then_some(()).ok_or("must be a path such as /health"));
    }
    HealthCheck {
        path: written.path.clone(),
        interval_seconds: report.range(&at.key("interval_seconds"), written.interval_seconds, 1..=3600),
        failures: report.range(&at.key("failures"), written.failures, 1..=100),
    }
}

fn bypass(written: &file::Bypass, at: &At, report: &mut Report<'_>) -> Option<Bypass> {
    let methods = report.each(&at.key("methods"), &written.methods, method);
    let from = report.each(&at.key("from"), &written.from, network);
    let header = written.header.as_ref().and_then(|header| secret_header(header, &at.key("header"), report));
    let path = report.take(&at.key("path"), PathPattern::parse(&written.path))?;
    Some(Bypass { path, methods, from, header })
}

fn method(text: &str) -> Result<Method, String> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| is_plain);
    method.ok_or_else(|| "must be a method in capitals, such as POST".to_owned())
}

fn secret_header(written: &file::SecretHeader, at: &At, report: &mut Report<'_>) -> Option<(HeaderName, Secret)> {
    let name = HeaderName::from_bytes(written.name.as_bytes()).map_err(|_| "must be the name of a header");
    let name = report.take(&at.key("name"), name);
    let is_right = written.value.len() >= 16 && written.value.bytes().all(|byte| byte.is_ascii_graphic());
    let value = is_right.then(|| Secret::new(&*written.value));
    let value = value.ok_or("must be at least 16 visible ASCII characters, since whoever guesses it never waits");
    name.zip(report.take(&at.key("value"), value))
}

/// What a site needs of the rest: its room, https for some cookies, and an origin that isn't ourselves.
pub(super) fn cross_check(
    sites: &[file::Site],
    rooms: &[file::Room],
    listeners: &[SocketAddr],
    may_be_https: bool,
    report: &mut Report<'_>,
) {
    for (nth, site) in sites.iter().enumerate() {
        let at = At::default().key("sites").index(nth);
        match &site.room {
            None => report.warn(&at.key("room"), "is not given: nothing of this site is guarded"),
            Some(name) if rooms.iter().any(|room| room.name == *name) => {}
            Some(_) => report.error(&at.key("room"), "must be the name of a room in [[rooms]]"),
        }
        for (index, text) in site.origins.iter().enumerate() {
            let Ok(origin) = Origin::parse(text) else { continue };
            if listeners.iter().any(|listener| origin.is_listener(*listener)) {
                report
                    .error(&at.key("origins").index(index), "is a listener of this gate: requests would go in circles");
            }
        }
        if (site.cookie.same_site == SameSite::None || site.cookie.embed) && !may_be_https {
            let why =
                "needs https, but no listener has TLS and no proxy is trusted to say so: browsers drop the cookie";
            report.warn(&at.key("cookie"), why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_host_with_or_without_scheme_and_port() {
        let parse = |text| Origin::parse(text).map(|origin| (origin.to_string(), origin.tls));
        assert_eq!(parse("127.0.0.1:9000"), Ok(("127.0.0.1:9000".to_owned(), false)));
        assert_eq!(parse("http://Shop.internal/"), Ok(("shop.internal:80".to_owned(), false)));
        assert_eq!(parse("https://[::1]"), Ok(("[::1]:443".to_owned(), true)));
        for wrong in ["", "ftp://h", "http://h/x", "h:0", "h:70000", "u:p@h:1", "http://", "::1", "h?x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gate_does_not_forward_to_itself() {
        let goes = |origin, listener: &str| Origin::parse(origin).unwrap().is_listener(listener.parse().unwrap());
        assert!(goes("127.0.0.1:8000", "0.0.0.0:8000"));
        assert!(goes("localhost:8000", "[::]:8000"));
        assert!(goes("10.0.0.1:8000", "10.0.0.1:8000"));
        assert!(!goes("127.0.0.1:8000", "10.0.0.1:8000"));
        assert!(!goes("10.0.0.1:8000", "0.0.0.0:8000"));
        assert!(!goes("127.0.0.1:9000", "0.0.0.0:8000"));
    }

    #[test]
    fn hosts_are_exact_or_any() {
        assert_eq!(HostPattern::parse("Shop.Example.com."), Ok(HostPattern::Exact("shop.example.com".to_owned())));
        assert!(HostPattern::parse("*").unwrap().matches("whatever"));
        for wrong in ["", "*.example.com", "shop:80", "https://shop", "münchen.de"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
