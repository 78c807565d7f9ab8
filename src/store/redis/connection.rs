//! The one connection to the store, whatever is lost on the way.
//!
//! Promises: no call takes longer than the timeout; a connection that broke, that leads to a server which may no longer
//! write, or over which three waves of calls in a row got no answer, is replaced; only one new one is made at a time, in
//! a task of its own, so that no caller's deadline cuts it short. Behind sentinels, whom they name counts: a primary that
//! they replaced while it was silent takes writes for some seconds more, and loses them. The driver's own reconnecting manager isn't used: its
//! callers wait out its back-off, it keeps silent and demoted connections, and it knows no sentinels.
//!
//! No call is sent a second time after a loss: it may have run, and who finishes a turn must hear so only once.

use super::dial::{Address, Link, dial, primary};
use super::errors::{Sign, sign, store_error};
use super::scripts::Invocation;
use super::target::Target;
use crate::store::StoreError;
use redis::{Cmd, RedisResult, Value};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// So many waves of calls without an answer, and the connection counts as dead.
const SILENT_WAVES: u32 = 3;
/// After a failed attempt the next one waits so long; callers get the error meanwhile.
const REST: Duration = Duration::from_millis(50);

/// How often sentinels are asked whether the primary is still the same.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A connection that replaces itself.
pub struct Connection {
    target: Arc<Target>,
    timeout: Duration,
    state: Arc<watch::Sender<State>>,
}

enum State {
    /// Nobody needed it yet, or it was lost.
    Idle,
    Dialing,
    Up(Arc<Up>),
    /// The last attempt failed.
    Resting(StoreError),
}

impl State {
    fn is(&self, this: &Arc<Up>) -> bool {
        matches!(self, Self::Up(up) if Arc::ptr_eq(up, this))
    }
}

struct Up {
    link: Link,
    /// Waves of calls in a row that got no answer.
    silent: AtomicU32,
}

/// Something to send.
pub enum Request<'a> {
    Command(Cmd),
    Script(Invocation<'a>),
}

impl Connection {
    /// Connects when it is first needed.
    pub fn new(target: Target, timeout: Duration) -> Self {
        Self { target: Arc::new(target), timeout, state: Arc::new(watch::Sender::new(State::Idle)) }
    }

    /// Sends, and waits for the answer; never longer than the timeout.
    pub async fn send(&self, request: &Request<'_>) -> Result<Value, StoreError> {
        let mut deadline = pin!(tokio::time::sleep(self.timeout));
        let up = tokio::select! {
            up = self.up() => up?,
            () = &mut deadline => return Err(StoreError::Unavailable("no connection in time".to_owned())),
        };
        let wave = up.silent.load(Ordering::Relaxed);
        tokio::select! {
            answer = exchange(&up.link, request) => answer.map_err(|error| {
                self.note(&up, wave, sign(&error));
                store_error(&error)
            }).inspect(|_| up.silent.store(0, Ordering::Relaxed)),
            () = &mut deadline => {
                self.note(&up, wave, Sign::Silent);
                Err(StoreError::Unavailable("no answer in time".to_owned()))
            }
        }
    }

    /// The connection, or the one that is being made.
    async fn up(&self) -> Result<Arc<Up>, StoreError> {
        let mut state = self.state.subscribe();
        if self.state.send_if_modified(|state| {
            let idle = matches!(state, State::Idle);
            if idle {
                *state = State::Dialing;
            }
            idle
        }) {
            tokio::spawn(connect(Arc::clone(&self.target), self.timeout, Arc::clone(&self.state)));
        }
        let settled = state.wait_for(|state| matches!(state, State::Up(_) | State::Resting(_))).await;
        match settled.as_deref() {
            Ok(State::Up(up)) => Ok(Arc::clone(up)),
            Ok(State::Resting(error)) => Err(error.clone()),
            _ => Err(StoreError::Unavailable("not connected".to_owned())),
        }
    }

    /// Draws the conclusion from a call that began in `wave` and failed.
    fn note(&self, up: &Arc<Up>, wave: u32, sign: Sign) {
        match (sign, &up.link) {
            (Sign::Alive | Sign::NoScript, _) => up.silent.store(0, Ordering::Relaxed),
            (Sign::Lost, Link::Direct(_)) => replace(&self.state, up),
            // A cluster's driver replaces single connections itself.
            (Sign::Silent, _) | (Sign::Lost, Link::Cluster(_)) => {
                // Of all the calls of one wave the first counts.
                let counted = up.silent.compare_exchange(wave, wave + 1, Ordering::Relaxed, Ordering::Relaxed);
                if counted.is_ok() && wave + 1 >= SILENT_WAVES {
                    replace(&self.state, up);
                }
            }
        }
    }
}

/// Forgets this connection; the next caller starts a new one. Does nothing where somebody was faster.
fn replace(state: &watch::Sender<State>, lost: &Arc<Up>) {
    state.send_if_modified(|state| {
        let current = state.is(lost);
        if current {
            *state = State::Idle;
        }
        current
    });
}

async fn exchange(link: &Link, request: &Request<'_>) -> RedisResult<Value> {
    match request {
        Request::Command(command) => link.send(command).await,
        Request::Script(invocation) => match link.send(&invocation.by_name()).await {
            // It was flushed, or the server is a new one: the whole text runs it and leaves it there.
            Err(error) if sign(&error) == Sign::NoScript => link.send(&invocation.in_full()).await,
            answer => answer,
        },
    }
}

/// Makes a connection and says so.
async fn connect(target: Arc<Target>, timeout: Duration, state: Arc<watch::Sender<State>>) {
    match dial(&target, timeout).await {
        Ok((link, named)) => {
            let up = Arc::new(Up { link, silent: AtomicU32::new(0) });
            state.send_replace(State::Up(Arc::clone(&up)));
            if let Some(named) = named {
                keep_to_primary(&target, &named, &up, &state).await;
            }
        }
        Err(error) => {
            state.send_replace(State::Resting(store_error(&error)));
            tokio::time::sleep(REST).await;
            state.send_replace(State::Idle);
        }
    }
}

/// Replaces the connection when the sentinels name somebody else; ends with it.
async fn keep_to_primary(target: &Target, named: &Address, up: &Arc<Up>, state: &watch::Sender<State>) {
    let mut changes = state.subscribe();
    loop {
        let is_gone = changes.wait_for(|state| !state.is(up));
        if tokio::time::timeout(ASK_EVERY, is_gone).await.is_ok() {
            return;
        }
        if primary(target).await.is_some_and(|now| now != *named) {
            return replace(state, up);
        }
    }
}
