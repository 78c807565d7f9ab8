//! Gatekeeper.

pub mod page;
pub mod queue;
