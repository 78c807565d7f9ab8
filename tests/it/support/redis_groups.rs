//! Several Redis servers that belong together: a cluster of three, or a primary with its replica and a sentinel.

use super::ports::free_port;
use super::process::Process;
use super::redis::Redis;
use super::{SOON, eventually};
use redis::{Client, FromRedisValue, cmd};
use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Votes and copies take longer than a start.
const SLOW: Duration = Duration::from_secs(30);

/// Three primaries that share the slots; no replicas.
#[derive(Debug)]
pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            nodes.push(Redis::start_with(&options).await);
        }
        let cluster = Self { nodes };
        cluster.join().await;
        cluster
    }

    async fn join(&self) {
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]).args(self.addresses()).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let joining = Process::spawn("redis-cli", &mut command);
        let status = joining.wait_exit(SLOW).await;
        assert!(status.success(), "the cluster did not form\n{}", joining.last_words());
        for node in &self.nodes {
            eventually(SLOW, async || {
                let info: String = ask(node, &["CLUSTER", "INFO"]).await?;
                info.contains("cluster_state:ok").then_some(())
            })
            .await;
        }
    }

    /// `127.0.0.1:PORT` of every node.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect()
    }

    /// `redis+cluster://a,b,c`.
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.addresses().join(","))
    }
}

/// A primary, its replica, and one sentinel that replaces the primary when it is silent for half a second.
#[derive(Debug)]
pub struct RedisSentinel {
    pub primary: Redis,
    pub replica: Redis,
    sentinel: Process,
    port: u16,
    _directory: TempDir,
}

impl RedisSentinel {
    /// The name under which the sentinel knows them.
    pub const SERVICE: &str = "gatekeeper";

    pub async fn start() -> Self {
        let primary = Redis::start_with(&["--repl-diskless-sync-delay", "0"]).await;
        let primary_port = primary.port().to_string();
        let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &primary_port]).await;
        follows(&replica).await; // before the sentinel looks: it looks again only after ten seconds
        let (directory, port) = (TempDir::new().unwrap(), free_port());
        let file = directory.path().join("sentinel.conf");
        fs::write(&file, sentinel_conf(port, primary.port())).unwrap();
        let sentinel = Process::spawn("redis-server", Command::new("redis-server").arg(&file).arg("--sentinel"));
        let group = Self { primary, replica, sentinel, port, _directory: directory };
        group.settle().await;
        group
    }

    /// Waits until the sentinel could promote the replica.
    async fn settle(&self) {
        eventually(SLOW, async || {
            assert!(self.sentinel.exit().is_none(), "the sentinel did not start\n{}", self.sentinel.last_words());
            let replicas: Vec<HashMap<String, String>> = self.ask(&["SENTINEL", "replicas", Self::SERVICE]).await?;
            let linked = replicas.first()?.get("master-link-status")? == "ok";
            (linked && self.sentinel.listens_on(self.port)).then_some(())
        })
        .await;
    }

    /// `redis+sentinel://127.0.0.1:PORT/gatekeeper`.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{}", self.port, Self::SERVICE)
    }

    /// The sentinel's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the present primary, as the sentinel names it.
    pub async fn primary_port(&self) -> u16 {
        let address: Vec<String> =
            eventually(SOON, async || self.ask(&["SENTINEL", "get-master-addr-by-name", Self::SERVICE]).await).await;
        address[1].parse().unwrap()
    }

    /// Waits until the sentinel names another primary than the one on `port`, and returns its port.
    pub async fn await_new_primary(&self, port: u16) -> u16 {
        eventually(SLOW, async || Some(self.primary_port().await).filter(|&now| now != port)).await
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        query(&Client::open(("127.0.0.1", self.port)).unwrap(), words).await
    }
}

async fn ask<T: FromRedisValue>(redis: &Redis, words: &[&str]) -> Option<T> {
    query(&redis.client(), words).await
}

async fn query<T: FromRedisValue>(client: &Client, words: &[&str]) -> Option<T> {
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let (name, arguments) = words.split_first()?;
    cmd(name).arg(arguments).query_async(&mut connection).await.ok()
}

async fn follows(replica: &Redis) {
    eventually(SLOW, async || {
        let info: String = ask(replica, &["INFO", "replication"]).await?;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
}

fn sentinel_conf(port: u16, primary: u16) -> String {
    let service = RedisSentinel::SERVICE;
    format!(
        "port {port}
bind 127.0.0.1
sentinel monitor {service} 127.0.0.1 {primary} 1
sentinel down-after-milliseconds {service} 500
sentinel failover-timeout {service} 5000
sentinel parallel-syncs {service} 1
"
    )
}
