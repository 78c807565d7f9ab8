//! An instance is replaced by the next version of itself while people use it: `run --upgrade`, then SIGQUIT to the old one.

use crate::support::client::{Browser, websocket};
use crate::support::crowd::{Connection, Crowd};
use crate::support::gatekeeper::{Gatekeeper, Place, Setup};
use crate::support::origin::{Answer, Origin};
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::{SOON, eventually};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// One gets in an hour: who comes later waits for the whole test.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";

struct House {
    origin: Origin,
    redis: Redis,
    gate: Gatekeeper,
}

async fn house(settings: &str, server: &str) -> House {
    let (origin, redis) = (Origin::start().await, Redis::start().await);
    let setup = Setup { server: server.to_owned(), ..Setup::before(origin.addr()).settings(settings) };
    let gate = Gatekeeper::start(setup.on_store(&redis.url())).await;
    House { origin, redis, gate }
}

impl House {
    /// Puts a new process in the place of the running one, and returns that.
    async fn upgrade(&mut self) -> Gatekeeper {
        let new = self.gate.beside(&["--upgrade"]);
        new.await_log("waiting for the listeners", SOON).await;
        self.gate.quit();
        new.await_log("took over from the predecessor", SOON * 2).await;
        self.gate.await_log("a successor has the listeners", SOON).await;
        std::mem::replace(&mut self.gate, new)
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.gate.url(""))
    }
}

#[tokio::test]
async fn five_upgrades_in_a_row_lose_no_request() {
    let mut house = house("", "").await;
    let crowd = Crowd::before(house.gate.addr());
    let mut old = Vec::new();
    for _ in 0..5 {
        old.push(house.upgrade().await);
        let before = crowd.answers();
        eventually(SOON, async || (crowd.answers() > before + 50).then_some(())).await;
    }
    for gate in &old {
        // Nobody keeps a connection to it, so it leaves long before its hour is over.
        assert_eq!(gate.wait_exit(SOON * 2).await.code(), Some(0));
    }
    crowd.end_well().await;
    let pid = std::fs::read_to_string(house.gate.place().state_dir().join("upgrade/pid")).unwrap();
    assert_eq!(pid.trim(), house.gate.process().pid().to_string());
}

