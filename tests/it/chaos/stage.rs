//! What the faults happen to: three real instances, a real store, an origin that writes down who came.

use super::diary::{Diary, Seen, Watch};
use crate::support::append_log;
use crate::support::doors::Token;
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::{Answer, Hit, Origin};
use crate::support::redis::Redis;
use crate::support::redis_groups::{RedisCluster, RedisSentinel};
use crate::support::wire::Wire;
use std::sync::Arc;

pub const INSTANCES: usize = 3;

/// How Redis is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One server that keeps its data; each instance reaches it by a wire of its own.
    Single,
    /// A primary, its replica, and a sentinel.
    Sentinel,
    /// A cluster of three.
    Cluster,
}

impl Kind {
    pub const ALL: &'static [Self] = &[Self::Single, Self::Sentinel, Self::Cluster];

    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

/// The store of a stage.
#[derive(Debug)]
pub enum Store {
    Single { redis: Redis, wires: Vec<Wire> },
    Sentinel(Box<RedisSentinel>),
    Cluster(RedisCluster),
}

pub struct Stage {
    pub store: Store,
    pub gates: Vec<Gatekeeper>,
    pub setups: Vec<Setup>,
    pub origin: Origin,
}

impl Stage {
    pub async fn set(kind: Kind, settings: &str, diary: &Arc<Diary>, watch: Watch) -> Self {
        let (store, urls) = store(kind).await;
        let origin = recording_origin(Arc::clone(diary), watch).await;
        let setups: Vec<Setup> = urls
            .iter()
            .map(|url| Setup {
                server: "shutdown_seconds = 5".to_owned(),
                more: "[log]\naccess = false".to_owned(),
                ..Setup::before(origin.addr()).settings(settings).on_store(url)
            })
            .collect();
        let mut gates = Vec::new();
        for setup in &setups {
            gates.push(Gatekeeper::start(setup.clone()).await);
        }
        Self { store, gates, setups, origin }
    }

    /// What a single Redis wrote down of all that it did; the others keep no log, or each a part of it.
    pub fn log(&self) -> Option<Vec<Vec<append_log::Command>>> {
        match &self.store {
            Store::Single { redis, .. } => Some(append_log::read(redis.directory())),
            Store::Sentinel(_) | Store::Cluster(_) => None,
        }
    }
}

/// A store, and what each instance has to call.
async fn store(kind: Kind) -> (Store, Vec<String>) {
    match kind {
        Kind::Single => {
            let redis = Redis::start_with(&append_log::OPTIONS).await;
            let mut wires = Vec::new();
            for _ in 0..INSTANCES {
                wires.push(Wire::to(redis.port()).await);
            }
            let urls = wires.iter().map(|wire| format!("redis://127.0.0.1:{}", wire.port())).collect();
            (Store::Single { redis, wires }, urls)
        }
        Kind::Sentinel => {
            let group = RedisSentinel::start().await;
            let urls = vec![group.url(); INSTANCES];
            (Store::Sentinel(Box::new(group)), urls)
        }
        Kind::Cluster => {
            let cluster = RedisCluster::start_with(&append_log::OPTIONS).await;
            let urls = vec![cluster.url(); INSTANCES];
            (Store::Cluster(cluster), urls)
        }
    }
}

async fn recording_origin(diary: Arc<Diary>, watch: Watch) -> Origin {
    let origin = Origin::start().await;
    origin.on("*", move |hit: &Hit| {
        let token = hit.header("jwt").map(Token::read);
        diary.seen.lock().unwrap().push(Seen { at: watch.at(hit.at), path: hit.path().to_owned(), token });
        Answer::html(format!("origin: {}", hit.path()))
    });
    origin
}
