//! What only a store on the network has to stand: flushes, stalls, crashes, refusals, TLS, a failover.

use super::contract::PATIENCE;
use super::support::pki::TestCa;
use super::support::redis::Redis;
use super::support::redis_groups::{RedisCluster, RedisSentinel};
use super::support::{SOON, eventually};
use gatekeeper::queue::{
    AddressKey, Arrival, Entry, Life, Newcomer, Report, Settings, Standing, Synced, Ticket, Visitor,
};
use gatekeeper::store::redis::{RedisStore, TIMEOUT, Target};
use gatekeeper::store::{RoomRef, Store, StoreError};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn store(url: &str) -> RedisStore {
    RedisStore::new(Target::parse(url, None).unwrap(), TIMEOUT)
}

async fn sync(store: &RedisStore) -> Result<Synced, StoreError> {
    store.sync(RoomRef { name: "faults", defaults: &Settings::default() }, &Report::default()).await
}

async fn enqueue(store: &RedisStore, name: u8) -> Result<Arrival, StoreError> {
    let newcomer = Newcomer {
        visitor: Visitor([name; 16]),
        ticket: Ticket(u64::from(name)),
        address: AddressKey(1),
        entry: Entry::Enqueue,
        until: None,
        met: Life::default(),
    };
    store.arrive(RoomRef { name: "faults", defaults: &Settings::default() }, newcomer).await
}

async fn works(store: &RedisStore) -> Option<()> {
    sync(store).await.ok().map(drop)
}

fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(error @ StoreError::Refused(_)) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn time_is_the_servers() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let taken = sync(&store).await.unwrap().snapshot.taken;
    let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut redis.connection().await).await.unwrap();
    assert!(taken.seconds().abs_diff(seconds) <= 1);
}

#[tokio::test]
async fn a_flush_of_the_scripts_is_invisible() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    assert_eq!(enqueue(&store, 1).await, Ok(Arrival::Entered { position: 1 }));
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis.connection().await).await.unwrap();
    assert_eq!(enqueue(&store, 1).await, Ok(Arrival::Entered { position: 1 }));
    sync(&store).await.unwrap();
}

#[tokio::test]
async fn everything_but_the_settings_goes_when_a_room_falls_silent() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let defaults = Settings::default();
    let room = RoomRef { name: "faults", defaults: &defaults };
    for name in 1..4 {
        enqueue(&store, name).await.unwrap();
        sync(&store).await.unwrap();
    }
    store.claim(room, Visitor([1; 16]), Ticket(1)).await.unwrap();
    store.finish(room, Visitor([1; 16]), Ticket(1)).await.unwrap();
    store.put_settings(room, &gatekeeper::queue::Change::default()).await.unwrap();
    let mut connection = redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(keys.len() >= 6, "{keys:?}");
    for key in keys {
        let ttl: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        let forever = key == "gk:{faults}:settings";
        assert_eq!(ttl == -1, forever, "{key} expires in {ttl}");
        assert!(forever || ttl > 60, "{key} expires in {ttl}");
    }
}

#[tokio::test]
async fn a_stalled_server_costs_no_call_more_than_its_timeout() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    sync(&store).await.unwrap();
    redis.stall();
    for _ in 0..8 {
        let begun = Instant::now();
        assert!(is_unavailable(&sync(&store).await));
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    }
    redis.resume();
    eventually(Duration::from_secs(2), async || works(&store).await).await;
}

#[tokio::test]
async fn a_killed_server_is_found_again_within_a_second() {
    let mut redis = Redis::start().await;
    let store = store(&redis.url());
    sync(&store).await.unwrap();
    redis.kill9();
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(is_unavailable(&sync(&store).await));
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    }
    redis.restart().await;
    eventually(Duration::from_secs(1), async || works(&store).await).await;
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_is_found_when_it_comes() {
    let mut redis = Redis::start().await;
    redis.kill9();
    let store = store(&redis.url());
    assert!(is_unavailable(&sync(&store).await));
    redis.restart().await;
    eventually(Duration::from_secs(1), async || works(&store).await).await;
}

#[tokio::test]
async fn many_calls_during_a_stall_all_come_back() {
    let redis = Redis::start().await;
    let store = Arc::new(store(&redis.url()));
    sync(&store).await.unwrap();
    redis.stall();
    let begun = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let store = Arc::clone(&store);
        calls.spawn(async move { is_unavailable(&sync(&store).await) });
    }
    assert!(calls.join_all().await.into_iter().all(|unavailable| unavailable));
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    redis.resume();
    eventually(Duration::from_secs(2), async || works(&store).await).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated_in_the_error() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "right"]).exec_async(&mut connection).await.unwrap();
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}", redis.port());
    let text = refusal(sync(&store(&url(":hunter2@"))).await);
    assert!(!text.contains("hunter2") && !text.contains("127.0.0.1"), "{text}");
    refusal(sync(&store(&url(""))).await);
    sync(&store(&url(":right@"))).await.unwrap();
}

