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
        Self::start_with(&[]).await
    }

    /// With further command line options for each node.
    pub async fn start_with(options: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            nodes.push(Redis::start_with(&[&cluster, options].concat()).await);
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

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> u16 {
        eventually(SOON, async || ask(&self.nodes[0], &["CLUSTER", "KEYSLOT", key]).await).await
    }

    /// Which node has a slot.
    pub async fn owner(&self, slot: u16) -> usize {
        eventually(SOON, async || {
            for (number, node) in self.nodes.iter().enumerate() {
                let table: String = ask(node, &["CLUSTER", "NODES"]).await?;
                let own = table.lines().find(|line| line.contains("myself"))?;
                if own.split(' ').skip(8).any(|range| holds(range, slot)) {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Moves a slot with its keys, while everybody goes on asking for them.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (number, port) = (slot.to_string(), self.nodes[to].port().to_string());
        let source = self.id(from).await;
        let target = self.id(to).await;
        self.tell(to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &source]).await;
        self.tell(from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &target]).await;
        loop {
            let find = ["CLUSTER", "GETKEYSINSLOT", &number, "100"];
            let keys: Vec<String> = eventually(SOON, async || ask(&self.nodes[from], &find).await).await;
            if keys.is_empty() {
                break;
            }
            let front = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let words: Vec<&str> = front.into_iter().chain(keys.iter().map(String::as_str)).collect();
            self.tell(from, &words).await;
        }
        for node in [to, from].into_iter().chain((0..self.nodes.len()).filter(|node| ![to, from].contains(node))) {
            self.tell(node, &["CLUSTER", "SETSLOT", &number, "NODE", &target]).await;
        }
    }

    async fn id(&self, node: usize) -> String {
        eventually(SOON, async || ask(&self.nodes[node], &["CLUSTER", "MYID"]).await).await
    }

    async fn tell(&self, node: usize, words: &[&str]) {
        eventually(SOON, async || ask::<String>(&self.nodes[node], words).await).await;
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

    /// The server that is the primary now.
    pub async fn present_primary(&mut self) -> &mut Redis {
        let port = self.primary_port().await;
        [&mut self.primary, &mut self.replica].into_iter().find(|redis| redis.port() == port).expect("one of the two")
    }

    /// The server that was killed on port `dead` comes back, as the replica of the one on `primary`.
    pub async fn brings_back(&mut self, dead: u16, primary: u16) {
        let servers = [&mut self.primary, &mut self.replica];
        let back = servers.into_iter().find(|redis| redis.port() == dead).expect("one of the two");
        back.restart().await;
        let port = primary.to_string();
        eventually(SOON, async || ask::<String>(back, &["REPLICAOF", "127.0.0.1", &port]).await).await;
        follows(back).await;
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        query(&Client::open(("127.0.0.1", self.port)).unwrap(), words).await
    }
}

async fn ask<T: FromRedisValue>(redis: &Redis, words: &[&str]) -> Option<T> {
    redis.says(words).await
}

/// Whether `12`, or `3-12`, holds a slot.
fn holds(range: &str, slot: u16) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let ends = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    ends.is_some_and(|(first, last)| (first..=last).contains(&slot))
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
