//! What reaches a process after it handed its rooms over: a finish on a connection that was kept.
//!
//! It can't be lost, or a finished token would open the gate again at the successor; so it is left in the state
//! directory, a file each, and the keeper of the successor takes it from there within a moment.

use super::record::{self, Record};
use super::state_dir::create_private;
use crate::queue::{Ticket, Visitor};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const PREFIX: &str = "late-";

/// Leaves a finish for the process that has the rooms now.
///
/// # Errors
/// The disk's.
pub fn leave(directory: &Path, room: &str, visitor: Visitor, ticket: Ticket) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut line = Vec::new();
    record::write_finish(&mut line, room, visitor, ticket);
    // Moved into its name when it is whole.
    let aside = directory.join(format!("new-{name}"));
    create_private(&aside)?.write_all(&line)?;
    fs::rename(aside, directory.join(format!("{PREFIX}{name}")))
}

/// Takes what was left; each is told once.
pub fn take(directory: &Path, mut finish: impl FnMut(&str, Visitor, Ticket)) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let left = entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for path in left.map(|entry| entry.path()) {
        let Ok(line) = fs::read(&path) else { continue };
        if let Some(Record::Finish { room, visitor, ticket }) = record::read(line.strip_suffix(b"\n").unwrap_or(&line))
        {
            finish(room, visitor, ticket);
        }
        // Finishing twice does no harm; one that can't be removed is finished again and again.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        for n in 1..=3 {
            leave(directory.path(), "shop", Visitor([7; 16]), Ticket(n)).unwrap();
        }
        fs::write(directory.path().join("late-1-9"), "garbage").unwrap();
        fs::write(directory.path().join("journal"), "not ours").unwrap();
        let taken = || {
            let mut taken = Vec::new();
            take(directory.path(), |room, visitor, ticket| taken.push((room.to_owned(), visitor, ticket.0)));
            taken.sort_unstable();
            taken
        };
        assert_eq!(taken(), [1, 2, 3].map(|n| ("shop".to_owned(), Visitor([7; 16]), n)));
        assert!(taken().is_empty());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
