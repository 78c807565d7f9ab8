//! The store in Redis 6.2+ or Valkey: `queue::Room` once more, in Lua, one atomic script per verb.
//!
//! Promises beyond [`Store`]'s: no call takes longer than the timeout; every call's work in Redis is bounded; every key
//! but a room's changed settings expires by itself when the room falls silent; no error names an address or a password.
//! Time is the server's. `redis/scripts.rs` names the keys, `redis/room.lua` is where to start reading the scripts.

mod codec;
mod connection;
mod dial;
mod errors;
mod health;
mod scripts;
mod target;

pub use health::Health;
pub use target::{Target, TargetError};

use super::{RoomRef, Store, StoreError};
use crate::clock::Clock;
use crate::queue::{Arrival, Change, Entry, Finished, Newcomer, Report, Standing, Synced, Ticket, Visitor};
use async_trait::async_trait;
use connection::{Connection, Request};
use redis::Value;
use scripts::{Invocation, Script, Scripts};
use std::sync::Arc;
use std::time::Duration;

/// How long a call may take where nobody says otherwise.
pub const TIMEOUT: Duration = Duration::from_millis(250);

/// A store in Redis.
pub struct RedisStore {
    connection: Connection,
    scripts: Scripts,
    clock: Option<Arc<dyn Clock>>,
}

impl RedisStore {
    /// Connects when it is first needed; `timeout` bounds every call.
    pub fn new(target: Target, timeout: Duration) -> Self {
        Self { connection: Connection::new(target, timeout), scripts: Scripts::new(), clock: None }
    }

    /// Takes the time from `clock` instead of the server: for tests, which let hours pass.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Whether the server is fit for its purpose, for `/health/ready` and the log at the start.
    ///
    /// # Errors
    /// As any call's; a server that may not be asked for its configuration is no error.
    pub async fn inspect(&self) -> Result<Health, StoreError> {
        health::inspect(&self.connection).await
    }

    async fn run(&self, script: &Script, room: RoomRef<'_>, args: Vec<Vec<u8>>) -> Result<Value, StoreError> {
        let now = self.clock.as_ref().map(|clock| clock.now().0.to_string()).unwrap_or_default();
        let common = [now.into_bytes(), scripts::defaults(room.defaults).into_bytes()];
        let invocation = Invocation { script, room: room.name, args: common.into_iter().chain(args).collect() };
        self.connection.send(&Request::Script(invocation)).await
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        let Newcomer { visitor, ticket, address, entry, until, met } = newcomer;
        let walks_in = u8::from(entry == Entry::WalkIn).to_string().into_bytes();
        let until = until.unwrap_or_default().0.to_string().into_bytes();
        let args = vec![visitor.0.to_vec(), decimal(ticket), address.0.to_be_bytes().to_vec(), walks_in, until];
        let args = args.into_iter().chain([met.epoch, met.seq].map(|number| number.to_string().into_bytes())).collect();
        codec::arrival(&self.run(&self.scripts.arrive, room, args).await?)
    }

    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        let args = vec![visitor.0.to_vec(), decimal(ticket)];
        codec::standing(&self.run(&self.scripts.claim, room, args).await?)
    }

    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        let args = vec![visitor.0.to_vec(), decimal(ticket)];
        codec::finished(&self.run(&self.scripts.finish, room, args).await?)
    }

    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        let args = codec::report(report);
        codec::synced(&self.run(&self.scripts.sync, room, args).await?, report.known.settings)
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        let mut read = redis::cmd("HGETALL");
        read.arg(scripts::settings_key(room.name));
        codec::settings(&self.connection.send(&Request::Command(read)).await?)
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        let args = codec::change(change).collect();
        codec::settings(&self.run(&self.scripts.put_settings, room, args).await?)
    }
}

fn decimal(ticket: Ticket) -> Vec<u8> {
    ticket.0.to_string().into_bytes()
}
