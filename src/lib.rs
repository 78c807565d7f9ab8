//! Gatekeeper.

pub mod api;
pub mod clock;
pub mod queue;
pub mod store;
pub mod telemetry;
