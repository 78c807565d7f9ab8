//! What the operator decided: read, checked as a whole, immutable.
//!
//! Two forms: [`file`] is what people write, [`Config`] what the program runs on. Between them lies a tree of values
//! that remember where they were written ([`tree`]); file, environment and defaults are laid over each other there. The
//! defaults are `conf/gatekeeper.toml` itself, compiled in, so that the documentation can't be wrong.
//!
//! This module promises: a [`Config`] that exists can be run; what is wrong is told at once and whole, each mistake with
//! its file and line or its variable; no secret shows in an error, a warning, a difference or a `Debug`.
//!
//! To add a setting: write it into `conf/gatekeeper.toml` with its default and meaning (commented out, as `#name = value`,
//! where it has none), into the written form in `file.rs`, and into the running form next to its like (`server.rs`,
//! `store.rs`, `rooms.rs`, `sites.rs`), where it is checked. A test finds the setting that is missing in the first.

mod address;
mod choices;
mod design;
mod environment;
mod file;
mod live;
mod read;
mod report;
mod rooms;
mod rules;
mod secret;
mod server;
mod sites;
mod store;
mod tree;

pub use address::normal_host;
pub use choices::{LogFormat, LogLevel, OnStoreFailure, SameSite, Scope};
pub use design::{Color, LOGO_TYPES, PageDesign, Palette};
pub use environment::{Environment, process_environment};
pub use live::{Live, changes, differing};
pub use report::{ConfigError, Place};
pub use rooms::{RoomConfig, RoomKey};
pub use rules::PathPattern;
pub use secret::{SAMPLE_SECRET, Secret, Tokens};
pub use server::{HostCertificate, Limits, Listener, Server, TlsFiles};
pub use sites::{Bypass, CookieOptions, HealthCheck, HostPattern, Origin, Site};
pub use store::{StoreConfig, StoreUrl};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use report::{At, Report};
use tree::{Leaf, Node, Value};

/// Every setting with its default and meaning: the reference, and the defaults themselves.
pub const REFERENCE: &str = include_str!("../../conf/gatekeeper.toml");

/// Everything the program runs on.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub store: StoreConfig,
    pub tokens: Tokens,
    /// At least one.
    pub rooms: Vec<RoomConfig>,
    pub sites: Vec<Site>,
    pub log: LogConfig,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<ConfigError>,
    /// Every value that has no parts, to tell two configurations apart.
    leaves: BTreeMap<String, Leaf>,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LogLevel,
    /// Whether each request gets a line.
    pub access: bool,
}

impl Config {
    /// The configuration of a file and `GATEKEEPER__…`; without a file, of the short variables and `GATEKEEPER__…`.
    ///
    /// Also looks whether the files it names (certificates, templates) can be opened.
    ///
    /// # Errors
    /// All mistakes, in the order of the file.
    pub fn load(file: Option<&Path>, env: &Environment) -> Result<Self, Vec<ConfigError>> {
        let Some(path) = file else { return Self::without_file(env) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &name, env),
            Err(error) => {
                let place = Place::File(name.into());
                Err(vec![ConfigError { place, path: String::new(), message: format!("cannot be read: {error}") }])
            }
        }
    }

    /// As [`Config::load`], of a file's text; `name` is what errors call it.
    ///
    /// # Errors
    /// All mistakes, in the order of the file.
    pub fn parse(text: &str, name: &str, env: &Environment) -> Result<Self, Vec<ConfigError>> {
        Self::assemble(tree::parse(text, Some(name))?, &tree::parse(REFERENCE, None)?, env)
    }

    /// One site in front of one origin, by short variables.
    fn without_file(env: &Environment) -> Result<Self, Vec<ConfigError>> {
        let defaults = tree::parse(REFERENCE, None)?;
        let mut root = defaults.clone();
        environment::short_variables(&mut root, env);
        Self::assemble(root, &defaults, env)
    }

    fn assemble(mut root: Node, defaults: &Node, env: &Environment) -> Result<Self, Vec<ConfigError>> {
        let unset = environment::substitute(&mut root, env);
        fill(&mut root, defaults);
        let misled = environment::overrides(&mut root, env);
        fill(&mut root, defaults); // an override may have begun a new site
        let mut report = Report::new(&root);
        unset.iter().for_each(|(at, message)| report.error(at, message));
        let written: file::File = read::read(&root, &mut report);
        let config = Self::check(&written, &root, &mut report);
        match report.finish() {
            Ok(warnings) if misled.is_empty() => Ok(Self { warnings, ..config }),
            Ok(_) => Err(misled),
            Err(errors) => Err(errors.into_iter().chain(misled).collect()),
        }
    }

    /// The running form; good only if nothing was reported.
    fn check(written: &file::File, root: &Node, report: &mut Report<'_>) -> Self {
        let server = server::server(&written.server, report);
        let store = store::store(&written.store, report);
        let tokens = secret::tokens(&written.tokens, &store.url, server.state_dir.is_some(), report);
        let rooms = rooms::rooms(&written.rooms, report);
        let sites = sites::sites(&written.sites, report);
        let addresses: Vec<SocketAddr> = server.listeners.iter().map(|listener| listener.addr).collect();
        let has_tls = server.listeners.iter().any(|listener| listener.tls.is_some());
        let may_be_https = has_tls || !server.trusted_proxies.is_empty();
        sites::cross_check(&written.sites, &written.rooms, &addresses, may_be_https, report);
        let log = &written.log;
        let log = LogConfig { format: log.format, level: log.level, access: log.access };
        Self { server, store, tokens, rooms, sites, log, warnings: Vec::new(), leaves: root.leaves() }
    }

    /// Where a setting was written; `path` as in `tokens.secrets[0]`.
    pub fn place_of(&self, path: &str) -> Place {
        self.leaves.get(path).map_or(Place::Default, |leaf| leaf.place.clone())
    }

    /// The room of that name.
    pub fn room(&self, name: &str) -> Option<&RoomConfig> {
        self.rooms.iter().find(|room| room.name == name)
    }
}

/// Adds the defaults. Of the reference's site only what may be left out is a default for other sites; its rooms are none.
fn fill(root: &mut Node, defaults: &Node) {
    let mut general = defaults.clone();
    let mut of_a_site = Node::empty();
    if let Some(table) = general.table_mut() {
        table.remove("rooms");
        if let Some(Node { value: Value::Array(sites), .. }) = table.remove("sites") {
            of_a_site = sites.into_iter().next().unwrap_or(of_a_site);
        }
    }
    for name in ["hosts", "origins", "room"] {
        of_a_site.remove(&At::default().key(name));
    }
    root.fill(&general);
    if let Some(Node { value: Value::Array(sites), .. }) = root.table_mut().and_then(|table| table.get_mut("sites")) {
        sites.iter_mut().for_each(|site| site.fill(&of_a_site));
    }
}

#[cfg(test)]
mod tests;
