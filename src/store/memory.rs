//! The embedded store: one [`Room`](crate::queue::Room) machine per room behind a lock.
//!
//! A std mutex, held for one verb: every verb is a bounded computation without I/O or await, far shorter than a wake-up
//! of an async mutex would be.
//!
//! With a state directory it forgets nothing that matters when its process is killed: what lasts (`queue::Fact`) is in
//! the journal before a verb answers, as long as the disk keeps up. A process that makes way for another writes down
//! everything and lets go of the directory ([`MemoryStore::hand_over`]); its successor goes on as if nothing had happened.

mod journal;
mod keeper;
mod late;
mod record;
mod shared;
mod state_dir;

pub use state_dir::{OpenError, make_private};

use super::{RoomRef, Store, StoreError};
use crate::clock::Clock;
use crate::queue::{Arrival, Change, Finished, Newcomer, Report, Room, Standing, Synced, Ticket, Time, Visitor};
use async_trait::async_trait;
use shared::{Command, Phase, Shared};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

/// A store in this process's memory.
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Where it keeps what must survive, and the thread that does.
    keeper: Option<(PathBuf, Mutex<JoinHandle<()>>)>,
}

impl MemoryStore {
    /// One that forgets everything with the process.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared::new(clock, Phase::Serving, HashMap::new(), false)), keeper: None }
    }

    /// One that keeps what must survive in a directory, and goes on from what is in it.
    ///
    /// # Errors
    /// The directory can't be used.
    pub fn open(clock: Arc<dyn Clock>, directory: &Path) -> Result<Self, OpenError> {
        let (machines, held, journal) = keeper::open(directory, clock.now())?.part();
        let shared = Arc::new(Shared::new(clock, Phase::Serving, machines, true));
        let keep = Arc::clone(&shared);
        Self::with_keeper(shared, directory, move || keeper::keep(&keep, held, journal))
    }

    /// One that takes a directory over from a process that still has it: every call is `Unavailable` until that one lets
    /// go and everything is read.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn succeed(clock: Arc<dyn Clock>, directory: &Path) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(clock, Phase::Opening, HashMap::new(), true));
        let (succeed, path) = (Arc::clone(&shared), directory.to_owned());
        Self::with_keeper(shared, directory, move || keeper::succeed(&succeed, &path))
    }

    fn with_keeper(
        shared: Arc<Shared>,
        directory: &Path,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Self, OpenError> {
        let thread = start(work).map_err(|error| OpenError::Unusable(directory.to_owned(), error))?;
        Ok(Self { shared, keeper: Some((directory.to_owned(), Mutex::new(thread))) })
    }

    /// Whether calls are answered: nobody else has the rooms.
    pub fn is_serving(&self) -> bool {
        self.shared.phase() == Phase::Serving
    }

    /// Writes everything down for a successor and lets go of the directory. From the first moment of this on every call is
    /// `Unavailable`; where it fails, everything is as it was. Takes about a second for half a million visitors, so don't
    /// call it from an async task.
    ///
    /// # Errors
    /// There is no directory, or the disk didn't take it.
    pub fn hand_over(&self) -> io::Result<()> {
        if self.keeper.is_none() {
            return Err(io::Error::other("without server.state_dir the rooms can't be handed over"));
        }
        if self.shared.phase() == Phase::Gone {
            return Err(io::Error::other("the rooms were handed over before"));
        }
        let (reply, handed_over) = mpsc::channel();
        self.shared.command(Command::HandOver(reply));
        handed_over.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper of the rooms has ended")))
    }

    /// Takes the rooms back where no successor came: from the directory, so that nothing is lost if one did something in
    /// between. Calls are `Unavailable` until then, as in [`MemoryStore::succeed`].
    ///
    /// # Errors
    /// No thread can be started.
    pub fn take_back(&self) -> io::Result<()> {
        let Some((path, thread)) = &self.keeper else { return Ok(()) };
        if self.shared.phase() != Phase::Gone {
            return Ok(());
        }
        self.shared.reopen();
        let (shared, path) = (Arc::clone(&self.shared), path.clone());
        let started = start(move || keeper::succeed(&shared, &path))?;
        *thread.lock().unwrap_or_else(PoisonError::into_inner) = started;
        Ok(())
    }

    /// Whoever has the rooms now hears of it.
    fn leave_finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) {
        if let Some((directory, _)) = &self.keeper
            && let Err(error) = late::leave(directory, room.name, visitor, ticket)
        {
            tracing::error!(room = room.name, %error, "a finish is lost: the rooms were handed over");
        }
    }

    async fn run<T>(&self, room: RoomRef<'_>, verb: impl FnOnce(&mut Room, Time) -> T + Send) -> Result<T, StoreError> {
        let (result, told) = self.shared.run(room, verb)?;
        if let Some(told) = told {
            self.shared.written(told).await;
        }
        Ok(result)
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("keeper".to_owned()).spawn(work)
}

