//! The calls of API.md.

pub mod problem;
