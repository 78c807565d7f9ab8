//! Where the process listens, whom it believes, and its limits.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::address::{is_host, network, normal_host, socket, split_port};
use super::file;
use super::report::{At, Report};

/// The process as a whole.
#[derive(Clone, Debug)]
pub struct Server {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Where `/metrics` is served; nowhere if absent.
    pub metrics_listen: Option<SocketAddr>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Below which path the API is served: empty, or `/x` without a slash at the end.
    pub api_prefix: String,
    /// Origins whose scripts may call the API: `scheme://host[:port]`, lower-case.
    pub cors_origins: Vec<String>,
    /// What must survive a restart without Redis.
    pub state_dir: Option<PathBuf>,
    /// Worker threads; absent: one per core.
    pub threads: Option<usize>,
    /// How long requests may go on after the signal to stop, in seconds.
    pub shutdown_seconds: u64,
    /// How long `/health/ready` says 503 before the listeners close, in seconds.
    pub shutdown_delay_seconds: u64,
    /// How long requests may go on after a successor took over, in seconds.
    pub upgrade_drain_seconds: u64,
    pub limits: Limits,
}

/// One address.
#[derive(Clone, Debug)]
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<TlsFiles>,
    /// For the hosts that they name, instead of that one; none without it.
    pub certificates: Vec<HostCertificate>,
    /// Whether the API is served here. The waiting page's calls are served everywhere.
    pub api: bool,
    /// HTTP/2 without TLS; never together with `tls`.
    pub h2c: bool,
    /// Each connection begins with a PROXY header, and comes from a trusted proxy.
    pub proxy_protocol: bool,
}

/// PEM files: the certificate with its chain, and its key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The certificate of some hosts.
#[derive(Clone, Debug)]
pub struct HostCertificate {
    /// At least one: lower-case, without port and trailing dot; `*.` at the front stands for one label.
    pub hosts: Vec<String>,
    pub files: TlsFiles,
}

/// What a client may ask of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All request headers together; above: 431.
    pub header_bytes: u64,
    /// The request target; above: 414.
    pub target_bytes: u64,
    /// A forwarded request's body, 0: no limit; above: 413.
    pub body_bytes: u64,
    /// Until all request headers are there.
    pub header_seconds: u64,
    /// Between two pieces of a body.
    pub body_idle_seconds: u64,
    /// Bytes of a body that must come per second of waiting for it, 0: any pace.
    pub body_rate: u64,
    /// Until a client that is sent something takes any of it.
    pub write_seconds: u64,
    /// Between two requests on a connection.
    pub keepalive_seconds: u64,
    /// Until TCP asks a silent peer whether it is still there; 0: never.
    pub tcp_keepalive_seconds: u64,
    /// Open at the same time.
    pub connections: u64,
    /// … from one address, or one /64 of IPv6; 0: as many as there are.
    pub connections_per_address: u64,
}

pub(super) fn server(written: &file::Server, report: &mut Report<'_>) -> Server {
    let at = At::default().key("server");
    let listeners = listeners(written, &at, report);
    let metrics = at.key("metrics_listen");
    let metrics_listen = written.metrics_listen.as_deref().and_then(|text| report.take(&metrics, socket(text)));
    if let Some(addr) = metrics_listen
        && listeners.iter().any(|listener| collide(listener.addr, addr))
    {
        report.error(&metrics, "is already taken by a listener");
    }
    let threads = written.threads.map(|count| report.range(&at.key("threads"), count, 1..=1024));
    Server {
        listeners,
        metrics_listen,
        trusted_proxies: trusted_proxies(&written.trusted_proxies, &at.key("trusted_proxies"), report),
        api_prefix: report.take(&at.key("api_prefix"), api_prefix(&written.api_prefix)).unwrap_or_default(),
        cors_origins: report.each(&at.key("cors_origins"), &written.cors_origins, web_origin),
        state_dir: state_dir(written, &at.key("state_dir"), report),
        threads: threads.and_then(|count| usize::try_from(count).ok()),
        shutdown_seconds: report.range(&at.key("shutdown_seconds"), written.shutdown_seconds, 0..=3600),
        shutdown_delay_seconds: report.range(
            &at.key("shutdown_delay_seconds"),
            written.shutdown_delay_seconds,
            0..=600,
        ),
        upgrade_drain_seconds: report.range(
            &at.key("upgrade_drain_seconds"),
            written.upgrade_drain_seconds,
            0..=604_800,
        ),
        limits: limits(&written.limits, &at.key("limits"), report),
    }
}

