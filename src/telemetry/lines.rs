//! Lines on their way to a writer that may be slow: gathered in memory, written together by a thread of their own.
//!
//! Promises: adding a line takes a lock for a copy of it and nothing else; no more than [`WAITING`] lines wait, what is more
//! is refused; a line waits [`GATHER`] at most while the writer keeps up; what waits is written when the guard goes.
//!
//! Gathering is what makes a line cheap: to wake a thread for each would cost more than the line.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Lines that may wait for the writer.
pub const WAITING: usize = 8192;
/// So long the first line of a batch waits for others.
const GATHER: Duration = Duration::from_millis(20);

/// Takes lines, from any thread.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

/// Writes what waits, and ends the thread, when it goes.
#[derive(Debug)]
#[must_use = "the lines end when this goes"]
pub struct Guard(Arc<Shared>, Option<JoinHandle<()>>);

#[derive(Debug, Default)]
struct Shared {
    batch: Mutex<Batch>,
    /// A batch was begun, or the end has come.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: usize,
    ended: bool,
}

impl Lines {
    /// Lines into `writer`; `name` is the thread's. Where no thread can be started every line is refused.
    pub fn into(writer: impl Write + Send + 'static, name: &str) -> (Self, Guard) {
        let shared = Arc::<Shared>::default();
        let work = Arc::clone(&shared);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work.write_all(writer)).ok();
        shared.lock().ended = thread.is_none();
        (Self(Arc::clone(&shared)), Guard(shared, thread))
    }

    /// Adds a line, its end included; `false` where too many wait.
    pub fn add(&self, line: &[u8]) -> bool {
        let mut batch = self.0.lock();
        if batch.lines >= WAITING || batch.ended {
            return false;
        }
        batch.bytes.extend_from_slice(line);
        batch.lines += 1;
        let is_first = batch.lines == 1;
        drop(batch);
        if is_first {
            self.0.news.notify_one();
        }
        true
    }
}

impl Shared {
    /// A panic under the lock can leave no line half added, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut writer: impl Write) {
        let mut bytes = Vec::new();
        loop {
            let ended = self.take(&mut bytes);
            // Who reads the log may be gone; there is nobody to tell.
            let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
            if ended {
                return;
            }
            bytes.clear();
        }
    }

    /// Waits for lines and takes them; whether they are the last.
    fn take(&self, bytes: &mut Vec<u8>) -> bool {
        let batch = self.lock();
        let batch = self.news.wait_while(batch, |batch| batch.lines == 0 && !batch.ended);
        let batch = batch.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.news.wait_timeout_while(batch, GATHER, |batch| !batch.ended);
        let (mut batch, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut batch.bytes, bytes);
        batch.lines = 0;
        batch.ended
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.news.notify_one();
        if let Some(thread) = self.1.take() {
            let _ = thread.join(); // it has panicked, where it has: the lines are lost
        }
    }
}
