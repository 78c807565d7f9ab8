//! A decision, from the values that a request brings to the value that the proxy carries out; on the memory store.

use crate::line::settings;
use crate::tokens::keyring;
use criterion::Criterion;
use gatekeeper::clock::{Clock, SystemClock};
use gatekeeper::gate::{Decision, Facts, Gate, Kind, Shown, Source};
use gatekeeper::page::{Design, Page, PageContext};
use gatekeeper::rooms::{LiveRoom, RoomSpec, Rooms, StoreClock, run};
use gatekeeper::store::Store;
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::telemetry::metrics::Metrics;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// A gate with one room that is in touch with its store, and two visitors: one inside, one in line.
pub struct Scene {
    pub runtime: Runtime,
    pub gate: Gate,
    pub room: Arc<LiveRoom>,
    pub inside: String,
    pub waiting: String,
    /// The room's syncs go on until this goes.
    _stop: watch::Sender<bool>,
}

impl Scene {
    pub fn set() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let metrics = Metrics::new("bench").expect("metrics");
        let rooms = Arc::new(Rooms::new(7, store, Arc::new(StoreClock::new(clock)), false));
        rooms.configure(&[RoomSpec { name: "shop".to_owned(), defaults: settings(), metrics: metrics.room("shop") }]);
        let room = rooms.find("shop").expect("the room");
        let gate = Gate::new(keyring(), metrics.tokens_signed.clone());
        let (stop, stopped) = watch::channel(false);
        let (mut inside, mut waiting) = (String::new(), String::new());
        runtime.block_on(async {
            tokio::spawn(run(rooms, stopped));
            while !room.view().is_connected() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The one whom the window takes.
            if let Decision::Pass(guest, _) = decide(&gate, &room, None).await {
                inside = guest.token;
            }
            // The next one: registers with the first contact after the one that gave the ticket.
            while waiting.is_empty() {
                match decide(&gate, &room, None).await {
                    Decision::Wait(status, _) => waiting = status.token.unwrap_or_default(),
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
            if let Decision::Wait(status, _) = decide(&gate, &room, Some(&waiting)).await {
                waiting = status.token.unwrap_or_default();
            }
        });
        assert!(!inside.is_empty() && !waiting.is_empty(), "somebody is inside, somebody waits");
        Self { runtime, gate, room, inside, waiting, _stop: stop }
    }

    /// One decision about somebody with this cookie.
    pub fn decide(&self, cookie: Option<&str>) -> Decision {
        self.runtime.block_on(decide(&self.gate, &self.room, cookie))
    }
}

async fn decide(gate: &Gate, room: &LiveRoom, cookie: Option<&str>) -> Decision {
    let tokens: Vec<_> = cookie.map(|token| Shown { token, source: Source::Cookie }).into_iter().collect();
    let ip = IpAddr::from(Ipv4Addr::new(203, 0, 113, 9));
    let facts =
        Facts { tokens: &tokens, kind: Kind::Navigation, has_body: false, is_cross_site: false, ip, max_addresses: 0 };
    gate.decide(room, &facts).await
}

/// The page of somebody far behind.
pub fn page_context(position: u64) -> PageContext {
    PageContext { waiting: Some(100_000), ..PageContext::new("shop", "Harbour Hall").at(Some(position)) }
}

pub fn bench(criterion: &mut Criterion) {
    let scene = Scene::set();
    let mut group = criterion.benchmark_group("decision");
    group.bench_function("inside", |bencher| bencher.iter(|| black_box(scene.decide(Some(&scene.inside)))));
    group.bench_function("in line", |bencher| bencher.iter(|| black_box(scene.decide(Some(&scene.waiting)))));
    group.bench_function("newcomer", |bencher| bencher.iter(|| black_box(scene.decide(None))));
    group.finish();
    let page = Page::built_in(&Design::default()).expect("the built-in page");
    let mut group = criterion.benchmark_group("page");
    let mut position = 0;
    group.bench_function("rendered", |bencher| bencher.iter(|| black_box(page.speak("en").render(&page_context(7)))));
    group.bench_function("as gzip, each for another visitor", |bencher| {
        bencher.iter(|| {
            position += 1;
            black_box(page.speak("en").make(&page_context(position), true))
        });
    });
    group.bench_function("as gzip, the same again", |bencher| {
        bencher.iter(|| black_box(page.speak("en").make(&page_context(7), true)));
    });
    group.finish();
}
