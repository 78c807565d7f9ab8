//! Whether the server behind the store is fit for a waiting line.

use super::connection::{Connection, Request};
use crate::store::StoreError;
use redis::Value;

/// The oldest version that knows all commands of the scripts.
const OLDEST: (u32, u32) = (6, 2);
const KEEP_EVERYTHING: &str = "noeviction";

/// What the server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The Redis version, or the one with which it is compatible; of a cluster, the oldest.
    pub version: String,
    /// Its `maxmemory-policy`; `None` where it may not be asked.
    pub eviction: Option<String>,
    /// What makes it unfit, in words for an operator. Empty: it is fit.
    pub problems: Vec<String>,
}

/// Asks the server.
pub async fn inspect(connection: &Connection) -> Result<Health, StoreError> {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let info = connection.send(&Request::Command(info)).await?;
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("maxmemory-policy");
    let config = match connection.send(&Request::Command(config)).await {
        Ok(config) => Some(config),
        // Managed servers forbid it.
        Err(StoreError::Refused(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(judge(&texts(&info), config.as_ref().map(texts)))
}

fn judge(info: &[String], config: Option<Vec<String>>) -> Health {
    let versions = info.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("redis_version:"));
    let version = versions.min_by_key(|version| numbers(version)).unwrap_or_default().trim().to_owned();
    let mut policies = config.unwrap_or_default();
    policies.retain(|text| text.contains("eviction") || text.starts_with("allkeys") || text.starts_with("volatile"));
    let evicts = policies.iter().position(|policy| policy != KEEP_EVERYTHING).unwrap_or(0);
    let eviction = policies.into_iter().nth(evicts);
    let mut problems = Vec::new();
    if numbers(&version) < OLDEST {
        problems.push(format!("Redis {version} is too old: 6.2 or newer is needed"));
    }
    if let Some(policy) = eviction.as_deref().filter(|policy| *policy != KEEP_EVERYTHING) {
        problems.push(format!("maxmemory-policy is {policy}: Redis would silently drop the line; set noeviction"));
    }
    Health { version, eviction, problems }
}

fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.trim().split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Every text in an answer: a cluster's is one per node.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(_, value)| texts(value)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(version: &str, policy: Option<&str>) -> Health {
        let config = policy.map(|policy| vec!["maxmemory-policy".to_owned(), policy.to_owned()]);
        judge(&[format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n")], config)
    }

    #[test]
    fn an_old_server_and_one_that_forgets_are_unfit() {
        assert_eq!(health("7.0.15", Some("noeviction")).problems.len(), 0);
        assert_eq!(health("6.2.0", None), Health { version: "6.2.0".into(), eviction: None, problems: vec![] });
        assert!(health("6.0.16", None).problems[0].contains("6.0.16"));
        assert!(health("10.1.0", Some("allkeys-lru")).problems[0].contains("allkeys-lru"));
    }

    #[test]
    fn of_a_cluster_the_worst_node_counts() {
        let info = ["redis_version:7.2.0".to_owned(), "redis_version:6.0.1".to_owned()];
        let health = judge(&info, Some(vec!["noeviction".to_owned(), "volatile-ttl".to_owned()]));
        assert_eq!(health.version, "6.0.1");
        assert_eq!(health.problems.len(), 2);
    }
}
