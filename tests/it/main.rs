//! The door: tests that drive the real binary between a recording origin and real clients.
//!
//! One binary holds them all. `support` starts and stops everything a test needs; `harness` shows that each piece of it
//! works; `layers` holds `src/` to the house's law. To add a test: put it into the module of its subject, start what it
//! needs with `support`, and wait with [`support::eventually`], never by sleeping.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should fail loudly, and where it stands"
)]
#![allow(clippy::disallowed_methods, reason = "the tests measure real time and read their own environment")]
#![allow(clippy::print_stderr, reason = "the output of a child is shown when its test fails")]
#![allow(clippy::print_stdout, reason = "a campaign shows its figures")]

mod answers;
mod calls;
mod chaos;
mod contract;
mod costs;
mod crowd;
mod demo;
mod fallback;
mod forwarding;
mod gating;
mod h2c;
mod harness;
mod hostile;
mod layers;
mod model;
mod page;
mod places;
mod redis_store;
mod rehearsal;
mod reload;
mod restart;
mod simulation;
mod store_loss;
mod support;
mod upgrade;
