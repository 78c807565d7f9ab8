//! Gatekeeper.

pub mod config;
pub mod queue;
