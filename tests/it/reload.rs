//! The configuration changes while people use the gate: whole, or not at all.

use crate::support::client::{Api, Browser};
use crate::support::crowd::Crowd;
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::metrics::Metrics;
use crate::support::origin::Origin;
use crate::support::ports::free_port;
use crate::support::{SOON, eventually};
use http::Method;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const COOKIE: &str = "gatekeeper_checkout";
const NEW_SECRET: &str = "another secret of the tests, 32 bytes or more";

struct House {
    origin: Origin,
    gate: Gatekeeper,
}

async fn house(settings: &str) -> House {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(settings)).await;
    House { origin, gate }
}

impl House {
    fn setup(&self) -> Setup {
        Setup::before(self.origin.addr())
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.gate.url(""))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.gate.place().directory().join(name)
    }

    /// Waits until so many reloads were taken over and refused.
    async fn await_reloads(&self, ok: u32, refused: u32) {
        let count = |metrics: &Metrics, result| metrics.sum("gatekeeper_config_reloads_total", &[("result", result)]);
        eventually(SOON, async || {
            let metrics = self.gate.metrics().await;
            let reloads = (count(&metrics, "ok"), count(&metrics, "refused"));
            (reloads == (f64::from(ok), f64::from(refused))).then_some(())
        })
        .await;
        let version = self.gate.metrics().await.value("gatekeeper_config_version", &[]);
        assert_eq!(version, Some(f64::from(ok + 1)), "the number of the running one");
    }

    fn refusals(&self) -> Vec<String> {
        self.gate.logs().lines().filter(|line| line.contains("configuration not reloaded")).map(str::to_owned).collect()
    }
}

/// `gatekeeper.toml:LINE: ` of the first line with this text.
fn place_of(text: &str, marker: &str) -> String {
    let line = text.lines().position(|line| line.contains(marker)).unwrap_or_else(|| panic!("no {marker} in {text}"));
    format!("gatekeeper.toml:{}: ", line + 1)
}

#[tokio::test]
async fn a_changed_file_is_taken_over_however_it_was_written() {
    let house = house("admission_limit = 5").await;
    let (gate, api) = (&house.gate, Api::new(&house.gate.url(""), FULL_KEY));
    let limit = async || api.config().await.json()["updated_config"]["admission_limit"].as_u64();
    assert_eq!(limit().await, Some(5));
    let text = |limit: u32| house.setup().settings(&format!("admission_limit = {limit}")).toml(gate.place());
    fs::write(gate.place().config_file(), text(6)).unwrap();
    house.await_reloads(1, 0).await;
    eventually(SOON, async || (limit().await == Some(6)).then_some(())).await;
    fs::write(house.path("aside"), text(7)).unwrap();
    fs::rename(house.path("aside"), gate.place().config_file()).unwrap();
    house.await_reloads(2, 0).await;
    eventually(SOON, async || (limit().await == Some(7)).then_some(())).await;
    // As Kubernetes does: the file is a link, and what it leads to is swapped.
    fs::write(house.path("mounted"), text(8)).unwrap();
    std::os::unix::fs::symlink(house.path("mounted"), house.path("link")).unwrap();
    fs::rename(house.path("link"), gate.place().config_file()).unwrap();
    house.await_reloads(3, 0).await;
    eventually(SOON, async || (limit().await == Some(8)).then_some(())).await;
}

