//! A changed configuration is taken over while requests go on.

use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::{SOON, eventually_true};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_reload_costs_no_request() {
    let origin = Origin::start().await;
    let mut gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let (url, over) = (gate.url("/anything"), AtomicBool::new(false));
    let client = crate::support::client::plain().build().unwrap();
    let asks = async {
        let mut answers = 0;
        while !over.load(Ordering::Relaxed) {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.status(), 200, "request {answers}");
            answers += 1;
        }
        answers
    };
    let reloads = async {
        for (round, connect_seconds) in [3, 4, 3].into_iter().enumerate() {
            let site = format!("connect_seconds = {connect_seconds}");
            gate.configure(Setup { site, ..Setup::before(origin.addr()) });
            gate.reload();
            eventually_true(SOON, || gate.logs().matches("configuration reloaded").count() > round).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (answers, ()) = tokio::join!(asks, reloads);
    assert!(answers > 100, "{answers} requests");
}