#[tokio::test]
async fn what_runs_goes_on_and_idle_connections_are_told_to_close() {
    let mut house = house("", "").await;
    house.origin.on("/chat", |_| Answer::websocket());
    house.origin.on("/film", |_| Answer::events(8, Duration::from_millis(500)));
    let mut socket = websocket(house.gate.addr(), "/chat", &[]).await.unwrap();
    let film = house.browser().script(Method::GET, "/film").send().await.unwrap();
    let mut idle = Connection::open(house.gate.addr()).await.unwrap();
    assert!(!idle.get("/shop", "").await.unwrap().closes);
    let old = house.upgrade().await;
    let told = idle.get("/health/ready", "").await.unwrap();
    assert_eq!((told.status, told.closes), (503, true));
    assert!(told.body.contains("draining"), "{}", told.body);
    assert_eq!(house.gate.get("/health/ready").await.status, 200);
    for text in ["one", "two", "three"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    assert!(film.text().await.unwrap().ends_with("data: 7\n\n"));
    socket.send(Message::text("still there?")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still there?"));
    assert!(old.process().exit().is_none(), "it waits for the WebSocket");
    drop(socket);
    assert_eq!(old.wait_exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut_said_and_counted() {
    let mut house = house("", "upgrade_drain_seconds = 3").await;
    house.origin.on("/chat", |_| Answer::websocket());
    let mut socket = websocket(house.gate.addr(), "/chat", &[]).await.unwrap();
    let old = house.upgrade().await;
    assert!(socket.next().await.is_none_or(|message| message.is_err()), "nobody said anything");
    assert_eq!(old.wait_exit(SOON).await.code(), Some(0));
    let said = old.logs();
    assert_eq!(said.matches("what was still in flight is cut").count(), 1, "{said}");
    assert!(said.contains("\"cut\":1"), "{said}");
    eventually(SOON, async || (house.gate.metrics().await.sum("gatekeeper_cut_total", &[]) == 1.0).then_some(())).await;
}

#[tokio::test]
async fn sigterm_shortens_the_drain_of_an_upgrade() {
    let mut house = house("", "shutdown_seconds = 1").await;
    house.origin.on("/chat", |_| Answer::websocket());
    let _socket = websocket(house.gate.addr(), "/chat", &[]).await.unwrap();
    let old = house.upgrade().await;
    old.term();
    assert_eq!(old.wait_exit(SOON).await.code(), Some(0));
    assert!(old.logs().contains("what was still in flight is cut"));
    assert_eq!(house.gate.get("/shop").await.status, 200);
}

#[tokio::test]
async fn who_waits_keeps_ticket_and_position() {
    let mut house = house(BUSY, "").await;
    let first = house.browser();
    assert_eq!(first.open("/shop").await.status, 200);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let visitor = house.browser();
        assert_eq!(visitor.open("/shop").await.status, 503);
        waiting.push(visitor);
    }
    let position = async |visitor: &Browser| {
        let told = visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await.json();
        told["position"].as_u64()
    };
    for (index, visitor) in waiting.iter().enumerate() {
        eventually(SOON, async || (position(visitor).await == Some(index as u64 + 1)).then_some(())).await;
    }
    let mut old = Vec::new();
    for _ in 0..2 {
        old.push(house.upgrade().await);
        for (index, visitor) in waiting.iter().enumerate() {
            assert_eq!(position(visitor).await, Some(index as u64 + 1));
        }
        assert_eq!(first.open("/inside").await.status, 200);
    }
    drop(house.redis);
}

#[tokio::test]
async fn sigquit_without_a_successor_ends_nothing() {
    let mut house = house("", "").await;
    house.gate.quit();
    house.gate.await_log("no successor waits for the listeners", SOON).await;
    assert_eq!(house.gate.get("/shop").await.status, 200);
    assert_eq!(house.gate.get("/health/ready").await.status, 200);
    let _old = house.upgrade().await;
    assert_eq!(house.gate.get("/shop").await.status, 200);
    house.gate.term();
    assert_eq!(house.gate.wait_exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_successor_that_fails_changes_nothing() {
    let mut house = house("", "").await;
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let file = house.gate.place().config_file();
    let right = std::fs::read_to_string(&file).unwrap();
    let metrics = house.gate.metrics_addr().to_string();
    std::fs::write(&file, right.replace(&metrics, &taken.local_addr().unwrap().to_string())).unwrap();
    let crowd = Crowd::before(house.gate.addr());
    let broken = house.gate.beside(&["--upgrade"]);
    broken.await_log("waiting for the listeners", SOON).await;
    house.gate.quit();
    assert_ne!(broken.wait_exit(SOON * 2).await.code(), Some(0));
    assert!(broken.logs().contains("can't listen on"), "{}", broken.logs());
    house.gate.await_log("the listeners were not handed over; going on", SOON).await;
    assert_eq!(house.gate.get("/health/ready").await.status, 200);
    std::fs::write(&file, right).unwrap();
    let _old = house.upgrade().await;
    crowd.end_well().await;
}

#[tokio::test]
async fn an_upgrade_needs_a_directory_of_its_own() {
    let (origin, place) = (Origin::start().await, Place::new());
    let text = Setup::before(origin.addr()).toml(&place);
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("state_dir")).collect();
    std::fs::write(place.config_file(), without.join("\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.arg("run").arg("--config").arg(place.config_file()).arg("--upgrade").current_dir(place.directory());
    let process = Process::spawn("gatekeeper", &mut command);
    assert_eq!(process.wait_exit(SOON).await.code(), Some(78));
    assert!(process.output().contains("--upgrade: give server.state_dir"), "{}", process.output());
}
