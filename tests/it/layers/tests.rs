//! The law can be broken: each kind of breach is found in a small source, and what only looks like one is not.

use super::{Source, breaches};

fn found(path: &str, text: &str) -> Vec<String> {
    breaches(&[Source { path: path.to_owned(), text: text.to_owned() }])
}

#[track_caller]
fn assert_breaches(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(found(path, text), expected, "in {path}:\n{text}");
}

#[test]
fn an_import_from_above_is_found_where_it_stands() {
    let why = ["src/rooms/mod.rs:2: `rooms` may not name `gate`"];
    assert_breaches("rooms/mod.rs", "use crate::store::Store;\nuse crate::gate::Decision;", &why);
    assert_breaches("rooms/mod.rs", "use crate::{\n    gate::{Decision, facts}, queue::Time, store};", &why);
    assert_breaches("rooms/mod.rs", "fn f(x: crate::queue::Time)\n-> Vec<crate::gate::Decision> { x }", &why);
    assert_breaches("rooms/mod.rs", "\nuse super::gate::Decision;", &why);
    assert_breaches("rooms/mod.rs", "\nuse gatekeeper::gate;", &why);
    assert_breaches("rooms/mod.rs", "macro_rules! m { () => {\n$crate::gate::f() }; }", &why);
    let why = ["src/rooms/sync.rs:3: `rooms` may not name `api`"];
    assert_breaches(
        "rooms/sync.rs",
        "mod inner {\n  use super::super::Room;\n  use super::super::super::api::f; }",
        &why,
    );
}

#[test]
fn an_import_from_below_or_of_its_own_is_fine() {
    assert_breaches("rooms/sync.rs", "use crate::{queue::{self, Time}, rooms::Room, telemetry};\nuse super::Key;", &[]);
    assert_breaches(
        "rooms/sync.rs",
        "use self::a::b;\npub(crate) fn f(self) { self.api(); }\npub(in crate::rooms) struct X;",
        &[],
    );
    assert_breaches("proxy/mod.rs", "use crate::{api, gate, store};\nuse pingora::proxy::ProxyHttp;", &[]);
    assert_breaches("main.rs", "mod cli;\nfn main() { gatekeeper::app::run(cli::parse()); }", &[]);
}

#[test]
fn layers_on_one_line_do_not_import_each_other() {
    assert_breaches("token/mod.rs", "use crate::limit::Limits;", &["src/token/mod.rs:1: `token` may not name `limit`"]);
    assert_breaches("page/mod.rs", "use crate::gate::f;", &["src/page/mod.rs:1: `page` may not name `gate`"]);
    assert_breaches("clock.rs", "use crate::random::name;", &["src/clock.rs:1: `clock` may not name `random`"]);
}

#[test]
fn the_root_of_the_crate_is_no_way_round() {
    assert_breaches("limit.rs", "use crate as all;", &["src/limit.rs:1: `limit` may not name `the crate's root`"]);
    assert_breaches("limit.rs", "use super::*;", &["src/limit.rs:1: `limit` may not name `the crate's root`"]);
    assert_breaches(
        "limit.rs",
        "use crate::{self as all};",
        &["src/limit.rs:1: `limit` may not name `the crate's root`"],
    );
}

#[test]
fn a_module_needs_a_line_in_the_table() {
    assert_breaches("helpers/mod.rs", "", &["src/helpers/mod.rs:1: `helpers` has no line in the table of layers"]);
}

#[test]
fn crates_stay_in_their_rooms() {
    let why = |path: &str, module: &str, name: &str| {
        vec![format!("src/{path}:1: `{module}` may not name the crate `{name}`")]
    };
    for (path, module, text, name) in [
        ("queue/line.rs", "queue", "use tokio::sync::Mutex;", "tokio"),
        ("queue/line.rs", "queue", "fn f(x: http::StatusCode) {}", "http"),
        ("queue/line.rs", "queue", "use {std::fmt, redis::Value};", "redis"),
        ("queue/mod.rs", "queue", "extern crate pingora_core;", "pingora_core"),
        ("api/mod.rs", "api", "fn f() { ::pingora::f() }", "pingora"),
        ("api/mod.rs", "api", "#[pingora::main] fn f() {}", "pingora"),
        ("rooms/mod.rs", "rooms", "fn f(x: Vec<redis::Value>) {}", "redis"),
        ("rooms/mod.rs", "rooms", "use redis as r;", "redis"),
    ] {
        assert_eq!(found(path, text), why(path, module, name), "{text}");
    }
    assert_breaches("store/redis.rs", "use redis::Script; fn f(x: redis::Value) { tokio::spawn(x) }", &[]);
    assert_breaches("demo.rs", "use pingora::server::Server;", &[]);
    assert_breaches(
        "rooms/mod.rs",
        "use crate::store::{redis::Redis}; fn f(c: C) { c.redis.http(store::redis::x) }",
        &[],
    );
}

