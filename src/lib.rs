//! Gatekeeper.

pub mod queue;
pub mod token;
