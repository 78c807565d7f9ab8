//! What `dev/instructions` counts: each scenario so many times, and nothing else.
//!
//! It is run twice under valgrind, the second time twice as often; the difference is what the scenario takes, whatever it
//! takes to set the scene.

use crate::decision::{Scene, page_context};
use crate::line::{NOW, report, room, snapshot, ticket};
use crate::tokens::{claims, keyring};
use gatekeeper::page::{Design, Page};
use gatekeeper::telemetry::access_log::{AccessLog, Entry, Format};
use prometheus::IntCounter;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

/// A scenario: its name, and what is done so many times.
type Scenario = (&'static str, fn(u64));

/// Names go into `benches/instructions.tsv`.
pub const ALL: [Scenario; 10] = [
    ("token-verify", |times| {
        let (ring, token) = (keyring(), keyring().sign(&claims()));
        (0..times).for_each(|_| used(ring.verify(black_box(&token), "shop", NOW)));
    }),
    ("token-sign", |times| {
        let (ring, claims) = (keyring(), claims());
        (0..times).for_each(|_| used(ring.sign(black_box(&claims))));
    }),
    ("decision-inside", |times| {
        let scene = Scene::set();
        (0..times).for_each(|_| used(scene.decide(Some(&scene.inside))));
    }),
    ("decision-in-line", |times| {
        let scene = Scene::set();
        (0..times).for_each(|_| used(scene.decide(Some(&scene.waiting))));
    }),
    ("decision-newcomer", |times| {
        let scene = Scene::set();
        (0..times).for_each(|_| used(scene.decide(None)));
    }),
    ("page-another", |times| {
        let page = Page::built_in(&Design::default()).expect("the built-in page");
        (1..=times).for_each(|position| used(page.speak("en").make(&page_context(position), true)));
    }),
    ("page-again", |times| {
        let page = Page::built_in(&Design::default()).expect("the built-in page");
        (0..times).for_each(|_| used(page.speak("en").make(&page_context(7), true)));
    }),
    ("position", |times| {
        let snapshot = snapshot(20_000);
        (0..times).for_each(|n| used(snapshot.position(black_box(ticket(n % 20_000)))));
    }),
    ("sync-of-500", |times| {
        let (mut room, heard) = (room(20_000), report(10_000));
        (0..times).for_each(|_| used(room.sync(&heard, NOW)));
    }),
    ("access-log-line", |times| {
        let dropped = IntCounter::new("dropped", "dropped").expect("a counter");
        let (log, _guard) = AccessLog::new(Format::Json, std::io::sink(), dropped);
        (0..times).for_each(|_| log.write(&entry()));
    }),
];

pub fn run(name: &str, times: u64) {
    let known = ALL.iter().find(|(known, _)| *known == name);
    let names = || ALL.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(" ");
    match known {
        Some((_, scenario)) => scenario(times),
        None if name == "names" => println!("{}", names()),
        None => panic!("{name}: there are {}", names()),
    }
}

/// Dropped, and not optimised away.
fn used<T>(value: T) {
    let _ = black_box(value);
}

fn entry() -> Entry<'static> {
    Entry {
        time: NOW.0,
        request_id: "wUfMkJ3u1vQkq0c8o2XW9A",
        client: IpAddr::from(Ipv4Addr::new(203, 0, 113, 9)),
        method: "GET",
        host: "shop.example",
        path: "/book",
        status: 200,
        decision: "pass",
        reason: "ready",
        room: Some("shop"),
        bytes: 1024,
        duration_ms: 3,
        origin_ms: Some(2),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    }
}
