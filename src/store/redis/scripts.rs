//! The scripts, put together from the `.lua` files beside this one, and the names of a room's keys.
//!
//! Each verb is one script: constants and key names (written here, so that no number stands twice), the shared pieces in
//! the order of [`SHARED`], then the verb. To add a verb: a file of its name, a field in [`Scripts`].

use crate::queue::{Field, HOLD_SECONDS, INSTANCE_SECONDS, Kind, Mode, Ranks, SETTLE_MS, STEPS, Settings, Synced};
use redis::Cmd;
use std::fmt::Write as _;

/// The keys of a room, in the order of `KEYS`: the name that scripts use, and how it ends in Redis.
const KEYS: [(&str, &str); 11] = [
    ("STATE", "state"),
    ("SETTINGS", "settings"),
    ("LINE", "line"),
    ("LATE", "late"),
    ("SEEN", "seen"),
    ("TURNS", "turns"),
    ("ENDS", "ends"),
    ("SPENT", "spent"),
    ("MISSED", "missed"),
    ("REVOKED", "revoked"),
    ("INSTANCES", "instances"),
];

/// The fields of the state hash.
const STATE_FIELDS: [&str; 12] = [
    "epoch",
    "seq",
    "held",
    "hold_until",
    "last",
    "watermark",
    "admitted",
    "window",
    "used",
    "late",
    "presence",
    "settled",
];

/// The settings that scripts read, in the order in which their defaults are handed over.
const FIELDS: [&str; 10] = [
    "admission_limit",
    "admission_frequency",
    "ready_ttl_seconds",
    "ip_enqueue_limit",
    "ip_enqueue_limit_interval",
    "max_active",
    "presence_seconds",
    "retention_seconds",
    "ready_max_seconds",
    "mode",
];

/// How long the state of a silent room is kept: longer than anybody would ask for a place in it.
const STATE_SECONDS: u64 = 30 * 86_400;

/// What stands in front of every verb.
const SHARED: [&str; 4] =
    [include_str!("room.lua"), include_str!("turns.lua"), include_str!("line.lua"), include_str!("admission.lua")];

/// A script with its name for the server.
#[derive(Debug)]
pub struct Script {
    pub text: String,
    pub sha: String,
}

/// One script per verb.
#[derive(Debug)]
pub struct Scripts {
    pub arrive: Script,
    pub claim: Script,
    pub finish: Script,
    pub sync: Script,
    pub put_settings: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            arrive: Script::new(&[include_str!("arrive.lua")]),
            claim: Script::new(&[include_str!("claim.lua")]),
            finish: Script::new(&[include_str!("finish.lua")]),
            sync: Script::new(&[include_str!("snapshot.lua"), include_str!("sync.lua")]),
            put_settings: Script::new(&[include_str!("put_settings.lua")]),
        }
    }
}

impl Script {
    fn new(verb: &[&str]) -> Self {
        let text = [&[constants().as_str()], SHARED.as_slice(), verb].concat().join("\n");
        let sha = redis::Script::new(&text).get_hash().to_owned();
        Self { text, sha }
    }
}

/// A script with what it is called with.
pub struct Invocation<'a> {
    pub script: &'a Script,
    pub room: &'a str,
    pub args: Vec<Vec<u8>>,
}

impl Invocation<'_> {
    /// Runs what the server has under the script's name.
    pub fn by_name(&self) -> Cmd {
        self.command("EVALSHA", &self.script.sha)
    }

    /// Brings the text along.
    pub fn in_full(&self) -> Cmd {
        self.command("EVAL", &self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(KEYS.len());
        for key in keys(self.room) {
            command.arg(key);
        }
        for arg in &self.args {
            command.arg(arg);
        }
        command
    }
}

/// Where a room's keys begin. The braces keep all of them on one shard of a cluster.
fn prefix(room: &str) -> String {
    format!("gk:{{{room}}}:")
}

