//! Gatekeeper.

pub mod clock;
pub mod config;
pub mod queue;
pub mod random;
pub mod rooms;
pub mod store;
