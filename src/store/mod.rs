//! Where a room's line is kept, behind one door: few, whole, atomic verbs.
//!
//! A store promises what `queue::Room` does, at its own clock, and every one of its verbs gives the first result again
//! when it is repeated: a call that timed out may have run. It is done when `tests/it/contract.rs` and `model.rs` are
//! green on it. To add a store: implement [`Store`], add it to [`open`] and to the lists at the top of those two tests.

pub mod fallback;
pub mod memory;
pub mod redis;

use crate::clock::Clock;
use crate::queue::{Arrival, Change, Finished, Newcomer, Report, Settings, Standing, Synced, Ticket, Visitor};
use async_trait::async_trait;
use memory::MemoryStore;
pub use memory::OpenError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Which room a call is about.
#[derive(Clone, Copy, Debug)]
pub struct RoomRef<'a> {
    /// Its name: `[a-z0-9_-]`, 1 to 64.
    pub name: &'a str,
    /// What holds for settings that nobody changed.
    pub defaults: &'a Settings,
}

/// Why a store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, too slow, or not able to write now. The call may have run all the same.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It understood, and won't: wrong password, unknown command, foreign data under our keys. Repeating won't help.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// The verbs, one room a call. `queue::Room` documents what each does.
#[async_trait]
pub trait Store: Send + Sync {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError>;
    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError>;
    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError>;

    /// `report` holds at most [`Report::CHUNK`] entries of each kind.
    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError>;

    /// All settings ever changed, with their version (0: never).
    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError>;

    /// Changes what is named, and answers like [`Store::settings`] after it.
    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError>;
}

/// A store, opened.
#[derive(Clone)]
pub struct Opened {
    pub store: Arc<dyn Store>,
    /// The same one where it is a Redis, which can be inspected.
    pub redis: Option<Arc<redis::RedisStore>>,
    /// The same one where it is embedded, and can be handed over.
    pub memory: Option<Arc<MemoryStore>>,
}

/// Who else may have the embedded store's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nobody may.
    Alone,
    /// The process that this one takes over from: it is waited for.
    Over,
}

/// The store at `target`; without one, the embedded store at `clock`, which keeps what must survive a restart in
/// `state_dir` and `takes` it alone or over. `timeout` bounds every call to a Redis; nothing is connected yet.
///
/// # Errors
/// `state_dir` can't be used.
pub fn open(
    target: Option<redis::Target>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    state_dir: Option<&Path>,
    takes: Takes,
) -> Result<Opened, OpenError> {
    if let Some(target) = target {
        let redis = Arc::new(redis::RedisStore::new(target, timeout));
        return Ok(Opened { store: Arc::clone(&redis) as Arc<dyn Store>, redis: Some(redis), memory: None });
    }
    let memory = Arc::new(match (state_dir, takes) {
        (None, _) => MemoryStore::new(clock),
        (Some(directory), Takes::Alone) => MemoryStore::open(clock, directory)?,
        (Some(directory), Takes::Over) => MemoryStore::succeed(clock, directory)?,
    });
    Ok(Opened { store: Arc::clone(&memory) as Arc<dyn Store>, redis: None, memory: Some(memory) })
}
