//! A process with the embedded store is replaced by its successor while people wait.

use crate::support::client::{Api, plain, send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use crate::support::{SOON, eventually};
use gatekeeper::queue::{HOLD_SECONDS, Ticket, Time};
use gatekeeper::token::Keyring;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct House {
    origin: Origin,
    gate: Gatekeeper,
    api: Api,
}

/// Two get in an hour.
async fn house() -> House {
    let origin = Origin::start().await;
    let setup = Setup::before(origin.addr()).settings("admission_limit = 2, admission_frequency = 3600");
    let gate = Gatekeeper::start(setup).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    House { origin, gate, api }
}

impl House {
    async fn enqueue(&self, user: &str) -> String {
        let answer = self.api.enqueue(user).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["jwt"].as_str().unwrap().to_owned()
    }

    async fn ready(&self, user: &str) -> String {
        let jwt = self.enqueue(user).await;
        let inside = async || {
            let told = self.status(&jwt).await;
            (told["ready"] == true).then(|| told["jwt_token"].as_str().unwrap().to_owned())
        };
        eventually(SOON, inside).await
    }

    async fn status(&self, jwt: &str) -> Value {
        let answer = self.api.status(jwt).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn successor(&self) -> Gatekeeper {
        let new = self.gate.beside(&["--upgrade"]);
        new.await_log("waiting for the listeners", SOON).await;
        new
    }

    /// Puts a new process in the place of the running one, which is returned. From now on connections are new.
    async fn upgrade(&mut self) -> Gatekeeper {
        let new = self.successor().await;
        self.gate.quit();
        new.await_log("took over from the predecessor", SOON * 2).await;
        self.api = Api::new(&self.gate.url(""), FULL_KEY);
        std::mem::replace(&mut self.gate, new)
    }

    /// What the origin is asked with this token.
    async fn open(&self, jwt: &str) -> u16 {
        send(plain().build().unwrap().get(self.gate.url("/shop")).header("jwt", jwt)).await.status
    }
}

fn ticket(jwt: &str) -> Ticket {
    let keys = Keyring::new(&[SECRET], None).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    keys.verify(jwt, "checkout", Time(u64::try_from(now.as_millis()).unwrap())).unwrap().claims.ticket()
}

#[tokio::test]
async fn an_upgrade_of_the_embedded_store_changes_nobodys_place() {
    let mut house = house().await;
    let (inside, over) = (house.ready("ann").await, house.ready("bob").await);
    assert_eq!(house.api.finish(&over).await.json()["status"], "ready_cleared");
    let mut line = Vec::new();
    for n in 0..5 {
        line.push(house.enqueue(&format!("visitor-{n}")).await);
    }
    let until = house.status(&inside).await["expires_at"].clone();
    house.api.set_config(json!({"message": "Soon"})).await;
    let begun = Instant::now();
    for round in 0..3 {
        let old = house.upgrade().await;
        for (n, jwt) in line.iter().enumerate() {
            let told = house.status(jwt).await;
            assert_eq!((&told["position"], &told["waiting"]), (&json!(n + 1), &json!(5)), "round {round}: {told}");
            assert_eq!(ticket(told["jwt_token"].as_str().unwrap()), ticket(jwt));
            assert_eq!(house.open(jwt).await, 503);
        }
        assert_eq!((house.open(&inside).await, house.open(&over).await), (200, 503));
        let told = house.status(&inside).await;
        assert_eq!((&told["ready"], &told["expires_at"]), (&json!(true), &until), "round {round}");
        assert_eq!(house.status(&over).await["state"], "unknown", "round {round}");
        assert_eq!(house.api.finish(&over).await.json()["status"], "not_ready");
        assert_eq!(house.api.config().await.json()["updated_config"]["message"], "Soon");
        assert_eq!(old.wait_exit(SOON).await.code(), Some(0));
    }
    // The window's two turns are used; a third goes to the head of the line alone, and at once.
    house.api.set_config(json!({"admission_limit": 3})).await;
    eventually(SOON, async || (house.status(&line[0]).await["ready"] == true).then_some(())).await;
    for (n, jwt) in line.iter().enumerate().skip(1) {
        eventually(SOON, async || (house.status(jwt).await["position"] == n).then_some(())).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(3 * HOLD_SECONDS), "admission was held after the upgrade");
    assert!(house.origin.hits().iter().all(|hit| hit.path() == "/shop"));
}

#[tokio::test]
async fn a_finish_that_reaches_the_old_process_late_counts_at_its_successor() {
    let mut house = house().await;
    let (inside, other) = (house.ready("ann").await, house.ready("bob").await);
    let waiting = house.enqueue("cid").await;
    // This connection is kept, and stays with the old process for one more request.
    let kept = house.api.clone();
    let old = house.upgrade().await;
    assert_eq!(kept.finish(&inside).await.json()["status"], "ready_cleared");
    old.await_log("/queue/finish", SOON).await;
    eventually(SOON, async || (house.status(&inside).await["state"] == "unknown").then_some(())).await;
    assert_eq!(house.open(&inside).await, 503);
    assert_eq!((house.open(&other).await, house.status(&waiting).await["position"].clone()), (200, json!(1)));
}

#[tokio::test]
async fn where_the_successor_dies_the_rooms_are_taken_back() {
    let house = house().await;
    let (inside, second) = (house.ready("ann").await, house.ready("bob").await);
    let waiting = house.enqueue("cid").await;
    let new = house.successor().await;
    new.stop(); // it will get the listeners and do nothing with them
    house.gate.quit();
    eventually(SOON, async || {
        let journal = std::fs::read_to_string(house.gate.place().state_dir().join("journal")).unwrap();
        journal.lines().last().is_some_and(|line| line.contains(" h - ")).then_some(())
    })
    .await;
    // The old process has let go of the rooms; who is in stays in, who waits keeps the place.
    assert_eq!((house.open(&inside).await, house.open(&waiting).await), (200, 503));
    assert_eq!(house.status(&waiting).await["position"], 1);
    drop(new);
    house.gate.await_log("took the rooms over", SOON * 2).await;
    eventually(SOON, async || (house.api.finish(&second).await.json()["status"] == "ready_cleared").then_some(()))
        .await;
    eventually(SOON, async || (house.api.verify(&inside).await.json()["ready"] == true).then_some(())).await;
    assert_eq!(house.status(&waiting).await["position"], 1);
    house.api.set_config(json!({"admission_limit": 3})).await;
    eventually(SOON, async || (house.status(&waiting).await["ready"] == true).then_some(())).await;
}