/// Every key of a room that a script may touch, but for the counters per address: those it names itself, under the same
/// hash tag.
fn keys(room: &str) -> impl Iterator<Item = String> {
    let prefix = prefix(room);
    KEYS.iter().map(move |(_, end)| format!("{prefix}{end}"))
}

/// The hash that holds what was ever changed.
pub fn settings_key(room: &str) -> String {
    prefix(room) + "settings"
}

/// The defaults of [`FIELDS`], as scripts take them.
pub fn defaults(settings: &Settings) -> String {
    let values = settings.values();
    let value = |name: &&str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string());
    FIELDS.iter().filter_map(value).collect::<Vec<_>>().join(" ")
}

/// The constants of the rules, the key names and the ranges of settings, in Lua.
fn constants() -> String {
    let mut lua = format!(
        "local STEPS, INSTANCE_SECONDS, HOLD_SECONDS, SETTLE_MS = {STEPS}, {INSTANCE_SECONDS}, {HOLD_SECONDS}, {SETTLE_MS}\n\
         local EXACT, REVOCATIONS, STATE_SECONDS = {}, {}, {STATE_SECONDS}\n",
        Ranks::EXACT,
        Synced::REVOCATIONS
    );
    let names = KEYS.map(|(name, _)| name);
    let _ = writeln!(lua, "local {} = unpack(KEYS)", names.join(", "));
    let crowd = names.iter().filter(|name| !["STATE", "SETTINGS"].contains(name)).copied().collect::<Vec<_>>();
    let _ = writeln!(lua, "local CROWD = {{ {} }}", crowd.join(", "));
    let _ = writeln!(lua, "local ENTRIES = string.sub(STATE, 1, -6) .. 'ip:'");
    let _ = writeln!(lua, "local STATE_FIELDS = {{ '{}' }}", STATE_FIELDS.join("', '"));
    let fields = FIELDS.iter().filter_map(|name| Field::named(name)).map(field).collect::<Vec<_>>();
    let _ = writeln!(lua, "local FIELDS = {{ {} }}", fields.join(", "));
    lua
}

/// A setting with its range, in Lua.
fn field(field: &Field) -> String {
    let range = match field.kind {
        Kind::Int { min, max } => format!("min = {min}, max = {max}"),
        Kind::Mode => {
            let modes = Mode::NAMES.map(|(_, name)| format!("{name} = true"));
            format!("modes = {{ {} }}", modes.join(", "))
        }
        Kind::Bool | Kind::Text { .. } => String::new(),
    };
    format!("{{ name = '{}', {range} }}", field.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_room_stands_under_its_hash_tag() {
        let keys = keys("tickets-7").collect::<Vec<_>>();
        assert_eq!(keys.len(), KEYS.len());
        assert!(keys.iter().all(|key| key.starts_with("gk:{tickets-7}:")), "{keys:?}");
        assert_eq!(keys.get(1), Some(&settings_key("tickets-7")));
    }

    #[test]
    fn every_setting_that_scripts_read_has_a_default_without_spaces() {
        let defaults = defaults(&Settings::default());
        assert_eq!(defaults.split(' ').count(), FIELDS.len());
        assert_eq!(defaults, "1000 5 600 100 60 0 120 1800 7200 auto");
    }

    #[test]
    fn every_range_reaches_the_scripts() {
        let constants = constants();
        for name in FIELDS {
            let field = Field::named(name).unwrap();
            assert!(matches!(field.kind, Kind::Int { .. } | Kind::Mode), "{name}: read_field knows no other kind");
            assert!(constants.contains(&format!("name = '{name}'")), "{name}");
        }
    }

    #[test]
    fn every_verb_is_a_script_of_its_own() {
        let Scripts { arrive, claim, finish, sync, put_settings } = Scripts::new();
        let mut shas = [arrive, claim, finish, sync, put_settings].map(|script| script.sha);
        shas.sort();
        assert!(shas.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