impl Drop for MemoryStore {
    /// The directory is free when this returns.
    fn drop(&mut self) {
        let Some((_, thread)) = self.keeper.take() else { return };
        self.shared.command(Command::End);
        let _ = thread.into_inner().unwrap_or_else(PoisonError::into_inner).join();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        self.run(room, |machine, now| machine.arrive(newcomer, now)).await
    }

    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        self.run(room, |machine, now| machine.claim(visitor, ticket, now)).await
    }

    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        let result = self.run(room, |machine, now| machine.finish(visitor, ticket, now)).await;
        if result.is_err() {
            self.leave_finish(room, visitor, ticket);
        }
        result
    }

    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        self.run(room, |machine, now| machine.sync(report, now)).await
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        self.run(room, |machine, _| owned(machine.changed())).await
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        self.run(room, |machine, now| owned(machine.put_settings(change, now))).await
    }
}

fn owned((version, changed): (u64, &Change)) -> (u64, Change) {
    (version, changed.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::queue::{AddressKey, Entry, Settings};
    use std::fs;
    use std::time::Duration;

    const ROOM: &str = "shop";

    fn newcomer(n: u64) -> Newcomer {
        let mut visitor = [0; 16];
        visitor[..8].copy_from_slice(&n.to_be_bytes());
        Newcomer {
            visitor: Visitor(visitor),
            ticket: Ticket(n),
            address: AddressKey(n),
            entry: Entry::WalkIn,
            until: None,
            met: crate::queue::Life::default(),
        }
    }

    #[tokio::test]
    async fn a_journal_that_grew_long_is_written_anew_without_what_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Time(1_800_000_000_000)));
        // What happened is remembered for two minutes.
        let (ready_ttl_seconds, ready_max_seconds, retention_seconds, presence_seconds) = (60, 60, 60, 30);
        let short = Settings {
            ready_ttl_seconds,
            ready_max_seconds,
            retention_seconds,
            presence_seconds,
            ..Settings::default()
        };
        let room = RoomRef { name: ROOM, defaults: &Settings { admission_limit: 1_000_000, ..short } };
        let store = MemoryStore::open(Arc::clone(&clock) as Arc<dyn Clock>, directory.path()).unwrap();
        let length = || fs::metadata(directory.path().join("journal")).unwrap().len();
        let mut n = 0;
        let lives_on = async {
            // 4,000 facts and more of about 90 bytes each, of which those of twelve steps still hold. A slow disk is given
            // time: what happens while it takes the new journal is in that, too.
            while n < 2000 || length() > 60_000 {
                assert!(matches!(store.arrive(room, newcomer(n)).await, Ok(Arrival::Admitted(_))));
                if n % 2 == 0 {
                    store.finish(room, newcomer(n).visitor, Ticket(n)).await.unwrap();
                }
                if n % 10 == 0 {
                    store.sync(room, &Report::default()).await.unwrap();
                    clock.advance_ms(10_000);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                n += 1;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), lives_on).await.expect("the journal is written anew");
        let (last, over) = (newcomer(n - 2 + n % 2), newcomer(10));
        let ready = newcomer(n - 1 - n % 2);
        drop(store);
        let text = fs::read_to_string(directory.path().join("journal")).unwrap();
        assert!(!text.contains("000000000000000a"), "what is over is still in the journal");
        let store = MemoryStore::open(clock, directory.path()).unwrap();
        assert_eq!(store.claim(room, last.visitor, last.ticket).await, Ok(Standing::Spent));
        assert!(matches!(store.claim(room, ready.visitor, ready.ticket).await, Ok(Standing::Ready(_))));
        assert_eq!(store.claim(room, over.visitor, over.ticket).await, Ok(Standing::Unknown));
    }
}