fn limits(written: &file::Limits, at: &At, report: &mut Report<'_>) -> Limits {
    let mut range = |name, value, range| report.range(&at.key(name), value, range);
    Limits {
        header_bytes: range("header_bytes", written.header_bytes, 1024..=1_048_576),
        target_bytes: range("target_bytes", written.target_bytes, 256..=65_536),
        body_bytes: written.body_bytes,
        header_seconds: range("header_seconds", written.header_seconds, 1..=300),
        body_idle_seconds: range("body_idle_seconds", written.body_idle_seconds, 1..=86_400),
        body_rate: range("body_rate", written.body_rate, 0..=1_048_576),
        write_seconds: range("write_seconds", written.write_seconds, 1..=3600),
        keepalive_seconds: range("keepalive_seconds", written.keepalive_seconds, 1..=3600),
        tcp_keepalive_seconds: range("tcp_keepalive_seconds", written.tcp_keepalive_seconds, 0..=7200),
        connections: range("connections", written.connections, 1..=1_000_000),
        connections_per_address: range("connections_per_address", written.connections_per_address, 0..=1_000_000),
    }
}

/// The listeners of either form.
fn listeners(written: &file::Server, at: &At, report: &mut Report<'_>) -> Vec<Listener> {
    let (short, long) = (at.key("listen"), at.key("listeners"));
    let mut listeners: Vec<(At, Listener)> = Vec::new();
    if written.listeners.is_empty() {
        for (index, text) in written.listen.iter().enumerate() {
            let at = short.index(index);
            let addr = report.take(&at, socket(text));
            let plain = |addr| Listener {
                addr,
                tls: None,
                certificates: Vec::new(),
                api: true,
                h2c: false,
                proxy_protocol: false,
            };
            listeners.extend(addr.map(|addr| (at, plain(addr))));
        }
    } else if report.is_written(&short) {
        report.error(&short, "is the short form of [[server.listeners]]; give one of the two");
    }
    let trusts_nobody = written.trusted_proxies.is_empty();
    for (index, written) in written.listeners.iter().enumerate() {
        let at = long.index(index);
        if written.proxy_protocol && trusts_nobody {
            let message = "needs server.trusted_proxies: whoever is not named there is closed on this listener";
            report.error(&at.key("proxy_protocol"), message);
        }
        listeners.extend(listener(written, &at, report).map(|listener| (at, listener)));
    }
    for (nth, (at, listener)) in listeners.iter().enumerate() {
        if listeners.iter().take(nth).any(|(_, earlier)| collide(earlier.addr, listener.addr)) {
            report.error(at, "is already taken by another listener");
        }
    }
    if written.listen.is_empty() && written.listeners.is_empty() {
        report.error(&short, "must name at least one address, such as 0.0.0.0:8000");
    }
    listeners.into_iter().map(|(_, listener)| listener).collect()
}

fn listener(written: &file::Listener, at: &At, report: &mut Report<'_>) -> Option<Listener> {
    let tls = written.tls.as_ref().map(|files| tls_files(&files.cert, &files.key, &at.key("tls"), report));
    let certificates = certificates(written, at, report);
    if written.h2c && tls.is_some() {
        report.error(&at.key("h2c"), "is HTTP/2 without TLS; with TLS clients agree on HTTP/2 by themselves");
    }
    let addr = report.take(&at.key("addr"), socket(&written.addr))?;
    let (api, h2c, proxy_protocol) = (written.api, written.h2c, written.proxy_protocol);
    Some(Listener { addr, tls, certificates, api, h2c, proxy_protocol })
}

fn tls_files(cert: &Path, key: &Path, at: &At, report: &mut Report<'_>) -> TlsFiles {
    report.readable(&at.key("cert"), cert);
    report.readable(&at.key("key"), key);
    TlsFiles { cert: cert.to_owned(), key: key.to_owned() }
}

