//! What people write. `conf/gatekeeper.toml` explains every word of it.
//!
//! Nothing here is checked beyond its type: the running form (`mod.rs` and its neighbours) is made from it. Where a field
//! is no `Option`, its default comes from `conf/gatekeeper.toml`, which is filled in before anything is read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::choices::{LogFormat, LogLevel, OnStoreFailure, SameSite, Scope};
use crate::queue::Value;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub server: Server,
    pub store: Store,
    pub tokens: Tokens,
    pub rooms: Vec<Room>,
    pub sites: Vec<Site>,
    pub log: Log,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    pub listen: Vec<String>,
    pub listeners: Vec<Listener>,
    pub metrics_listen: Option<String>,
    pub trusted_proxies: Vec<String>,
    pub api_prefix: String,
    pub cors_origins: Vec<String>,
    pub state_dir: Option<PathBuf>,
    pub threads: Option<u64>,
    pub shutdown_seconds: u64,
    pub shutdown_delay_seconds: u64,
    pub upgrade_drain_seconds: u64,
    pub limits: Limits,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Listener {
    pub addr: String,
    pub tls: Option<TlsFiles>,
    pub certificates: Vec<HostCertificate>,
    pub api: bool,
    pub h2c: bool,
    pub proxy_protocol: bool,
}

impl Default for Listener {
    fn default() -> Self {
        Self { addr: String::new(), tls: None, certificates: Vec::new(), api: true, h2c: false, proxy_protocol: false }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct HostCertificate {
    pub hosts: Vec<String>,
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub header_bytes: u64,
    pub target_bytes: u64,
    pub body_bytes: u64,
    pub header_seconds: u64,
    pub body_idle_seconds: u64,
    pub body_rate: u64,
    pub write_seconds: u64,
    pub keepalive_seconds: u64,
    pub tcp_keepalive_seconds: u64,
    pub connections: u64,
    pub connections_per_address: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    pub url: String,
    pub ca_file: Option<PathBuf>,
    pub on_store_failure: OnStoreFailure,
    pub allow_eviction: bool,
    pub timeout_ms: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tokens {
    pub secrets: Vec<String>,
    pub signing_keys: Vec<PathBuf>,
    pub id_secret: Option<String>,
    pub max_addresses_per_token: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Room {
    pub name: String,
    pub title: Option<String>,
    pub keys: Vec<Key>,
    /// By the name of a `queue::Field`.
    pub settings: BTreeMap<String, Setting>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Key {
    pub key: String,
    pub scope: Scope,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Site {
    pub hosts: Vec<String>,
    pub origins: Vec<String>,
    pub room: Option<String>,
    pub protect: Vec<String>,
    pub bypass: Vec<Bypass>,
    pub waiting_status: u64,
    pub strip_query_token: bool,
    pub cookie: Cookie,
    pub template: Option<PathBuf>,
    pub connect_seconds: u64,
    pub read_seconds: u64,
    pub upgrade_read_seconds: u64,
    pub health: Health,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Bypass {
    pub path: String,
    pub methods: Vec<String>,
    pub from: Vec<String>,
    pub header: Option<SecretHeader>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SecretHeader {
    pub name: String,
    pub value: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cookie {
    pub same_site: SameSite,
    pub embed: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Health {
    pub path: Option<String>,
    pub interval_seconds: u64,
    pub failures: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
    pub access: bool,
}

/// A room's setting as it was written; `None`: a kind of value that no setting takes.
pub(super) struct Setting(pub Option<Value>);

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnySetting)
    }
}

struct AnySetting;

impl<'de> Visitor<'de> for AnySetting {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Setting, E> {
        Ok(Setting(Some(Value::Bool(flag))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Setting, E> {
        Ok(Setting(u64::try_from(number).ok().map(Value::Int)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Setting, E> {
        Ok(Setting(Some(Value::Text(text.to_owned()))))
    }

    fn visit_unit<E>(self) -> Result<Setting, E> {
        Ok(Setting(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Setting, A::Error> {
        Ok(Setting(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Setting, A::Error> {
        Ok(Setting(None))
    }
}
