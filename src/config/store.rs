//! Where the line is counted.

use std::fmt;
use std::path::PathBuf;

use super::address::{is_host, split_port};
use super::choices::OnStoreFailure;
use super::file;
use super::report::{At, Report};

/// The store and how it is used.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub url: StoreUrl,
    /// PEM file of the authority that signed the Redis server's certificate; absent: the system's.
    pub ca_file: Option<PathBuf>,
    pub on_store_failure: OnStoreFailure,
    /// Whether a Redis that may evict keys is put up with.
    pub allow_eviction: bool,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
}

/// What kind of store, and where. Passwords show neither in `Debug` nor in `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process.
    Memory,
    /// One server: a `redis://` or `rediss://` URL.
    Redis(String),
    /// A cluster: such a URL for each known node.
    Cluster(Vec<String>),
    /// Whoever is the master at the moment.
    Sentinel {
        /// The name by which the sentinels know it.
        master: String,
        /// A `redis://` or `rediss://` URL for each sentinel, without user and password.
        nodes: Vec<String>,
        /// A URL whose host means nothing: scheme, user, password and database are those of the servers that the
        /// sentinels name.
        server: String,
    },
}

impl StoreUrl {
    /// # Errors
    /// What would be right, as a sentence without subject and without the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "memory" || text == "memory://" {
            return Ok(Self::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(SCHEMES)?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => ("redis", kind),
            ("rediss", kind) => ("rediss", kind),
            _ => return Err(SCHEMES.to_owned()),
        };
        let parts = Parts::split(rest)?;
        match kind {
            "" if !scheme.contains('+') => parts.single(tls),
            "cluster" => parts.cluster(tls),
            "sentinel" => parts.sentinel(tls),
            _ => Err(SCHEMES.to_owned()),
        }
    }

    fn is_tls(&self) -> bool {
        let urls = match self {
            Self::Memory => return false,
            Self::Redis(url) | Self::Sentinel { server: url, .. } => Some(url),
            Self::Cluster(nodes) => nodes.first(),
        };
        urls.is_some_and(|url| url.starts_with("rediss:"))
    }
}

const SCHEMES: &str = "must be memory, or begin with redis://, rediss://, redis+cluster://, rediss+cluster://, \
                       redis+sentinel:// or rediss+sentinel://";

/// `[user:password@]host[:port][,host[:port]…][/path]`
struct Parts<'a> {
    /// With the `@`.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn split(rest: &'a str) -> Result<Self, String> {
        if rest.contains(['#', ' ']) {
            return Err("must have no # and no space; write them as %23 and %20 in a password".to_owned());
        }
        // Before the path: a password may hold anything but / ? # unescaped, also an @.
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let hosts: Vec<_> = hosts.split(',').collect();
        let is_right = |host: &&str| split_port(host).is_some_and(|(host, _)| is_host(host));
        if !hosts.iter().all(is_right) {
            return Err(
                "must name hosts as host or host:port, and have / @ : in a password escaped (%2F %40 %3A)".to_owned()
            );
        }
        Ok(Self { user, hosts, path })
    }

    fn single(&self, tls: &str) -> Result<StoreUrl, String> {
        let [host] = self.hosts.as_slice() else {
            return Err("names several hosts; that is for redis+cluster:// and redis+sentinel://".to_owned());
        };
        let (database, _) = self.path.split_once('?').unwrap_or((self.path, ""));
        is_database(database)?;
        let slash = if self.path.is_empty() { "" } else { "/" };
        Ok(StoreUrl::Redis(format!("{tls}://{}{host}{slash}{}", self.user, self.path)))
    }

    fn cluster(&self, tls: &str) -> Result<StoreUrl, String> {
        if !self.path.is_empty() {
            return Err("must end after the hosts: a cluster has only database 0".to_owned());
        }
        Ok(StoreUrl::Cluster(self.hosts.iter().map(|host| format!("{tls}://{}{host}", self.user)).collect()))
    }

    fn sentinel(&self, tls: &str) -> Result<StoreUrl, String> {
        let (master, database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if master.is_empty() || master.contains('?') {
            return Err("must end in the master's name, as in redis+sentinel://host:26379/mymaster".to_owned());
        }
        is_database(database)?;
        let database = if database.is_empty() { "0" } else { database };
        Ok(StoreUrl::Sentinel {
            master: master.to_owned(),
            nodes: self.hosts.iter().map(|host| format!("{tls}://{host}")).collect(),
            server: format!("{tls}://{}master/{database}", self.user),
        })
    }
}

