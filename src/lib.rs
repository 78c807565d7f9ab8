//! Gatekeeper.

pub mod api;
pub mod clock;
pub mod config;
pub mod gate;
pub mod limit;
pub mod page;
pub mod proxy;
pub mod queue;
pub mod random;
pub mod rooms;
pub mod store;
pub mod telemetry;
pub mod token;