#[test]
fn only_the_clock_reads_the_time() {
    for read in ["std::time::SystemTime::now()", "Instant::now()", "OffsetDateTime::now_utc()", "chrono::Utc::now()"] {
        let path = read.trim_end_matches("()");
        let why = format!("src/gate/mod.rs:2: `{path}` reads the time; only src/clock.rs may");
        assert_breaches("gate/mod.rs", &format!("fn f() {{\n{read}; }}"), &[&why]);
        assert_breaches("clock.rs", &format!("fn f() {{ {read}; }}"), &[]);
    }
    let aliased = "use std::time::Instant as I;\nfn f() { g.map(I::now) }";
    let why = "src/gate/mod.rs:2: `std::time::Instant::now` reads the time; only src/clock.rs may";
    assert_breaches("gate/mod.rs", aliased, &[why]);
    assert_breaches("gate/mod.rs", "fn f(c: &dyn Clock) { c.now(); Clock::now(c); }", &[]);
}

#[test]
fn comments_strings_and_lifetimes_are_not_code() {
    let text = r##"
        //! use crate::api;
        /* tokio::spawn /* nested: redis::x */ Instant::now() */
        /// See crate::proxy::ProxyHttp.
        const A: &str = "use crate::api; tokio::spawn() // ";
        const B: &str = r#" "use redis::x; " fn f() { "#;
        const C: char = '"';
        fn f<'http>(x: &'http str) -> Option<&'http str> { 'redis: loop { break 'redis; } }
    "##;
    assert_breaches("queue/mod.rs", text, &[]);
}

#[test]
fn what_only_tests_compile_may_do_as_it_likes() {
    let text = "
        #[cfg(test)] use crate::api::{f, g};
        #[cfg(all(test, unix))] #[allow(dead_code)] pub(crate) fn h() { tokio::spawn(crate::api::f()); }
        struct S { #[cfg(test)] clock: crate::clock::Clock, n: u8 }
        #[cfg(test)] mod tests { use crate::proxy; fn f() { std::time::Instant::now(); } }";
    assert_breaches("queue/mod.rs", text, &[]);
    let why = "src/queue/mod.rs:2: `queue` may not name `api`";
    assert_breaches("queue/mod.rs", "#[cfg(test)] use crate::x::{y};\nuse crate::api;", &[why]);
    assert_breaches("queue/mod.rs", "#[cfg(not(test))]\nuse crate::api;", &[why]);
    assert_breaches("queue/mod.rs", "#[cfg(any(test, unix))]\nuse crate::api;", &[why]);
    assert_breaches("queue/mod.rs", "struct S { #[cfg(test)] n: u8,\nm: crate::api::M }", &[why]);
}

#[test]
fn a_test_module_in_its_own_file_is_a_test() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let tests = source("queue/room/tests.rs", "use crate::store;");
    let found = breaches(&[source("queue/room.rs", "#[cfg(test)]\nmod tests;"), tests]);
    assert_eq!(found, Vec::<String>::new());
    let tests = source("queue/room/tests.rs", "use crate::store;");
    let found = breaches(&[source("queue/room.rs", "mod tests;"), tests]);
    assert_eq!(found, ["src/queue/room/tests.rs:1: `queue` may not name `store`"]);
    assert_breaches("queue/tests.rs", "#![cfg(test)]\nuse crate::store;", &[]);
}

#[test]
fn a_file_is_measured_up_to_its_tests() {
    let why = "src/limit.rs:351: 351 lines before the tests; 350 are the limit";
    assert_breaches("limit.rs", &"//\n".repeat(350), &[]);
    assert_breaches("limit.rs", &"//\n".repeat(351), &[why]);
    let tests = format!("#[cfg(test)]\nmod tests {{ {} }}", "\n".repeat(400));
    assert_breaches("limit.rs", &("//\n".repeat(350) + &tests), &[]);
    assert_breaches("limit.rs", &("//\n".repeat(351) + &tests), &[why]);
}

#[test]
fn a_function_is_measured_from_its_name_to_its_last_brace() {
    let function = |lines: usize| {
        format!("impl X {{\n  fn long(s: &str) -> [u8; 2]\n  {{ '}}'; \"}}\";{}}}\n}}", "\n".repeat(lines - 2))
    };
    assert_breaches("limit.rs", &function(60), &[]);
    assert_breaches("limit.rs", &function(61), &["src/limit.rs:2: `fn long` has 61 lines; 60 are the limit"]);
    let declared = format!("trait T {{ fn a(&self);\n fn b(f: fn(u8) -> u8); }}{}", "\n".repeat(100));
    assert_breaches("limit.rs", &declared, &[]);
}

#[test]
fn the_map_of_the_house_is_only_a_map() {
    assert_breaches("lib.rs", "//! Map.\n#![forbid(unsafe_code)]\npub mod queue;\npub(crate) mod store;\nmod x;", &[]);
    assert_breaches("lib.rs", "mod queue;\npub use queue::Time;", &["src/lib.rs:2: lib.rs only declares modules"]);
    assert_breaches("lib.rs", "mod queue {\n}", &["src/lib.rs:1: lib.rs only declares modules"]);
}

#[test]
fn what_is_not_rust_is_said() {
    let found = found("limit.rs", "fn f( {");
    assert!(found[0].starts_with("src/limit.rs:1: does not parse"), "{found:?}");
}