fn certificates(written: &file::Listener, at: &At, report: &mut Report<'_>) -> Vec<HostCertificate> {
    let at = at.key("certificates");
    if !written.certificates.is_empty() && written.tls.is_none() {
        report.error(&at, "needs tls, whose certificate is shown to clients that name no host, or another one");
    }
    let mut seen: Vec<String> = Vec::new();
    let mut certificate = |(nth, written): (usize, &file::HostCertificate)| {
        let at = at.index(nth);
        let list = at.key("hosts");
        if written.hosts.is_empty() {
            report.error(&list, "must name at least one");
        }
        let hosts = report.each(&list, &written.hosts, certified_host);
        for (index, host) in hosts.iter().enumerate() {
            if seen.contains(host) {
                report.error(&list.index(index), "is given twice");
            }
            seen.push(host.clone());
        }
        HostCertificate { hosts, files: tls_files(&written.cert, &written.key, &at, report) }
    };
    written.certificates.iter().enumerate().map(&mut certificate).collect()
}

fn certified_host(text: &str) -> Result<String, String> {
    let (wild, host) = text.strip_prefix("*.").map_or(("", text), |host| ("*.", host));
    let normal = normal_host(host).filter(|_| matches!(split_port(host), Some((_, None))) && !host.starts_with('['));
    normal.map(|host| format!("{wild}{host}")).ok_or_else(|| {
        "must be a host such as shop.example.com, or *.example.com for one label in its place".to_owned()
    })
}

/// Whether the second of two listeners could not be opened. Port 0 is another one each time; `[::]` takes IPv4 too.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |ip: IpAddr, than: IpAddr| ip == Ipv6Addr::UNSPECIFIED || ip.is_unspecified() && than.is_ipv4();
    let (a, b) = (one.ip(), other.ip());
    one.port() != 0 && one.port() == other.port() && (a == b || all(a, b) || all(b, a))
}

fn trusted_proxies(written: &[String], at: &At, report: &mut Report<'_>) -> Vec<IpNet> {
    let networks = report.each(at, written, network);
    if networks.iter().any(|net| net.prefix_len() == 0) {
        report.warn(at, "trusts everybody: any client can then claim any address, and limits per address mean nothing");
    }
    networks
}

fn state_dir(written: &file::Server, at: &At, report: &mut Report<'_>) -> Option<PathBuf> {
    let dir = written.state_dir.clone()?;
    if dir.as_os_str().is_empty() {
        report.error(at, "must be a directory; leave it out to keep nothing");
    } else if dir.exists() && !dir.is_dir() {
        report.error(at, "must be a directory");
    }
    Some(dir)
}

fn api_prefix(text: &str) -> Result<String, String> {
    let segment = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        !matches!(part, "" | "." | "..") && part.bytes().all(plain)
    };
    match text.strip_prefix('/') {
        None if text.is_empty() => Ok(String::new()),
        Some(rest) if rest.split('/').all(segment) => Ok(text.to_owned()),
        _ => Err("must be empty, or begin with / and not end with it, such as /.gatekeeper".to_owned()),
    }
}

fn web_origin(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let authority = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let is_right = authority.and_then(split_port).is_some_and(|(host, _)| is_host(host));
    is_right
        .then_some(lower)
        .ok_or_else(|| "must be an origin such as https://shop.example.com, without a path".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_its_port_on_every_address() {
        let collides = |a: &str, b: &str| collide(a.parse().unwrap(), b.parse().unwrap());
        assert!(collides("127.0.0.1:80", "127.0.0.1:80"));
        assert!(collides("0.0.0.0:80", "127.0.0.1:80"));
        assert!(collides("127.0.0.1:80", "[::]:80"));
        assert!(!collides("0.0.0.0:80", "[::1]:80"));
        assert!(!collides("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collides("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!collides("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn a_prefix_is_empty_or_a_path_without_a_slash_at_its_end() {
        for right in ["", "/x", "/.gatekeeper", "/a/b"] {
            assert_eq!(api_prefix(right).as_deref(), Ok(right));
        }
        for wrong in ["/", "x", "/x/", "//x", "/a b", "/..", "/a?b"] {
            assert!(api_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
