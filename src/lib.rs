//! Gatekeeper: a waiting room as a reverse proxy.
//!
//! # The walk of a request
//! `listener → client (who) → site (which rule) → gate (the decision) → forward or answer → log`; read
//! `proxy::request::handle` from top to bottom.
//!
//! # The layers
//! A module may use only what stands on a line above it (`tests/it/layers.rs` holds the exact table):
//!
//! 0. `queue` (the rules), `clock`, `random`, `telemetry`
//! 1. `token`, `limit`, `config`
//! 2. `store`
//! 3. `rooms`
//! 4. `gate`, `page`
//! 5. `api`
//! 6. `proxy`
//! 7. `app` (the composition root); `crowd` (simulated visitors: knows the gate by its front door alone); `demo`, `preview`
//! 8. `cli` and `main`
//!
//! # To add
//! - a call of the API: `api/mod.rs` says how;
//! - a setting of a room: one line in `queue/settings.rs`;
//! - a setting of the program: `conf/gatekeeper.toml` and `config/`;
//! - a store: `store/mod.rs` says how.

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crowd;
pub mod demo;
pub mod gate;
pub mod limit;
pub mod page;
pub mod preview;
pub mod proxy;
pub mod queue;
pub mod random;
pub mod rooms;
pub mod store;
pub mod telemetry;
pub mod token;
