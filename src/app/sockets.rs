//! The listening sockets: where they come from at the start, and who gets them at the end.
//!
//! pingora keeps them in a table that it shows to services only; this service starts before those that listen. What a
//! predecessor left goes into the table, so that they find it there instead of binding anew.

use super::App;
use super::upgrade::{Inherited, Rendezvous};
use async_trait::async_trait;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::{ServiceReadyNotifier, ServiceWithDependents};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So long a fresh process looks for its store before it listens all the same.
const MEET_STORE: Duration = Duration::from_secs(1);
/// So long it then learns who has finished: whoever did would pass once more.
const CATCH_UP: Duration = Duration::from_secs(10);
/// So long a successor looks for its store and its origins before it listens all the same: they may be down.
const BECOME_READY: Duration = Duration::from_secs(10);
/// Binding is a matter of milliseconds, unless somebody else has the address.
const BIND: Duration = Duration::from_secs(10);
/// The process can't do what it was started for (sysexits.h, EX_UNAVAILABLE).
const EXIT_UNAVAILABLE: i32 = 69;

/// The open listeners, as soon as there are any.
#[derive(Clone, Default)]
pub struct Table(Arc<OnceLock<ListenFds>>);

impl Table {
    /// The listeners of this moment; `None` before there are any.
    pub fn copy(&self) -> Option<Fds> {
        let (names, numbers) = self.0.get()?.lock().serialize();
        let mut copy = Fds::new();
        copy.deserialize(names, numbers);
        Some(copy)
    }

    fn holds(&self, addresses: &[String]) -> bool {
        self.0.get().is_some_and(|table| {
            let table = table.lock();
            addresses.iter().all(|address| table.get(address).is_some())
        })
    }
}

/// Fills the table, and tells the predecessor when everything in it is served here.
pub struct Sockets {
    pub app: Arc<App>,
    /// Everything that is listened on.
    pub addresses: Vec<String>,
    pub table: Table,
    pub inherited: Option<Inherited>,
    pub place: Option<Rendezvous>,
}

#[async_trait]
impl ServiceWithDependents for Sockets {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        let Some(fds) = fds else { return };
        let inherited = self.inherited.take();
        match &inherited {
            // Who came now would be sent to wait in a line that isn't known yet.
            None => {
                wait_for(MEET_STORE, || self.app.has_met_store()).await;
                if self.app.has_met_store() {
                    wait_for(CATCH_UP, || self.app.is_caught_up()).await;
                }
            }
            // Until then the predecessor answers everybody.
            Some(_) => wait_for(BECOME_READY, || self.app.is_settled()).await,
        }
        if let Some(inherited) = &inherited {
            self.put(&inherited.listeners, &fds);
        }
        let _ = self.table.0.set(fds);
        ready.notify_ready();
        let all_open = async {
            while !self.table.holds(&self.addresses) {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(BIND, all_open).await.is_err() {
            give_up("an address could not be listened on").await;
        }
        if let Some(inherited) = inherited {
            match tokio::task::spawn_blocking(|| inherited.take_over()).await {
                Ok(Err(error)) => give_up(&error.to_string()).await,
                _ => tracing::info!("took over from the predecessor"),
            }
        }
        if let Some(place) = &self.place {
            place.note_pid();
        }
    }

    fn name(&self) -> &str {
        "sockets"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

impl Sockets {
    /// Adds what a predecessor left; what this configuration doesn't name any more is closed.
    fn put(&self, listeners: &Fds, table: &ListenFds) {
        let wanted: HashSet<String> = self.addresses.iter().cloned().collect();
        let (names, numbers) = listeners.serialize();
        let mut table = table.lock();
        for (name, number) in names.into_iter().zip(numbers) {
            table.add(name, number);
        }
        let closed = table.close_unclaimed(&wanted);
        if !closed.is_empty() {
            tracing::info!(?closed, "no longer listened on");
        }
    }
}

/// Whatever comes of it: the store and the origins may be down.
async fn wait_for(limit: Duration, is_ready: impl Fn() -> bool) {
    let ready = async {
        while !is_ready() {
            sleep(LOOK_EVERY).await;
        }
    };
    let _ready_or_not = timeout(limit, ready).await;
}

async fn give_up(error: &str) {
    tracing::error!(error, "can't serve");
    sleep(Duration::from_millis(100)).await; // for the log's thread
    std::process::exit(EXIT_UNAVAILABLE);
}
