//! Each piece of `support` does what it says.

use crate::support::client::{self, Browser, raw, send, websocket};
use crate::support::gatekeeper::{Place, Setup};
use crate::support::metrics::Metrics;
use crate::support::origin::{Answer, Origin};
use crate::support::pki::TestCa;
use crate::support::ports::{free_port, is_listened_on, listens};
use crate::support::process::Process;
use crate::support::raw_origin::RawOrigin;
use crate::support::redis::Redis;
use crate::support::redis_groups::{RedisCluster, RedisSentinel};
use crate::support::wire::{Flow, Wire};
use crate::support::{SOON, eventually, eventually_true};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use redis::AsyncCommands;
use std::collections::HashSet;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn waiting_ends_with_the_answer_or_with_the_bound() {
    let mut asked = 0;
    let third = async || {
        asked += 1;
        (asked == 3).then_some(asked)
    };
    assert_eq!(eventually(SOON, third).await, 3);
    let never = tokio::spawn(async { eventually_true(MOMENT, || false).await });
    assert!(never.await.is_err_and(|error| error.is_panic()));
    let stuck = tokio::spawn(async { eventually(MOMENT, async || std::future::pending::<Option<()>>().await).await });
    assert!(stuck.await.is_err_and(|error| error.is_panic()));
}

#[test]
fn ports_are_handed_out_once_and_their_owner_is_known() {
    let ports: HashSet<u16> = (0..50).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 50);
    let port = free_port();
    assert!(!listens(std::process::id(), port) && !is_listened_on(port));
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert!(listens(std::process::id(), port));
    assert!(!listens(1, port) && is_listened_on(port));
}

#[tokio::test]
async fn a_process_is_heard_signalled_and_reaped() {
    let script = "trap 'echo bye >&2; exit 3' TERM; echo hello; while :; do sleep 0.05; done";
    let process = Process::spawn("sh", Command::new("sh").args(["-c", script]));
    process.await_output("hello", SOON).await;
    process.signal("TERM");
    assert_eq!(process.wait_exit(SOON).await.code(), Some(3));
    assert_eq!(process.output(), "hello\nbye\n");
    process.signal("TERM"); // nobody is hit when it is gone
    let process = Process::spawn("sh", Command::new("sh").args(["-c", "exec sleep 100"]));
    let alive = format!("/proc/{}", process.pid());
    process.signal("STOP");
    drop(process);
    assert!(!std::path::Path::new(&alive).exists());
}

#[test]
#[should_panic(expected = "redis-server could not be started")]
fn a_missing_program_is_said_plainly() {
    Process::spawn("redis-server", &mut Command::new("/nowhere/redis-server"));
}

#[tokio::test]
async fn the_origin_answers_and_records() {
    let origin = Origin::start().await;
    let browser = Browser::new(&origin.url(""));
    let page = browser.open("/a?b=c").await;
    assert_eq!((page.status, page.text().as_str()), (200, "origin: GET /a"));
    assert_eq!(page.header("content-type"), Some("text/html"));
    let hit = origin.await_hit("/a").await;
    assert_eq!((hit.uri.query(), hit.header("sec-fetch-mode")), (Some("b=c"), Some("navigate")));
    assert_eq!(hit.peer.ip(), browser.address);
    browser.submit("/form", &"x".repeat(100_000)).await;
    let hit = origin.last().unwrap();
    assert_eq!((hit.method, hit.body_length, hit.body.len()), (Method::POST, 100_000, 65_536));
    assert_eq!((origin.hits().len(), origin.connections()), (2, 1));
}

