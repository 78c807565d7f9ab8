//! The state directory: its lock, and the settings of the rooms in one file.
//!
//! Only one process uses it. What we make in it is for our user alone.

use crate::queue::{Change, Room};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It may come free: try again later.
    #[error("another gatekeeper uses {0}: stop that one first, or give this one a directory of its own")]
    InUse(PathBuf),
    #[error("{0}: {1}")]
    Unusable(PathBuf, #[source] io::Error),
}

/// What is kept of a room's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptSettings {
    pub version: u64,
    pub changed: Change,
}

/// The same as it stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    version: u64,
    settings: BTreeMap<String, String>,
}

/// The directory, and the lock that keeps others away for as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// `None`: the disk lets nobody lock; nothing is written until it does.
    lock: Option<File>,
}

/// Makes a directory for our user alone, where it is missing.
///
/// # Errors
/// As the file system's.
pub fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Opens a file for our user alone, made where it is missing; nothing of it is lost.
pub fn open_private(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// A new, empty file for our user alone.
pub fn create_private(path: &Path) -> io::Result<File> {
    // One left from a crash may be anybody's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().append(true).create_new(true).mode(0o600).open(path)
}

impl StateDir {
    /// Takes the directory, made where it is missing.
    ///
    /// # Errors
    /// It can't be used, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        make_private(path).map_err(|error| OpenError::Unusable(path.to_owned(), error))?;
        let mut directory = Self { path: path.to_owned(), lock: None };
        match directory.lock() {
            // Nobody can write here now, so nobody is in the way: the keeper says so, and tries again.
            Err(OpenError::Unusable(_, error)) if lets_nobody_write(&error) => Ok(directory),
            Err(error) => Err(error),
            Ok(()) => Ok(directory),
        }
    }

    /// Takes the lock where it isn't held yet.
    ///
    /// # Errors
    /// As [`StateDir::open`]'s.
    pub fn lock(&mut self) -> Result<(), OpenError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.file("lock");
        // One that is there already can be locked on a read-only disk too.
        let file = open_private(&path)
            .or_else(|error| if lets_nobody_write(&error) { File::open(&path).map_err(|_| error) } else { Err(error) });
        let file = file.map_err(|error| OpenError::Unusable(path.clone(), error))?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => return Err(OpenError::Unusable(path, error)),
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The settings that were kept.
    ///
    /// # Errors
    /// The file can't be read, or isn't one of ours.
    pub fn settings(&self) -> Result<HashMap<String, KeptSettings>, OpenError> {
        let path = self.file(SETTINGS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "{}".to_owned(),
            text => text.map_err(|error| OpenError::Unusable(path.clone(), error))?,
        };
        let written: HashMap<String, Written> =
            serde_json::from_str(&text).map_err(|error| OpenError::Unusable(path, io::Error::other(error)))?;
        Ok(written.into_iter().map(|(room, written)| (room, written.into_kept())).collect())
    }

    /// Writes all settings, aside first: a crash leaves the old file or the new one.
    pub fn save_settings(&self, rooms: &BTreeMap<String, KeptSettings>) -> io::Result<()> {
        let written: BTreeMap<&str, Written> =
            rooms.iter().map(|(room, kept)| (room.as_str(), Written::from_kept(kept))).collect();
        let aside = self.file("rooms.new");
        let mut file = create_private(&aside)?;
        file.write_all(&serde_json::to_vec(&written)?)?;
        file.sync_data()?;
        fs::rename(&aside, self.file(SETTINGS))
    }
}

/// The settings of all rooms.
const SETTINGS: &str = "rooms.json";

fn lets_nobody_write(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl KeptSettings {
    /// Those of a room that ever changed any.
    pub fn of(room: &Room) -> Option<Self> {
        let (version, changed) = room.changed();
        (version > 0).then(|| Self { version, changed: changed.clone() })
    }
}

impl Written {
    fn from_kept(kept: &KeptSettings) -> Self {
        let settings = kept.changed.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        Self { version: kept.version, settings }
    }

    fn into_kept(self) -> KeptSettings {
        let mut changed = Change::default();
        for (name, value) in &self.settings {
            changed.set_stored(name, value);
        }
        KeptSettings { version: self.version, changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Value;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_was_saved_is_there_again_and_is_for_our_user_alone() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("state");
        let directory = StateDir::open(&path).unwrap();
        assert!(directory.settings().unwrap().is_empty());
        let mut changed = Change::default();
        changed.set("admission_limit", Value::Int(7)).unwrap();
        changed.set("message", Value::Text("two\nlines".into())).unwrap();
        let rooms = BTreeMap::from([("shop".to_owned(), KeptSettings { version: 3, changed })]);
        fs::write(path.join("rooms.new"), "left from a crash").unwrap();
        directory.save_settings(&rooms).unwrap();
        assert_eq!((mode(&path), mode(&path.join("rooms.json")), mode(&path.join("lock"))), (0o700, 0o600, 0o600));
        drop(directory);
        let kept = StateDir::open(&path).unwrap().settings().unwrap();
        assert_eq!(kept.into_iter().collect::<BTreeMap<_, _>>(), rooms);
    }

    #[test]
    fn two_cannot_share_a_directory() {
        let path = tempfile::tempdir().unwrap();
        let first = StateDir::open(path.path()).unwrap();
        let refused = StateDir::open(path.path()).unwrap_err();
        assert!(matches!(refused, OpenError::InUse(_)) && refused.to_string().contains("another gatekeeper"));
        drop(first);
        StateDir::open(path.path()).unwrap();
    }

    #[test]
    fn settings_that_are_not_ours_are_refused_with_their_place() {
        let path = tempfile::tempdir().unwrap();
        fs::write(path.path().join("rooms.json"), "[").unwrap();
        let refused = StateDir::open(path.path()).unwrap().settings().unwrap_err().to_string();
        assert!(refused.contains("rooms.json"), "{refused}");
    }
}
