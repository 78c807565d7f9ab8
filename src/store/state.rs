//! What of the embedded store survives a restart: each room's settings and its watermark, in one file of `state_dir`.
//!
//! The line itself needs no file: the visitors bring it back. A file that can't be written is said loudly, once, and
//! stops nothing. A second process on the same directory is refused.

use crate::queue::{Change, Ticket};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is kept of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub version: u64,
    pub changed: Change,
    pub watermark: Ticket,
}

/// The same as it stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    version: u64,
    settings: BTreeMap<String, String>,
    watermark: u64,
}

/// The file, and the lock that keeps others away for as long as this lives.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    _lock: File,
    is_failing: AtomicBool,
}

impl StateFile {
    /// Opens the directory, made where it is missing, and reads what is kept.
    ///
    /// # Errors
    /// The directory can't be used, another process uses it, or the file isn't one of ours.
    pub fn open(directory: &Path) -> io::Result<(Self, HashMap<String, Kept>)> {
        fs::create_dir_all(directory)?;
        let lock = File::create(directory.join("lock"))?;
        lock.try_lock().map_err(|_| io::Error::other("another gatekeeper uses this directory"))?;
        let path = directory.join("rooms.json");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "{}".to_owned(),
            text => text?,
        };
        let written: HashMap<String, Written> =
            serde_json::from_str(&text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let kept = written.into_iter().map(|(room, written)| (room, written.into_kept())).collect();
        Ok((Self { path, _lock: lock, is_failing: AtomicBool::new(false) }, kept))
    }

    /// Writes everything, aside first: a crash leaves the old file or the new one.
    pub fn save(&self, rooms: impl Iterator<Item = (String, Kept)>) {
        let written: BTreeMap<String, Written> = rooms.map(|(room, kept)| (room, Written::from_kept(&kept))).collect();
        match self.write(&written) {
            Ok(()) => self.is_failing.store(false, Ordering::Relaxed),
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::error!(path = %self.path.display(), %error, "state can't be kept: settings won't survive a restart");
            }
            Err(_) => {}
        }
    }

    fn write(&self, written: &BTreeMap<String, Written>) -> io::Result<()> {
        let aside = self.path.with_extension("new");
        let mut file = File::create(&aside)?;
        file.write_all(&serde_json::to_vec(written)?)?;
        file.sync_data()?;
        fs::rename(&aside, &self.path)
    }
}

impl Written {
    fn from_kept(kept: &Kept) -> Self {
        let settings = kept.changed.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        Self { version: kept.version, settings, watermark: kept.watermark.0 }
    }

    fn into_kept(self) -> Kept {
        let mut changed = Change::default();
        for (name, value) in &self.settings {
            changed.set_stored(name, value);
        }
        Kept { version: self.version, changed, watermark: Ticket(self.watermark) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Value;

    #[test]
    fn what_was_saved_is_there_again_and_two_cannot_share_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let (file, kept) = StateFile::open(directory.path()).unwrap();
        assert!(kept.is_empty());
        assert!(StateFile::open(directory.path()).unwrap_err().to_string().contains("another gatekeeper"));
        let mut changed = Change::default();
        changed.set("admission_limit", Value::Int(7)).unwrap();
        changed.set("message", Value::Text("two\nlines".into())).unwrap();
        let room = Kept { version: 3, changed, watermark: Ticket(99) };
        file.save([("shop".to_owned(), room.clone())].into_iter());
        drop(file);
        let (_file, kept) = StateFile::open(directory.path()).unwrap();
        assert_eq!(kept.get("shop"), Some(&room));
    }
}