#[tokio::test]
async fn the_origin_answers_as_the_test_says() {
    let origin = Origin::start().await;
    origin.on("/events", |_| Answer::events(3, Duration::from_millis(1)));
    origin.on("/big", |_| Answer::big(1_000_000));
    origin.on("/slow", |_| Answer::status(500).after(MOMENT));
    origin.on("/finish", |_| Answer::finish().more("set-cookie", "a=1").more("set-cookie", "b=2"));
    origin.on("/gone", |_| Answer::hang_up());
    let browser = Browser::new(&origin.url(""));
    assert_eq!(browser.open("/events").await.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(browser.open("/big").await.body.len(), 1_000_000);
    assert_eq!(browser.open("/slow").await.status, 500);
    let finish = browser.open("/finish").await;
    assert_eq!(finish.header("gatekeeper-command"), Some("finish"));
    assert_eq!((finish.set_cookies().len(), browser.cookie("b").as_deref()), (2, Some("2")));
    assert!(client::try_send(browser.script(Method::GET, "/gone")).await.is_err());
}

#[tokio::test]
async fn the_origin_closes_and_reopens() {
    let mut origin = Origin::start().await;
    let browser = Browser::new(&origin.url(""));
    assert_eq!(browser.open("/").await.status, 200);
    origin.close().await;
    assert!(client::try_send(browser.script(Method::GET, "/")).await.is_err());
    origin.reopen().await;
    assert_eq!(browser.open("/").await.status, 200);
}

#[tokio::test]
async fn a_request_that_never_ends_is_recorded_too() {
    let origin = Origin::start().await;
    let head = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    raw(origin.addr(), head, MOMENT).await;
    let hit = eventually(SOON, async || origin.last()).await;
    assert_eq!((hit.path(), hit.body.as_ref(), hit.complete), ("/slow", b"abc".as_slice(), false));
}

#[tokio::test]
async fn websockets_are_echoed() {
    let origin = Origin::start().await;
    origin.on("/chat", |_| Answer::websocket());
    let mut socket = websocket(origin.addr(), "/chat", &[("cookie", "a=b")]).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(origin.last().unwrap().header("cookie"), Some("a=b"));
    assert!(websocket(origin.addr(), "/other", &[]).await.is_err());
}

#[tokio::test]
async fn tls_and_h2_clients_trust_the_tests_authority_alone() {
    let ca = TestCa::new();
    let origin = Origin::start_tls(&ca).await;
    let trusting = client::tls(&ca, &[("shop.test", origin.addr())]);
    let url = format!("https://shop.test:{}/", origin.addr().port());
    let answer = send(trusting.get(url)).await;
    assert_eq!((answer.status, answer.version), (200, http::Version::HTTP_2));
    assert!(client::try_send(client::tls(&TestCa::new(), &[]).get(origin.url("/"))).await.is_err());
    let cleartext = Origin::start().await;
    assert_eq!(send(client::h2c().get(cleartext.url("/"))).await.version, http::Version::HTTP_2);
}

#[tokio::test]
async fn the_raw_origin_keeps_every_byte() {
    let origin = RawOrigin::start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let request = b"GET / HTTP/1.1\r\nX:  odd \r\n\r\n\0rest";
    let answer = raw(origin.addr(), request, MOMENT).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(origin.await_bytes(b"rest").await, request);
    let silent = RawOrigin::start("").await;
    assert_eq!(raw(silent.addr(), request, MOMENT).await, b"");
}

#[tokio::test]
async fn redis_stalls_resumes_dies_and_comes_back_empty() {
    let mut redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let () = connection.set("a", 1).await.unwrap();
    redis.stall();
    assert!(TcpStream::connect(("127.0.0.1", redis.port())).is_ok());
    assert!(!redis.pings().await);
    redis.resume();
    assert!(eventually(SOON, async || redis.pings().await.then_some(true)).await);
    redis.kill9();
    assert!(TcpStream::connect(("127.0.0.1", redis.port())).is_err());
    redis.restart().await;
    assert_eq!(redis.connection().await.get::<_, Option<u8>>("a").await.unwrap(), None);
}

#[tokio::test]
async fn redis_speaks_tls() {
    let redis = Redis::start_tls(&Arc::new(TestCa::new())).await;
    assert!(redis.url().starts_with("rediss://"));
    let policy: Vec<String> = redis::cmd("CONFIG")
        .arg(&["GET", "maxmemory-policy"])
        .query_async(&mut redis.connection().await)
        .await
        .unwrap();
    assert_eq!(policy[1], "noeviction");
    assert!(redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.is_err());
}

#[tokio::test]
async fn a_cluster_forms() {
    let cluster = RedisCluster::start().await;
    let urls = cluster.nodes.iter().map(Redis::url);
    let client = redis::cluster::ClusterClient::new(urls).unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    for room in 0..20 {
        let () = connection.set(format!("gk:{{{room}}}:line"), room).await.unwrap();
    }
    for node in &cluster.nodes {
        let keys: usize = redis::cmd("DBSIZE").query_async(&mut node.connection().await).await.unwrap();
        assert!((1..20).contains(&keys), "{keys} of 20 keys on one node of three");
    }
}

#[tokio::test]
async fn a_sentinel_names_the_primary_and_replaces_it() {
    let group = RedisSentinel::start().await;
    let first = group.primary_port().await;
    assert_eq!(first, group.primary.port());
    group.primary.kill9();
    assert_eq!(group.await_new_primary(first).await, group.replica.port());
}

#[test]
fn metrics_are_read_back() {
    let text = "# HELP a b\n# TYPE a counter\na_total{room=\"x\",code=\"200\"} 3\na_total{room=\"x\",code=\"503\"} 4\n\
                b 1.5e3 1700000000\nc{quote=\"\\\"},\\\\\\n\"} +Inf\n";
    let metrics = Metrics::parse(text);
    assert_eq!(metrics.sum("a_total", &[("room", "x")]), 7.0);
    assert_eq!(metrics.value("a_total", &[("code", "503")]), Some(4.0));
    assert_eq!((metrics.value("b", &[]), metrics.value("none", &[])), (Some(1500.0), None));
    assert_eq!(metrics.value("c", &[("quote", "\"},\\\n")]), Some(f64::INFINITY));
}

#[test]
fn the_gates_configuration_is_composed() {
    let origin = ([127, 0, 0, 1], 9000).into();
    let setup = Setup {
        server: "cors_origins = []".into(),
        site: "protect = [\"/checkout/**\"]".into(),
        more: "[[rooms]]\nname = \"second\"\n[[server.listeners]]\naddr = \"127.0.0.1:1\"".into(),
        ..Setup::before(origin).settings("admission_limit = 1, mode = \"pause\"").on_store("redis://127.0.0.1:1")
    };
    let place = Place::new();
    let config: toml::Table = setup.toml(&place).parse().unwrap();
    assert_eq!(config["server"]["listen"][0].as_str(), Some(place.listen.to_string().as_str()));
    assert_eq!(config["store"]["url"].as_str(), Some("redis://127.0.0.1:1"));
    assert_eq!(config["rooms"][0]["settings"]["mode"].as_str(), Some("pause"));
    assert_eq!(config["rooms"][0]["keys"][1]["scope"].as_str(), Some("browser"));
    assert_eq!(config["rooms"][1]["name"].as_str(), Some("second"));
    assert_eq!(config["sites"][0]["origins"][0].as_str(), Some("127.0.0.1:9000"));
    assert_eq!(config["sites"][0]["protect"][0].as_str(), Some("/checkout/**"));
    let simplest: toml::Table = Setup::before(origin).toml(&place).parse().unwrap();
    assert!(simplest.get("store").is_none());
}

#[tokio::test]
async fn a_wire_carries_delays_silences_tears_and_refuses() {
    let redis = Redis::start().await;
    let wire = Wire::to(redis.port()).await;
    let client = redis::Client::open(("127.0.0.1", wire.port())).unwrap();
    let connect = async || client.get_multiplexed_async_connection().await;
    let ping = async |connection: &mut redis::aio::MultiplexedConnection| {
        let asked = Instant::now();
        let answer = tokio::time::timeout(SOON, redis::cmd("PING").query_async::<String>(connection)).await;
        answer.ok().map(|answer| answer.map(|_| asked.elapsed()))
    };
    let mut connection = connect().await.unwrap();
    ping(&mut connection).await.unwrap().unwrap();
    wire.set(Flow::Slow(MOMENT));
    assert!(ping(&mut connection).await.unwrap().unwrap() >= MOMENT * 2, "there and back");
    wire.set(Flow::Silent);
    assert!(ping(&mut connection).await.is_none_or(|answer| answer.is_err()), "nothing comes through");
    wire.set(Flow::Through);
    let mut connection = connect().await.unwrap();
    ping(&mut connection).await.unwrap().unwrap();
    wire.tear();
    assert!(ping(&mut connection).await.unwrap().is_err());
    let mut connection = connect().await.unwrap();
    wire.set(Flow::Refused);
    assert!(ping(&mut connection).await.unwrap().is_err());
    assert!(connect().await.is_err());
}
