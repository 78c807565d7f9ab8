//! How slow a client may be, and the timer that tells.

use crate::config::Limits;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Method, version and line ends, beside target and headers.
const REST_OF_HEAD: u64 = 1024;

/// How slow a client may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// For a header; a body's pace is judged after so long a wait for it.
    pub header: Duration,
    pub head_bytes: u64,
    pub idle: Duration,
    pub body_idle: Duration,
    /// Bytes of a body in that time.
    pub body: u64,
    pub write: Duration,
}

impl Deadlines {
    pub const fn of(limits: &Limits) -> Self {
        Self {
            header: Duration::from_secs(limits.header_seconds),
            head_bytes: limits.header_bytes + limits.target_bytes + REST_OF_HEAD,
            idle: Duration::from_secs(limits.keepalive_seconds),
            body_idle: Duration::from_secs(limits.body_idle_seconds),
            body: limits.body_rate * limits.header_seconds,
            write: Duration::from_secs(limits.write_seconds),
        }
    }
}

/// A deadline that may not be running.
///
/// Each request starts it a few times, and it hardly ever comes: what tokio keeps for it is left alone as long as it is not
/// later than the deadline, and put right when it wakes too early.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
}

impl Timer {
    pub fn start(&mut self, within: Duration) {
        let fresh = sleep(within);
        let deadline = fresh.deadline();
        self.deadline = Some(deadline);
        match &mut self.sleep {
            None => self.sleep = Some(Box::pin(fresh)),
            Some(sleep) if deadline < sleep.deadline() => sleep.as_mut().reset(deadline),
            Some(_) => {}
        }
    }

    pub const fn stop(&mut self) {
        self.deadline = None;
    }

    pub const fn is_running(&self) -> bool {
        self.deadline.is_some()
    }

    /// Wakes the task when it will be.
    pub fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(deadline), Some(sleep)) = (self.deadline, &mut self.sleep) else { return false };
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
        false
    }
}
