//! Gatekeeper.

pub mod clock;
pub mod queue;
pub mod store;
pub mod rooms;
