//! The queue API.
pub mod problem;
