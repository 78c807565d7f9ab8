//! `gatekeeper crowd`: its figures against what an origin and the gate itself counted, and that it finds what is wrong.

use crate::support::SOON;
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Setup};
use crate::support::origin::{Answer, Origin};
use crate::support::process::Process;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LONG: Duration = Duration::from_secs(90);

/// One rehearsal: how it ended, and its report.
async fn rehearse(address: &str, arguments: &str) -> (ExitStatus, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.args(["crowd", address, "--json"]).args(arguments.split_whitespace()).env_clear();
    if !arguments.contains("--for ") {
        command.args(["--for", "60s"]);
    }
    let process = Process::spawn("crowd", &mut command);
    let status = process.wait_exit(LONG).await;
    let said = process.output();
    (status, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")))
}

fn violations(report: &Value) -> String {
    report["violations"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

async fn shop() -> Origin {
    let origin = Origin::start().await;
    origin.on("/bye", |_| Answer::finish());
    origin
}

fn settings(more: &str) -> String {
    format!("ip_enqueue_limit = 1000000, ip_status_polling_limit = 1000000{more}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_those_of_the_origin_and_the_gate() {
    let origin = shop().await;
    let setup = Setup::before(origin.addr()).settings(&settings(", admission_limit = 10, admission_frequency = 1"));
    let gate = Gatekeeper::start(setup).await;
    let began = Instant::now();
    let (status, report) = rehearse(
        &gate.url("/shop"),
        "--visitors 60 --over 1s --pages 2 --think 300ms --finish /bye --reload 20 --expect-limit 10/1s --expect-order \
         --expect-errors 0 --expect-all-in",
    )
    .await;
    assert!(status.success(), "{report:#}");
    assert_eq!((&report["gone"], &report["admitted"], &report["waiting"]), (&json!(60), &json!(60), &json!(0)));

    let hits = origin.hits();
    let at = |path: &str| hits.iter().filter(|hit| hit.path() == path).collect::<Vec<_>>();
    let users: BTreeSet<_> =
        at("/shop").iter().map(|hit| hit.header("x-gatekeeper-user").unwrap().to_owned()).collect();
    assert_eq!((users.len(), at("/shop").len(), at("/bye").len()), (60, 120, 60));
    let metrics = gate.metrics().await;
    assert_eq!(metrics.sum("gatekeeper_admitted_total", &[]), 60.0);
    assert_eq!(metrics.sum("gatekeeper_finished_total", &[]), 60.0);

    // Sixty at ten a second: who came last waited about five seconds, and so the origin saw it.
    let first_visits: Vec<Instant> = users
        .iter()
        .map(|user| at("/shop").iter().find(|hit| hit.header("x-gatekeeper-user") == Some(user)).unwrap().at)
        .collect();
    let last = first_visits.iter().max().unwrap().duration_since(began).as_secs_f64();
    let p99 = report["wait_p99"].as_f64().unwrap();
    assert!((3.0..30.0).contains(&p99) && p99 <= last && last - p99 < 4.0, "{p99} of {last}: {report:#}");
    assert!(report["most_heard_in_a_window"].as_u64().unwrap() >= 5, "{report:#}");
    // The gate itself compared what it had told with how it came.
    let estimates = |result| metrics.sum("gatekeeper_estimates_total", &[("result", result)]);
    let (right, all) = (estimates("right"), metrics.sum("gatekeeper_estimates_total", &[]));
    assert!((30.0..=60.0).contains(&all) && right >= all * 0.8, "{right} of {all}: {report:#}");
    assert!(report["estimates_right"].as_f64().unwrap() >= report["estimates"].as_f64().unwrap() * 0.8, "{report:#}");
    assert!(report["bytes_per_visitor"].as_u64().unwrap() < 2000, "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_lets_in_more_than_expected_is_found_out() {
    let origin = shop().await;
    let setup = Setup::before(origin.addr()).settings(&settings(", admission_limit = 10, admission_frequency = 1"));
    let gate = Gatekeeper::start(setup).await;
    let (status, report) =
        rehearse(&gate.url("/"), "--visitors 60 --over 1s --pages 1 --expect-limit 5/1s --expect-order").await;
    assert_eq!(status.code(), Some(1), "{report:#}");
    // Sixty in six windows where thirty would have been right, and the ends of the spans leave some in doubt.
    let above = report["above_limit"].as_u64().unwrap();
    assert!((5..=30).contains(&above) && report["overtaken"] == 0, "{report:#}");
    assert!(violations(&report).contains("beyond 5 in 1 s"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_off_is_not_taken_for_one_that_works() {
    let origin = shop().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings("mode = \"off\"")).await;
    let (status, report) = rehearse(&gate.url("/"), "--visitors 5 --over 1s --expect-errors 0 --expect-order").await;
    assert_eq!(status.code(), Some(1), "{report:#}");
    let said = violations(&report);
    assert!(said.contains("5 errors") && said.contains("put to the test"), "{report:#}");
}

/// A gate whose tokens nobody signed, and who lets in whom it likes.
async fn false_gate(turn_after: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Origin {
    let gate = Origin::start().await;
    let began = Instant::now();
    let begin = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let next = Mutex::new(0);
    let token = move |n: u64, ready: bool| {
        let ready = if ready { ",\"rdy\":9999999999" } else { "" };
        let payload = format!("{{\"iss\":\"gatekeeper\",\"aud\":\"checkout\",\"tkt\":{}{ready}}}", begin + n);
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload))
    };
    gate.on("*", move |hit| {
        let shown = hit.header("cookie").and_then(|cookie| URL_SAFE_NO_PAD.decode(cookie.split('.').nth(1)?).ok());
        if shown.is_some_and(|payload| String::from_utf8_lossy(&payload).contains("rdy")) {
            return Answer::html("come in");
        }
        let mut next = next.lock().unwrap();
        *next += 1;
        Answer::status(503).header("set-cookie", &format!("gatekeeper_checkout={}; Path=/", token(*next, false)))
    });
    gate.on("/.gatekeeper/queue/status", move |hit| {
        let cookie = hit.header("cookie").unwrap();
        let payload = URL_SAFE_NO_PAD.decode(cookie.split('.').nth(1).unwrap()).unwrap();
        let n = serde_json::from_slice::<Value>(&payload).unwrap()["tkt"].as_u64().unwrap() - begin;
        let ready = began.elapsed() >= turn_after(n);
        let state = if ready { "ready" } else { "waiting" };
        let body = json!({ "jwt_token": token(n, ready), "ready": ready, "state": state, "poll_after_ms": 500 });
        Answer::html(body.to_string()).header("content-type", "application/json")
    });
    gate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_overtaken_is_found() {
    // Every second one has to wait until all the others were let in.
    let gate = false_gate(|n| Duration::from_secs(if n.is_multiple_of(2) { 8 } else { 4 })).await;
    let address = format!("http://{}/", gate.addr());
    let (status, report) = rehearse(&address, "--visitors 20 --over 1s --pages 1 --expect-order").await;
    assert_eq!((status.code(), &report["admitted"]), (Some(1), &json!(20)), "{report:#}");
    // All but the last have somebody behind them who went first.
    let overtaken = report["overtaken"].as_u64().unwrap();
    assert!((8..=10).contains(&overtaken) && violations(&report).contains("were overtaken"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_api_they_come_and_finish_with_a_key() {
    let origin = shop().await;
    let setup = Setup::before(origin.addr()).settings(&settings(", admission_limit = 10, admission_frequency = 1"));
    let gate = Gatekeeper::start(setup).await;
    let arguments = format!(
        "--key {FULL_KEY} --visitors 30 --over 1s --pages 2 --think 200ms --expect-limit 10/1s --expect-order --expect-errors 0 --expect-all-in"
    );
    let (status, report) = rehearse(&gate.url("/shop"), &arguments).await;
    assert!(status.success(), "{report:#}");
    let metrics = gate.metrics().await;
    assert_eq!(metrics.sum("gatekeeper_finished_total", &[]), 30.0, "{report:#}");
    let users: BTreeSet<_> =
        origin.hits().iter().map(|hit| hit.header("x-gatekeeper-user").unwrap().to_owned()).collect();
    assert!(users.len() == 30 && users.iter().all(|user| user.starts_with("crowd-")), "{users:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_per_address_is_met_by_a_crowd_of_one_address_and_not_by_one_of_many() {
    let origin = shop().await;
    let setup = Setup {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        ..Setup::before(origin.addr()).settings(
            "admission_limit = 1, admission_frequency = 1, ip_enqueue_limit = 2, ip_enqueue_limit_interval = 3600",
        )
    };
    let gate = Gatekeeper::start(setup).await;
    let (_, report) = rehearse(&gate.url("/"), "--visitors 6 --over 1s --pages 1 --for 8s").await;
    let errors = report["errors"].as_object().unwrap();
    assert!(errors.keys().any(|kind| kind.starts_with("429")), "{report:#}");
    let (status, report) =
        rehearse(&gate.url("/"), "--visitors 6 --over 1s --pages 1 --forwarded-for --expect-errors 0 --expect-all-in")
            .await;
    assert!(status.success(), "{report:#}");
}

#[tokio::test]
async fn some_give_up_and_some_fall_asleep() {
    let origin = shop().await;
    let setup = Setup::before(origin.addr())
        .settings(&settings(", admission_limit = 1, admission_frequency = 1, presence_seconds = 30"));
    let gate = Gatekeeper::start(setup).await;
    let (_, report) = rehearse(
        &gate.url("/"),
        "--visitors 20 --over 500ms --pages 1 --leave 50 --sleep 50 --sleep-for 1s --expect-all-in",
    )
    .await;
    let admitted = report["admitted"].as_u64().unwrap();
    assert!((1..20).contains(&admitted) && report["gone"] == 20, "{report:#}");
}

async fn refused(command: &mut Command) -> String {
    let process = Process::spawn("crowd", command.env_clear());
    let status = process.wait_exit(SOON).await;
    assert_eq!(status.code(), Some(64), "{}", process.output());
    process.output()
}

#[tokio::test]
async fn what_cannot_or_must_not_be_is_refused_with_the_way_out() {
    let crowd = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
        command.arg("crowd");
        command
    };
    let said = refused(crowd().arg("https://203.0.113.7/")).await;
    assert!(said.contains("203.0.113.7") && said.contains("--yes-i-own-this-site"), "{said}");
    let said = refused(crowd().arg("shop.example")).await;
    assert!(said.contains("https://shop.example"), "{said}");
    let said = refused(crowd().args(["http://127.0.0.1:1/", "--leave", "60", "--reload", "60"])).await;
    assert!(said.contains("120 of a hundred"), "{said}");
    let mut shell = Command::new("/bin/sh");
    let script = "ulimit -n 200; exec \"$0\" crowd http://127.0.0.1:1/ --connections 500";
    let said = refused(shell.args(["-c", script, env!("CARGO_BIN_EXE_gatekeeper")])).await;
    assert!(said.contains("ulimit -n 564") && said.contains("--connections 136"), "{said}");
}
