//! Both stores, by one table of scenarios: 100,000 people in line.

use crate::line::{NOW, report, settings, ticket, visitor};
use criterion::{BenchmarkId, Criterion};
use gatekeeper::clock::{Clock, ManualClock};
use gatekeeper::queue::{Report, Settings};
use gatekeeper::store::memory::MemoryStore;
use gatekeeper::store::redis::{RedisStore, Target};
use gatekeeper::store::{RoomRef, Store};
use std::future::Future;
use std::hint::black_box;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;

const PEOPLE: u64 = 100_000;

/// A call of a store.
type Scenario = for<'a> fn(&'a dyn Store, RoomRef<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

const SCENARIOS: [(&str, Scenario); 3] = [
    ("sync of 500 heartbeats", |store, room| {
        Box::pin(async move {
            let _ = black_box(store.sync(room, &report(PEOPLE / 2)).await.expect("a sync"));
        })
    }),
    ("sync of none", |store, room| {
        Box::pin(async move {
            let empty = Report { instance: 7, ..Report::default() };
            let _ = black_box(store.sync(room, &empty).await.expect("a sync"));
        })
    }),
    ("claim, still waiting", |store, room| {
        Box::pin(async move {
            let (visitor, ticket) = (visitor(PEOPLE / 2), ticket(PEOPLE / 2));
            let _ = black_box(store.claim(room, visitor, ticket).await.expect("a claim"));
        })
    }),
];

/// A redis-server for as long as it is held.
struct Redis(Child, u16);

impl Redis {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()];
        let mut command = Command::new("redis-server");
        command.args(words).stdout(Stdio::null()).stdin(Stdio::null());
        let redis = Self(command.spawn().expect("redis-server; dev/install-bench installs it"), port);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn bench(criterion: &mut Criterion) {
    let clock = || Arc::new(ManualClock::at(NOW)) as Arc<dyn Clock>;
    let redis = Redis::start();
    let target = Target::parse(&format!("redis://127.0.0.1:{}", redis.1), None).expect("an address");
    let stores: [(&str, Box<dyn Store>); 2] = [
        ("memory", Box::new(MemoryStore::new(clock()))),
        ("redis", Box::new(RedisStore::new(target, Duration::from_secs(5)).with_clock(clock()))),
    ];
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let settings: Settings = settings();
    let room = RoomRef { name: "shop", defaults: &settings };
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    for (name, store) in &stores {
        runtime.block_on(async {
            for first in (0..PEOPLE).step_by(Report::CHUNK) {
                store.sync(room, &report(first)).await.expect("the line is filled");
            }
        });
        for (scenario, call) in SCENARIOS {
            group.bench_function(BenchmarkId::new(scenario, name), |bencher| {
                bencher.iter(|| runtime.block_on(call(store.as_ref(), room)));
            });
        }
    }
    group.finish();
}
