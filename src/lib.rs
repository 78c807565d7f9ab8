//! Gatekeeper.

pub mod gate;
pub mod limit;
pub mod proxy;
pub mod queue;
pub mod token;