fn is_database(text: &str) -> Result<(), String> {
    let right = text.is_empty() || text.parse::<u16>().is_ok();
    right.then_some(()).ok_or_else(|| "must have the number of a database after the last /".to_owned())
}

/// A URL without its user and password.
fn redacted(url: &str) -> String {
    match (url.split_once("://"), url.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", url.get(at..).unwrap_or_default()),
        _ => url.to_owned(),
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(url) => f.write_str(&redacted(url)),
            Self::Cluster(nodes) => write!(f, "cluster {}", list(nodes)),
            Self::Sentinel { master, nodes, .. } => write!(f, "{master} by sentinels {}", list(nodes)),
        }
    }
}

fn list(urls: &[String]) -> String {
    urls.iter().map(|url| redacted(url)).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

pub(super) fn store(written: &file::Store, report: &mut Report<'_>) -> StoreConfig {
    let at = At::default().key("store");
    let url = report.take(&at.key("url"), StoreUrl::parse(&written.url)).unwrap_or(StoreUrl::Memory);
    if let Some(path) = &written.ca_file {
        let at = at.key("ca_file");
        report.readable(&at, path);
        if !url.is_tls() {
            report.error(&at, "is for a store with TLS (rediss://)");
        }
    }
    StoreConfig {
        url,
        ca_file: written.ca_file.clone(),
        on_store_failure: written.on_store_failure,
        allow_eviction: written.allow_eviction,
        timeout_ms: report.range(&at.key("timeout_ms"), written.timeout_ms, 10..=10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> StoreUrl {
        StoreUrl::parse(text).unwrap()
    }

    #[test]
    fn each_kind_of_url_is_told_by_its_scheme() {
        assert_eq!(parse("memory"), StoreUrl::Memory);
        let single = "rediss://u:p@redis.internal:6380/2?protocol=resp3";
        assert_eq!(parse(single), StoreUrl::Redis(single.to_owned()));
        let nodes = vec!["rediss://:p@a:1".to_owned(), "rediss://:p@[::1]:2".to_owned()];
        assert_eq!(parse("rediss+cluster://:p@a:1,[::1]:2"), StoreUrl::Cluster(nodes));
        let sentinel = StoreUrl::Sentinel {
            master: "mymaster".to_owned(),
            nodes: vec!["redis://a:26379".to_owned(), "redis://b".to_owned()],
            server: "redis://u:p%40@master/3".to_owned(),
        };
        assert_eq!(parse("redis+sentinel://u:p%40@a:26379,b/mymaster/3"), sentinel);
    }

    #[test]
    fn wrong_urls_are_refused_without_being_repeated() {
        let wrong = [
            "",
            "redis",
            "http://pa55@h",
            "redis+x://h",
            "redis+://h",
            "redis://",
            "redis://:pa55@",
            "redis://h:x",
            "redis://a,b",
            "redis://h/pa55",
            "redis+cluster://h/1",
            "redis+sentinel://h",
            "redis+sentinel://h/m/x",
            "rediss://h/#insecure",
            "redis://:pa/55@h",
        ];
        for text in wrong {
            let message = StoreUrl::parse(text).unwrap_err();
            assert!(!message.contains("pa55") && !message.contains("55@"), "{text}: {message}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for url in ["redis://u:pa@55@h:1/0", "redis+cluster://u:pa55@h:1", "redis+sentinel://u:pa55@h/m"] {
            let url = parse(url);
            let shown = format!("{url} {url:?}");
            assert!(shown.contains('h') && !shown.contains("pa") && !shown.contains("u:"), "{shown}");
        }
    }
}
