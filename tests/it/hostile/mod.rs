//! Who means harm: each test is named after the attack that it tries (`c4_…`), and looks at what reached the origin.
//!
//! The letters: C tokens, D the web side, E keys, secrets and logs. To add one: a test in the module of its letter, against
//! the real binary; what it promises stands in `docs/security.md`.

mod certificates;
mod floods;
mod fuzzed;
mod proxy_protocol;
mod secrets;
mod tokens;
mod web;
