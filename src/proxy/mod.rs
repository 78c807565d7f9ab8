//! The way from a listener to an origin and back.

pub mod client;
pub mod path;