#[tokio::test]
async fn a_changed_template_shows_and_a_broken_one_does_not() {
    let mut house = house("admission_limit = 1, admission_frequency = 3600").await;
    let page = |text: &str| format!("<!doctype html><title>{text}</title>{{{{ position }}}}");
    fs::write(house.path("page.html"), page("first")).unwrap();
    let settings = "admission_limit = 1, admission_frequency = 3600";
    let site = format!("template = {:?}", house.path("page.html"));
    house.gate.configure(Setup { site, ..house.setup().settings(settings) });
    house.await_reloads(1, 0).await;
    assert_eq!(house.browser().open("/shop").await.status, 200);
    let visitor = house.browser();
    let shows = async |text: &str| visitor.open("/shop").await.text().contains(&format!("<title>{text}</title>"));
    eventually(SOON, async || shows("first").await.then_some(())).await;
    fs::write(house.path("page.html"), page("second")).unwrap();
    house.await_reloads(2, 0).await;
    assert!(shows("second").await);
    fs::write(house.path("page.html"), "<!doctype html>\n<title>third</title>\n{% if position %}").unwrap();
    house.await_reloads(2, 1).await;
    assert!(shows("second").await, "the last good one stays");
    let said = house.refusals();
    assert!(said.len() == 1 && said[0].contains("page.html: ") && said[0].contains("waiting page:3"), "{said:?}");
    fs::write(house.path("page.html"), page("fourth")).unwrap();
    house.await_reloads(3, 1).await;
    assert!(shows("fourth").await);
}

#[tokio::test]
async fn what_is_wrong_is_said_once_and_changes_nothing() {
    let house = house("").await;
    let crowd = Crowd::before(house.gate.addr());
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let place = house.gate.place();
    let right = house.setup().toml(place);
    let with = |server: &str| Setup { server: server.to_owned(), ..house.setup() }.toml(place);
    let short = Setup { secrets: vec!["short".to_owned()], ..house.setup() }.toml(place);
    let moved = right.replace(&place.listen.to_string(), &taken.local_addr().unwrap().to_string());
    let cases = [
        (right.replace("[tokens]", "[tokens"), "[tokens", "]"),
        (with("no_such_key = 1"), "no_such_key", "is unknown"),
        (with("trusted_proxies = [\"10.0.0.0/99\"]"), "trusted_proxies", "trusted_proxies[0]: must"),
        (short, "secrets = ", "32 bytes"),
        (moved, "listen = ", "server.listen[0]: takes a restart"),
        (right.replace(SECRET, NEW_SECRET), "secrets = ", "tokens.id_secret: must stay"),
    ];
    for (nth, (text, marker, why)) in (1..).zip(&cases) {
        fs::write(place.config_file(), text).unwrap();
        house.await_reloads(0, nth).await;
        eventually(SOON, async || (house.refusals().len() == nth as usize).then_some(())).await;
        let said = house.refusals().pop().unwrap();
        let wanted = place_of(text, marker);
        assert!(said.contains(&wanted) && said.contains(why), "not {wanted}{why}: {said}");
    }
    // Nothing says it a second time; there is nothing to wait for but the time in which that would happen.
    sleep(Duration::from_secs(3)).await;
    house.await_reloads(0, 6).await;
    assert_eq!(house.refusals().len(), cases.len());
    crowd.end_well().await;
}

#[tokio::test]
async fn a_reload_loses_no_request_whether_origins_stay_or_move() {
    let mut house = house("").await;
    let other = Origin::start().await;
    let crowd = Crowd::before(house.gate.addr());
    house.gate.configure(Setup { server: "cors_origins = [\"https://shop.test\"]".to_owned(), ..house.setup() });
    house.await_reloads(1, 0).await;
    house.gate.configure(Setup { origins: vec![other.addr()], ..house.setup() });
    house.await_reloads(2, 0).await;
    other.await_hit("/shop").await;
    let up = house.gate.metrics().await.sum("gatekeeper_origin_up", &[]);
    assert!((up - 1.0).abs() < f64::EPSILON, "the origin that left still shows: {up}");
    let text =
        house.setup().toml(house.gate.place()).replace(&house.origin.addr().to_string(), "no-such-host.invalid:80");
    fs::write(house.gate.place().config_file(), text).unwrap();
    house.await_reloads(2, 1).await;
    assert!(
        house
            .refusals()
            .pop()
            .unwrap()
            .contains("sites[*].origins: no address can be found: no-such-host.invalid:80: "),
        "{:?}",
        house.refusals()
    );
    crowd.end_well().await;
}

