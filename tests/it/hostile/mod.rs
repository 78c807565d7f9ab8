//! Who means harm: each test is named after the attack that it tries (`c4_…`), and looks at what reached the origin.
//!
//! The letters: A framing and floods, B paths and hosts, C tokens, D the web side, E keys, secrets and logs. To add one: a
//! test in the module of its subject, against the real binary; what it promises stands in `docs/security.md`.

mod certificates;
mod floods;
mod framing;
mod fuzzed;
mod http2;
mod paths;
mod proxy_protocol;
mod raw_frames;
mod secrets;
mod strict_origin;
mod tokens;
mod web;
