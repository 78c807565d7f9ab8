//! Where the Redis is, read from a URL.
//!
//! `redis://` and `rediss://` name one server; `redis+cluster://` and `redis+sentinel://` (and both with `rediss+`) name
//! several nodes, separated by commas. Names and passwords in a URL are percent-encoded. Nothing here is ever shown: a
//! [`Target`] has no `Debug`, and a [`TargetError`] quotes nothing.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// Where to connect to, checked and ready.
#[derive(Clone)]
pub enum Target {
    Single {
        node: ConnectionInfo,
        ca: Option<Vec<u8>>,
    },
    Cluster {
        nodes: Vec<ConnectionInfo>,
        ca: Option<Vec<u8>>,
    },
    Sentinel {
        nodes: Vec<ConnectionInfo>,
        /// The name under which the sentinels know the primary.
        master: String,
        /// User, password and database at the primary.
        login: RedisConnectionInfo,
        tls: bool,
        ca: Option<Vec<u8>>,
    },
}

/// Why a URL is none of ours. Says what is wrong without quoting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(&'static str);

const SCHEMES: TargetError =
    TargetError("must begin with redis://, rediss://, redis+cluster:// or redis+sentinel:// (TLS: rediss+…)");
const UNREADABLE: TargetError = TargetError("isn't a Redis URL: [user:password@]host:port, encoded with %XX");

impl Target {
    /// Reads a URL:
    ///
    /// - `redis[s]://[user:password@]host[:port][/db]`
    /// - `redis[s]+cluster://[user:password@]host:port,host:port…`
    /// - `redis[s]+sentinel://[user:password@]host[:port],…/master[/db][?sentinel_user=…&sentinel_password=…]`
    ///
    /// `ca_pem`: the only authorities to trust, instead of the system's; for TLS alone.
    ///
    /// # Errors
    /// What isn't one of these.
    pub fn parse(url: &str, ca_pem: Option<Vec<u8>>) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(base, "redis" | "rediss") {
            return Err(SCHEMES);
        }
        if base == "redis" && ca_pem.is_some() {
            return Err(TargetError("trusts a certificate authority, but doesn't speak TLS: use rediss"));
        }
        match kind {
            "" if scheme == base => Ok(Self::Single { node: node(url)?, ca: ca_pem }),
            "cluster" => Self::cluster(&Several::read(base, rest, "6379")?, ca_pem),
            "sentinel" => Self::sentinel(&Several::read(base, rest, "26379")?, ca_pem),
            _ => Err(SCHEMES),
        }
    }

    fn cluster(several: &Several<'_>, ca: Option<Vec<u8>>) -> Result<Self, TargetError> {
        Ok(Self::Cluster { nodes: several.nodes(several.login)?, ca })
    }

    fn sentinel(several: &Several<'_>, ca: Option<Vec<u8>>) -> Result<Self, TargetError> {
        let (master, db) = several.path.split_once('/').unwrap_or((several.path, ""));
        if master.is_empty() {
            return Err(TargetError("names no master: redis+sentinel://host:port/master"));
        }
        // Any host will do: what is wanted are the decoded user, password and database.
        let login = node(&format!("redis://{}localhost/{db}", several.login))?.redis_settings().clone();
        let (base, master) = (several.base, decoded(master)?);
        Ok(Self::Sentinel {
            nodes: several.nodes(&several.sentinel_login())?,
            master,
            login,
            tls: base == "rediss",
            ca,
        })
    }
}

/// A URL that names several nodes, cut into its parts.
struct Several<'a> {
    base: &'a str,
    /// With its `@`, or empty.
    login: &'a str,
    hosts: &'a str,
    default_port: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Several<'a> {
    fn read(base: &'a str, rest: &'a str, default_port: &'a str) -> Result<Self, TargetError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        if hosts.is_empty() {
            return Err(UNREADABLE);
        }
        Ok(Self { base, login, hosts, default_port, path, query })
    }

    /// The nodes, each reached with `login`.
    fn nodes(&self, login: &str) -> Result<Vec<ConnectionInfo>, TargetError> {
        let url = |host: &str| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let port = if has_port { String::new() } else { format!(":{}", self.default_port) };
            format!("{}://{login}{host}{port}", self.base)
        };
        self.hosts.split(',').map(|host| node(&url(host.trim()))).collect()
    }

    fn sentinel_login(&self) -> String {
        let value = |name: &str| {
            let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let user = value("sentinel_user").unwrap_or_default();
        value("sentinel_password").map(|password| format!("{user}:{password}@")).unwrap_or_default()
    }
}

fn node(url: &str) -> Result<ConnectionInfo, TargetError> {
    url.into_connection_info().map_err(|_| UNREADABLE)
}

fn decoded(text: &str) -> Result<String, TargetError> {
    percent_encoding::percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ConnectionAddr;

    fn addresses(nodes: &[ConnectionInfo]) -> Vec<String> {
        nodes.iter().map(|node| node.addr().to_string()).collect()
    }

    #[test]
    fn one_server_with_and_without_tls() {
        let Ok(Target::Single { node, .. }) = Target::parse("redis://u:p%40ss@h:7/2", None) else { panic!() };
        assert_eq!((node.redis_settings().password(), node.redis_settings().db()), (Some("p@ss"), 2));
        let Ok(Target::Single { node, .. }) = Target::parse("rediss://h", Some(vec![])) else { panic!() };
        assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
    }

    #[test]
    fn a_cluster_takes_the_login_to_every_node() {
        let Ok(Target::Cluster { nodes, .. }) = Target::parse("redis+cluster://u:p@a:1,b,[::1]:3", None) else {
            panic!()
        };
        assert_eq!(addresses(&nodes), ["a:1", "b:6379", "::1:3"]);
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("p")));
    }

    #[test]
    fn sentinels_have_a_login_of_their_own() {
        let url = "rediss+sentinel://u:p%2Fw@a,b:2/main%20one/4?sentinel_password=s";
        let Ok(Target::Sentinel { nodes, master, login, tls, .. }) = Target::parse(url, None) else { panic!() };
        assert_eq!((addresses(&nodes), master.as_str(), tls), (vec!["a:26379".into(), "b:2".into()], "main one", true));
        assert_eq!((login.username(), login.password(), login.db()), (Some("u"), Some("p/w"), 4));
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("s")));
        let Ok(Target::Sentinel { nodes, .. }) = Target::parse("redis+sentinel://u:p@a/m", None) else { panic!() };
        assert!(nodes.iter().all(|node| node.redis_settings().password().is_none()));
    }

    #[test]
    fn mistakes_are_told_without_quoting_the_url() {
        for url in [
            "memory",
            "http://h",
            "redis+ring://h",
            "redis://:secret@h:port",
            "redis+cluster://",
            "redis+://h",
            "redis+sentinel://secret:x@h:1",
            "redis+cluster://u:secret@h:x",
        ] {
            let error = Target::parse(url, None).err().unwrap_or_else(|| panic!("{url}"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(Target::parse("redis://h", Some(vec![])).is_err());
    }
}
