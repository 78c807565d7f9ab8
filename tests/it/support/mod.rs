//! What the tests stand on: real processes, a recording origin, real clients.
//!
//! Promises: everything started is stopped and reaped when its value is dropped, also when the test fails; no two pieces
//! share a port or a directory; every wait has a bound and says what it waited for. To add a piece: a file here that
//! holds its processes as [`process::Process`] and takes its ports from [`ports::free_port`], and a test in `harness.rs`.
#![allow(dead_code, reason = "the harness offers more than the tests use at any one time")]

pub mod append_log;
pub mod chance;
pub mod client;
pub mod crowd;
pub mod doors;
pub mod gatekeeper;
pub mod metrics;
pub mod origin;
pub mod pki;
pub mod ports;
pub mod process;
pub mod raw_origin;
pub mod redis;
pub mod redis_groups;
pub mod replay;
pub mod wire;

use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a test waits for what should take milliseconds. Generous, since a loaded machine is slow; only a failing
/// test ever waits so long.
pub const SOON: Duration = Duration::from_secs(10);

const BETWEEN_PROBES: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it gives `Some`, and returns that.
///
/// # Panics
/// When `within` is over; the message names the line that waited.
#[track_caller]
pub fn eventually<T>(within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            match timeout_at(deadline, probe()).await {
                Ok(Some(value)) => return value,
                Ok(None) => sleep(BETWEEN_PROBES).await,
                Err(_) => break,
            }
        }
        panic!("what {caller} waited for did not come within {within:?}")
    }
}

/// As [`eventually`], for a plain condition.
#[track_caller]
pub fn eventually_true(within: Duration, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    eventually(within, async move || condition().then_some(()))
}
