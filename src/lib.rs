//! Gatekeeper.

pub mod limit;
pub mod queue;
pub mod token;
