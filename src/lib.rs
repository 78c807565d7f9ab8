//! Gatekeeper.

pub mod queue;