#[tokio::test]
async fn foreign_data_under_our_keys_is_refused() {
    let redis = Redis::start().await;
    redis::cmd("SET").arg("gk:{faults}:line").arg("mine").exec_async(&mut redis.connection().await).await.unwrap();
    let text = refusal(enqueue(&store(&redis.url()), 1).await);
    assert!(text.contains("WRONGTYPE"), "{text}");
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    sync(&store).await.unwrap();
    let mut connection = redis.connection().await;
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec_async(&mut connection).await.unwrap();
    assert!(is_unavailable(&enqueue(&store, 1).await));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec_async(&mut connection).await.unwrap();
    assert_eq!(enqueue(&store, 1).await, Ok(Arrival::Entered { position: 1 }));
}

#[tokio::test]
async fn tls_is_spoken_and_the_authority_checked() {
    let ca = Arc::new(TestCa::new());
    let redis = Redis::start_tls(&ca).await;
    let with = |pem| RedisStore::new(Target::parse(&redis.url(), Some(pem)).unwrap(), PATIENCE);
    sync(&with(fs::read(ca.root()).unwrap())).await.unwrap();
    assert!(is_unavailable(&sync(&with(fs::read(TestCa::new().root()).unwrap())).await));
}

#[tokio::test]
async fn a_fit_server_has_no_problems_and_one_that_evicts_has() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let health = store.inspect().await.unwrap();
    assert_eq!((health.eviction.as_deref(), health.problems.len()), (Some("noeviction"), 0), "{health:?}");
    let mut connection = redis.connection().await;
    let evict = ["SET", "maxmemory-policy", "allkeys-lru"];
    redis::cmd("CONFIG").arg(&evict).exec_async(&mut connection).await.unwrap();
    assert_eq!(store.inspect().await.unwrap().problems.len(), 1);
    redis::cmd("ACL").arg(&["SETUSER", "default", "-config"]).exec_async(&mut connection).await.unwrap();
    let health = store.inspect().await.unwrap();
    assert_eq!((health.eviction, health.problems.len()), (None, 0));
}

#[tokio::test]
async fn a_cluster_is_inspected_and_outlives_a_stall() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster.url());
    eventually(SOON, async || works(&store).await).await;
    assert_eq!(store.inspect().await.unwrap().problems, Vec::<String>::new());
    cluster.nodes.iter().for_each(Redis::stall);
    for _ in 0..5 {
        let begun = Instant::now();
        assert!(is_unavailable(&sync(&store).await));
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    }
    cluster.nodes.iter().for_each(Redis::resume);
    eventually(SOON, async || works(&store).await).await;
}

#[tokio::test]
async fn one_node_of_a_cluster_tells_how_to_use_it() {
    let cluster = RedisCluster::start().await;
    let told = cluster.nodes.iter().map(|node| store(&node.url()));
    for store in told {
        if let Err(error) = sync(&store).await {
            assert!(error.to_string().contains("redis+cluster://"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_failover_leads_to_the_new_primary() {
    let group = RedisSentinel::start().await;
    let store = store(&group.url());
    eventually(SOON, async || works(&store).await).await;
    enqueue(&store, 1).await.unwrap();
    let before = group.primary_port().await;
    group.primary.kill9();
    group.await_new_primary(before).await;
    eventually(SOON, async || works(&store).await).await;
    assert!(matches!(
        store
            .claim(RoomRef { name: "faults", defaults: &Settings::default() }, Visitor([1; 16]), Ticket(1))
            .await
            .unwrap(),
        Standing::Ready(_) | Standing::Waiting { .. } | Standing::Unknown
    ));
}

#[tokio::test]
async fn a_primary_that_was_replaced_while_it_was_silent_is_left_before_it_is_told() {
    let mut group = RedisSentinel::start().await;
    let store = store(&group.url());
    eventually(SOON, async || works(&store).await).await;
    let before = group.primary_port().await;
    group.primary.stall();
    group.await_new_primary(before).await;
    group.primary.resume();
    // The sentinel demotes it some eight seconds later, and with that its writes are lost.
    let present = group.present_primary().await.connection().await;
    let syncs = async || -> Option<u64> {
        let number = redis::cmd("HGET").arg(&["gk:{faults}:state", "seq"]).query_async(&mut present.clone()).await;
        number.unwrap()
    };
    let before = syncs().await;
    eventually(Duration::from_secs(4), async || {
        let _maybe_to_the_old_one = sync(&store).await;
        (syncs().await > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_demoted_server_is_unavailable_until_it_may_write_again() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    sync(&store).await.unwrap();
    let mut connection = redis.connection().await;
    redis::cmd("REPLICAOF").arg(&["127.0.0.1", "1"]).exec_async(&mut connection).await.unwrap();
    assert!(is_unavailable(&sync(&store).await));
    assert!(is_unavailable(&enqueue(&store, 1).await));
    redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).exec_async(&mut connection).await.unwrap();
    eventually(Duration::from_secs(1), async || works(&store).await).await;
    let open: String = redis::cmd("INFO").arg("clients").query_async(&mut connection).await.unwrap();
    assert!(open.contains("connected_clients:2\r\n"), "the old connection is closed: {open}");
}
