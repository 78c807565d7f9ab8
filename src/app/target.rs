//! From the configured store to the one that is opened: `config` and `store` don't know each other.

use super::StartError;
use crate::config::{Config, StoreUrl};
use crate::store::redis::Target;

/// Where the Redis is; `None`: the embedded store.
pub fn of(config: &Config) -> Result<Option<Target>, StartError> {
    let ca = match &config.store.ca_file {
        None => None,
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|error| StartError::one(format!("store.ca_file: {}: {error}", path.display())))?,
        ),
    };
    let url = match &config.store.url {
        StoreUrl::Memory => return Ok(None),
        StoreUrl::Redis(url) => url.clone(),
        StoreUrl::Cluster(nodes) => several(nodes, nodes.first().map_or("", String::as_str), "cluster", ""),
        StoreUrl::Sentinel { master, nodes, server } => {
            let database = server.rsplit_once('/').map(|(_, last)| last).filter(|last| last.parse::<u32>().is_ok());
            let rest = database.map_or_else(|| format!("/{master}"), |database| format!("/{master}/{database}"));
            several(nodes, server, "sentinel", &rest)
        }
    };
    Target::parse(&url, ca).map(Some).map_err(|error| StartError::one(format!("store.url: {error}")))
}

/// One URL for several nodes, with the scheme and the login of `like`.
fn several(nodes: &[String], like: &str, kind: &str, rest: &str) -> String {
    let (scheme, after) = like.split_once("://").unwrap_or(("redis", like));
    let login = after.rsplit_once('@').map(|(login, _)| format!("{login}@")).unwrap_or_default();
    let hosts: Vec<&str> = nodes.iter().map(|node| host_of(node)).collect();
    format!("{scheme}+{kind}://{login}{}{rest}", hosts.join(","))
}

fn host_of(node: &str) -> &str {
    let after = node.split_once("://").map_or(node, |(_, after)| after);
    let after = after.rsplit_once('@').map_or(after, |(_, host)| host);
    after.split('/').next().unwrap_or(after)
}
