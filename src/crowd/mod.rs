//! A crowd to rehearse a sale with: simulated visitors in front of a running gate, by its front door like anybody else.
//!
//! They arrive, keep the cookie, ask again when they are told to, go in, look around and leave; some reload, some give up,
//! some fall asleep. What they saw is judged afterwards: how long they waited, whether anybody was overtaken, whether more
//! were let in than the limit allows.
//!
//! Promises: a visitor who waits costs some hundred bytes (a token and a few moments), not a task and not a connection;
//! at most [`Plan::connections`] requests are under way at once, and where that or this machine is too little the report
//! says so; nothing is judged that couldn't be proved from outside ([`judge`]).
//!
//! [`visitor`] is what a visitor does, without I/O; [`browser`] carries it out; [`engine`] keeps the time. To add a habit:
//! a variant of [`visitor::Habit`], its share in [`Plan`] and in [`options`].

pub mod browser;
pub mod engine;
pub mod judge;
pub mod options;
pub mod record;
pub mod report;
pub mod site;
pub mod tally;
pub mod visitor;

pub use engine::Engine;
pub use options::Options;
pub use report::Report;
pub use site::Site;
pub use tally::Live;

use std::time::Duration;

/// What the visitors do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The path they open, and open again while they are inside.
    pub path: String,
    /// By the API with this key, else as browsers.
    pub key: Option<String>,
    /// Pages they look at inside, the one they enter by included.
    pub pages: u16,
    /// From one page to the next, on average.
    pub think: Duration,
    /// Opened at the end, where the site lets people finish. By the API the turn is finished in any case.
    pub finish: Option<String>,
    /// Shares from 0 to 1: who reloads the page now and then while waiting …
    pub reload: f64,
    /// … who gives up …
    pub leave: f64,
    /// … and who is silent once, for `sleep_for`.
    pub sleep: f64,
    pub sleep_for: Duration,
    /// Requests under way at once, and connections with them.
    pub connections: usize,
    /// Each visitor says to come from an address of their own.
    pub forwarded_for: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            key: None,
            pages: 3,
            think: Duration::from_secs(5),
            finish: None,
            reload: 0.0,
            leave: 0.0,
            sleep: 0.0,
            sleep_for: Duration::from_secs(60),
            connections: 256,
            forwarded_for: false,
        }
    }
}

/// Why there is no rehearsal: one line each, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Refusal(pub Vec<String>);

impl Refusal {
    fn one(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }
}
