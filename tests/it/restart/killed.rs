//! The real binary, killed under load and started again on the same state directory.

use crate::support::client::{Answer, Api, plain, send, try_send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use crate::support::{SOON, eventually};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use gatekeeper::queue::{Ticket, Time};
use gatekeeper::token::Keyring;
use http::Method;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROUNDS: u64 = 20;
/// Rounds that run at once.
const ABREAST: usize = 4;
const VISITORS: usize = 40;
/// So many get in, in all of a round.
const LIMIT: usize = 25;
const SETTINGS: &str = "admission_limit = 25, admission_frequency = 3600, ip_enqueue_limit = 1000000, \
                        ip_status_polling_limit = 1000000, presence_seconds = 30";

/// What a visitor was told before the kill.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Every token, the oldest first.
    tokens: Vec<String>,
    ready_until: Option<String>,
    /// A finish was sent; what came of it isn't known before the answer.
    finishing: bool,
    finished: bool,
}

#[derive(Default)]
struct Record {
    visitors: Vec<Told>,
    /// The last change of the settings that was answered.
    changes: u64,
    /// Answers that visitors took note of.
    notes: u64,
}

type Shared = Arc<Mutex<Record>>;

/// A number without an order, the same in every run.
fn scattered(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

async fn call(api: &Api, method: Method, path: &str, header: (&str, &str)) -> Option<Value> {
    let answer = try_send(api.call(method, path).header(header.0, header.1)).await.ok()?;
    (answer.status == 200).then(|| answer.json())
}

/// Enters, polls, goes in, and if `finishes`, out again; until no answer comes any more.
async fn visit(api: Api, n: usize, finishes: bool, record: Shared) -> Option<()> {
    let entered = call(&api, Method::POST, "/queue/enqueue", ("user_id", &format!("user-{n}"))).await?;
    let mut jwt = entered["jwt"].as_str()?.to_owned();
    let note = |change: &dyn Fn(&mut Told)| {
        let mut record = record.lock().unwrap();
        record.notes += 1;
        change(&mut record.visitors[n]);
    };
    note(&|told| told.tokens.push(jwt.clone()));
    loop {
        let told = call(&api, Method::GET, "/queue/status", ("jwt", &jwt)).await?;
        jwt = told["jwt_token"].as_str()?.to_owned();
        note(&|before| before.tokens.push(jwt.clone()));
        if told["ready"] == true {
            note(&|before| before.ready_until = told["expires_at"].as_str().map(str::to_owned));
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // the pace of a poller, not a wait for something
    }
    if finishes {
        note(&|told| told.finishing = true);
        let answer = call(&api, Method::DELETE, "/queue/finish", ("jwt", &jwt)).await?;
        assert_eq!(answer["status"], "ready_cleared");
        note(&|told| told.finished = true);
    }
    Some(())
}

async fn change_settings(api: Api, record: Shared) -> Option<()> {
    for change in 1.. {
        let answer =
            try_send(api.call(Method::POST, "/config").json(&json!({"message": change.to_string()}))).await.ok()?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        record.lock().unwrap().changes = change;
    }
    None
}

/// Fills a gate, kills it in the middle of it, starts it again: with what everybody was told.
async fn killed(round: u64) -> (Gatekeeper, Api, Record, Origin) {
    let origin = Origin::start().await;
    let mut gate = Gatekeeper::start(Setup::before(origin.addr()).settings(SETTINGS)).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    let record: Shared = Arc::default();
    record.lock().unwrap().visitors.resize(VISITORS, Told::default());
    let mut visits: Vec<_> = (0..VISITORS)
        .map(|n| {
            tokio::spawn(visit(api.clone(), n, scattered(round << 8 | n as u64).is_multiple_of(3), Arc::clone(&record)))
        })
        .collect();
    visits.push(tokio::spawn(change_settings(api.clone(), Arc::clone(&record))));
    // The moment of the kill: however fast the machine is, some are in line by then, and some inside or out again.
    let moment = 20 + scattered(round) % 180;
    eventually(SOON, async || (record.lock().unwrap().notes >= moment).then_some(())).await;
    gate.kill();
    for visit in visits {
        visit.await.unwrap();
    }
    let journal = fs::read_to_string(gate.place().state_dir().join("journal")).unwrap();
    let record = std::mem::take(&mut *record.lock().unwrap());
    let inside = record.visitors.iter().filter(|told| told.ready_until.is_some()).count();
    let used =
        journal.lines().filter_map(|line| line.split(' ').skip_while(|word| *word != "g").nth(3)?.parse().ok()).max();
    let used: usize = used.unwrap_or(0);
    assert!((inside..=LIMIT).contains(&used), "round {round}: {inside} got in, the journal counts {used}");
    gate.restart().await;
    (gate, api, record, origin)
}

/// The token's ticket, and the token as it will be when its visitor's next sign of life is due.
fn due(jwt: &str) -> (Ticket, String) {
    let keys = Keyring::new(&[SECRET], None).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut claims = keys.verify(jwt, "checkout", Time(u64::try_from(now.as_millis()).unwrap())).unwrap().claims;
    claims.hb = claims.hb.saturating_sub(10);
    (claims.ticket(), keys.sign(&claims))
}

async fn status(api: &Api, jwt: &str) -> Value {
    let answer = api.status(jwt).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What a visitor still finds of what was told.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Place,
    Stay,
    End,
}

async fn look(gate: &Gatekeeper, api: &Api, told: &Told) -> Found {
    let (Some(first), Some(last)) = (told.tokens.first(), told.tokens.last()) else { return Found::Nothing };
    if told.finished {
        for jwt in [first, last] {
            assert_eq!(status(api, jwt).await["state"], "unknown", "was finished: {told:?}");
        }
        assert_eq!(api.verify(last).await.json()["ready"], false, "{told:?}");
        let shown = send(plain().build().unwrap().get(gate.url("/shop")).header("jwt", last)).await;
        assert_eq!(shown.status, 503, "a finished token opened the door: {told:?}");
        return Found::End;
    }
    if told.finishing {
        // Nobody was told how it ended; it is one or the other, and the same for every token.
        let state = status(api, last).await["state"].clone();
        assert!(state == "ready" || state == "unknown", "{state}: {told:?}");
        assert_eq!(status(api, first).await["state"], state, "{told:?}");
        return Found::Nothing;
    }
    let Some(until) = &told.ready_until else { return Found::Place };
    assert_eq!(api.verify(last).await.json()["ready"], true, "{told:?}");
    // The first token knows nothing of the turn: the store does.
    for jwt in [first, last] {
        let now = status(api, jwt).await;
        assert_eq!((&now["ready"], &now["expires_at"]), (&json!(true), &json!(until)), "{told:?}");
    }
    Found::Stay
}

/// Has those who waited poll, and waits until each has the place that the ticket says; how many they are.
async fn bring_back(api: &Api, waiting: Vec<(Ticket, String)>) -> usize {
    // Somebody may have taken the turn without hearing of it.
    let state = async |(ticket, jwt): (Ticket, String)| (ticket, status(api, &jwt).await["state"] == "waiting", jwt);
    let mut states = join_all(waiting.into_iter().map(state)).await;
    states.sort_unstable();
    let line: Vec<String> = states.into_iter().filter(|(_, waits, _)| *waits).map(|(.., jwt)| jwt).collect();
    for (n, jwt) in line.iter().enumerate() {
        let position = json!(n + 1);
        eventually(SOON, async || (status(api, jwt).await["position"] == position).then_some(())).await;
    }
    line.len()
}

/// How many waited, were ready and had finished.
async fn round(round: u64) -> [usize; 3] {
    let (gate, api, record, _origin) = killed(round).await;
    let message = api.config().await.json()["updated_config"]["message"].as_str().unwrap().parse().unwrap_or(0);
    let changes = record.changes;
    assert!((changes..=changes + 1).contains(&message), "round {round}: {message} is kept of {changes} changes");
    let (mut waiting, mut ready, mut finished) = (Vec::new(), 0, 0);
    for told in &record.visitors {
        match look(&gate, &api, told).await {
            Found::Nothing => {}
            Found::Place => waiting.push(due(told.tokens.last().unwrap())),
            Found::Stay => ready += 1,
            Found::End => finished += 1,
        }
    }
    [bring_back(&api, waiting).await, ready, finished]
}

#[tokio::test]
async fn a_process_killed_under_load_has_forgotten_nothing_it_answered() {
    let rounds: Vec<[usize; 3]> = stream::iter(0..ROUNDS).map(round).buffer_unordered(ABREAST).collect().await;
    // The moments were such that there was something to forget.
    for kind in 0..3 {
        let (least, sum) = (
            rounds.iter().filter(|counts| counts[kind] > 0).count(),
            rounds.iter().map(|counts| counts[kind]).sum::<usize>(),
        );
        assert!(least >= 5 && sum >= 20, "kind {kind} came up too seldom: {rounds:?}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_directory_ends_with_75() {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let second = gate.beside(&[]);
    assert_eq!(second.wait_exit(SOON).await.code(), Some(75), "{}", second.logs());
    let logs = second.logs();
    assert!(logs.contains("another gatekeeper uses") && logs.contains("state_dir"), "{logs}");
    assert_eq!(gate.get("/health").await.status, 200);
}

fn ready(answer: &Answer) -> bool {
    answer.json()["ready"] == true
}

/// A disk that takes nothing for a while: the journal leads to a device that is always full.
#[tokio::test]
async fn a_full_disk_is_said_once_stops_nothing_and_costs_nothing_once_there_is_room() {
    let origin = Origin::start().await;
    let mut gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    gate.kill();
    let state = gate.place().state_dir();
    for left in ["journal", "journal.new"] {
        let _ = fs::remove_file(state.join(left));
    }
    symlink("there", state.join("journal")).unwrap();
    fs::create_dir(state.join("journal.new")).unwrap();
    gate.restart().await;
    symlink("/dev/full", state.join("there")).unwrap();
    let api = Api::new(&gate.url(""), FULL_KEY);
    let (ann, bob) = (api.enqueue("ann").await.json(), api.enqueue("bob").await.json());
    let (ann, bob) = (ann["jwt"].as_str().unwrap().to_owned(), bob["jwt"].as_str().unwrap().to_owned());
    for jwt in [&ann, &bob] {
        eventually(SOON, async || ready(&api.status(jwt).await).then_some(())).await;
    }
    assert_eq!(api.finish(&ann).await.json()["status"], "ready_cleared");
    gate.await_log("state can't be kept", SOON).await;
    fs::remove_file(state.join("there")).unwrap();
    gate.await_log("state is kept again", SOON).await;
    let logs = gate.logs();
    for line in ["state can't be kept", "state is kept again"] {
        assert_eq!(logs.matches(line).count(), 1, "{line}: {logs}");
    }
    fs::remove_dir(state.join("journal.new")).unwrap();
    gate.restart().await;
    assert!(!ready(&api.verify(&ann).await) && ready(&api.verify(&bob).await));
    assert_eq!(api.status(&ann).await.json()["state"], "unknown");
}
