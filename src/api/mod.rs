//! The calls of API.md.

pub mod docs;
pub mod problem;