#[tokio::test]
async fn a_lower_limit_throws_nobody_out() {
    let mut house = house("max_active = 3").await;
    let inside = [(); 3].map(|()| house.browser());
    for visitor in &inside {
        assert_eq!(visitor.open("/shop").await.status, 200);
    }
    house.gate.configure(house.setup().settings("max_active = 1"));
    house.await_reloads(1, 0).await;
    let late = house.browser();
    eventually(SOON, async || (late.open("/shop").await.status == 503).then_some(())).await;
    for visitor in &inside {
        assert_eq!(visitor.open("/inside").await.text(), "origin: GET /inside");
    }
}

/// Comes again and again, as a page's script or a reload does, until it is over: every status that it got.
async fn goes_on(visitor: Browser, path: &'static str, over: Arc<AtomicBool>) -> Vec<u16> {
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let answer = visitor.fetch(Method::GET, path).await;
        seen.push(if path == "/inside" { answer.status } else { told(&answer.json()) });
        sleep(Duration::from_millis(300)).await;
    }
    seen
}

/// The position as the waiting page is told it; 0 where there is none.
fn told(status: &serde_json::Value) -> u16 {
    status["position"].as_u64().and_then(|position| u16::try_from(position).ok()).unwrap_or_default()
}

/// The shortest times that the settings allow: a turn is renewed after half a minute, a waiting token sooner.
#[tokio::test]
async fn c7_secrets_are_rotated_and_nobody_loses_a_place() {
    let settings = "admission_limit = 2, admission_frequency = 3600, ready_ttl_seconds = 60, presence_seconds = 30";
    let mut house = house(settings).await;
    let with = |house: &House, secrets: &[&str], id: &str| Setup {
        secrets: secrets.iter().map(|&secret| secret.to_owned()).collect(),
        tokens: if id.is_empty() { String::new() } else { format!("id_secret = {id:?}") },
        ..house.setup().settings(settings)
    };
    let inside = [(); 2].map(|()| house.browser());
    for visitor in &inside {
        assert_eq!(visitor.open("/inside").await.status, 200);
    }
    let waiting = [(); 3].map(|()| house.browser());
    for (position, visitor) in (1..).zip(&waiting) {
        assert_eq!(visitor.open("/shop").await.status, 503);
        let status = async || told(&visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await.json());
        eventually(SOON, async || (status().await == position).then_some(())).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let go = |visitor: &Browser, path| tokio::spawn(goes_on(visitor.clone(), path, Arc::clone(&over)));
    let passing = inside.each_ref().map(|visitor| go(visitor, "/inside"));
    let polling = waiting.each_ref().map(|visitor| go(visitor, "/.gatekeeper/queue/status"));

    house.gate.configure(with(&house, &[NEW_SECRET, SECRET], ""));
    house.await_reloads(1, 0).await;
    let everybody: Vec<&Browser> = inside.iter().chain(&waiting).collect();
    let tokens = || everybody.iter().map(|visitor| visitor.cookie(COOKIE).unwrap()).collect::<Vec<_>>();
    let old = tokens();
    let renewed = async || tokens().iter().zip(&old).all(|(now, then)| now != then).then_some(());
    eventually(Duration::from_secs(60), renewed).await;
    house.gate.configure(with(&house, &[NEW_SECRET], SECRET));
    house.await_reloads(2, 0).await;
    assert_eq!(Browser::new(&house.gate.url("")).fetch(Method::GET, "/inside").await.status, 503, "the room is full");
    for (visitor, old) in everybody.iter().zip(&old) {
        let stranger = house.browser();
        stranger.set_cookie(&format!("{COOKIE}={old}; Path=/"));
        assert_eq!(stranger.fetch(Method::GET, "/inside").await.json()["state"], "unknown", "the old secret is out");
        assert!(visitor.cookie(COOKIE).is_some());
    }
    over.store(true, Ordering::Relaxed);
    for visitor in passing {
        let seen = visitor.await.unwrap();
        assert!(seen.len() > 20 && seen.iter().all(|status| *status == 200), "{seen:?}");
    }
    for (position, visitor) in (1..).zip(polling) {
        let seen = visitor.await.unwrap();
        assert!(seen.len() > 20 && seen.iter().all(|told| *told == position), "{position}: {seen:?}");
    }
}
