//! The hand-over of the listeners to another process of this program, so that no connection is refused in between.
//!
//! The successor (`run --upgrade`) waits at a socket in `state_dir`; SIGQUIT makes the old process send its listeners
//! there. pingora moves them but asks nobody whether they arrived: the old process would close even if the successor never
//! came, or fell over while it started. So the two exchange a word over a second socket. The old process goes on
//! serving until the successor has said `ready`, and for good where it doesn't; the successor serves for itself only when
//! it heard `go`, or when the old process is gone.
//!
//! Both sockets lie in a directory of their own that nobody else may enter: who can connect gets the listeners.

use super::{App, StartError};
use pingora::server::Fds;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};

/// A successor that was started in the same breath as the signal was sent may need so long to come.
const AWAIT_SUCCESSOR: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// It answers at once when it got the listeners …
const GREET: Duration = Duration::from_secs(10);
/// … and is ready so much later at most: it opens its store and looks at its origins first.
const GET_READY: Duration = Duration::from_secs(60);
/// So often the successor waits for the listeners, some six seconds each time.
const WAITS: usize = 10;
/// An address of a Unix socket holds no more.
const LONGEST_PATH: usize = 107;

const READY: &[u8; 6] = b"ready\n";
const GO: &[u8; 3] = b"go\n";
const NO: &[u8; 3] = b"no\n";

/// Where old and new meet: a directory in `state_dir` that is this user's alone.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    directory: PathBuf,
}

/// Why the listeners stay where they are.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    #[error("no successor waits for the listeners; start it first, with --upgrade and the same configuration")]
    NoSuccessor,
    #[error("the successor ended, or fell silent, before it was ready")]
    NotReady,
    #[error("the rooms can't be written down: {0}")]
    Rooms(#[source] io::Error),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

impl Rendezvous {
    /// Makes the directory where it is missing, and takes everybody else's rights to it.
    ///
    /// # Errors
    /// It can't be made, or is another user's.
    pub fn within(state_dir: &Path) -> io::Result<Self> {
        let directory = state_dir.join("upgrade");
        crate::store::memory::make_private(state_dir)?;
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !fs::symlink_metadata(&directory)?.is_dir() {
            return Err(io::Error::other(format!("{} is no directory", directory.display())));
        }
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        let place = Self { directory };
        if place.listeners().as_os_str().len() > LONGEST_PATH {
            return Err(io::Error::other("the path is too long for a socket; give a shorter state_dir"));
        }
        Ok(place)
    }

    fn listeners(&self) -> PathBuf {
        self.directory.join("listeners.sock")
    }

    fn word(&self) -> PathBuf {
        self.directory.join("word.sock")
    }

    /// Notes who serves now: whom to send the next SIGQUIT.
    pub fn note_pid(&self) {
        let written = fs::write(self.directory.join("pid.new"), format!("{}\n", std::process::id()))
            .and_then(|()| fs::rename(self.directory.join("pid.new"), self.directory.join("pid")));
        if let Err(error) = written {
            tracing::warn!(directory = %self.directory.display(), %error, "the pid can't be noted");
        }
    }

    /// Leaves the number of what was cut for the next process: nobody can ask this one's metrics any more.
    pub fn tell_cut(&self, cut: u64) {
        let path = self.directory.join(format!("cut-{}", std::process::id()));
        if let Err(error) = fs::write(path, cut.to_string()) {
            tracing::warn!(%error, "the number of what was cut can't be left for the successor");
        }
    }

    /// What former processes cut, each told once.
    pub fn cut_by_predecessors(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.directory) else { return 0 };
        let told =
            entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with("cut-"));
        told.filter_map(|entry| {
            let number = fs::read_to_string(entry.path()).ok()?.trim().parse::<u64>().ok()?;
            fs::remove_file(entry.path()).ok().map(|()| number)
        })
        .sum()
    }
}

impl App {
    /// Called on SIGQUIT, when a successor waits and before it gets the listeners: what only one process can own has to be
    /// free when this returns. A store in Redis has nothing to give away; the embedded one writes everything down, and
    /// until its successor has read it, everybody keeps the place and nobody is let in.
    ///
    /// # Errors
    /// It could not be written down; everything is as it was.
    pub async fn hand_over(&self) -> io::Result<()> {
        let Some(memory) = self.memory.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || memory.hand_over()).await.map_err(io::Error::other)?
    }

    /// Called where the successor failed: this process goes on serving, and needs back what it gave away.
    pub fn take_back(&self) {
        if let Some(memory) = &self.memory
            && let Err(error) = memory.take_back()
        {
            tracing::error!(%error, "the rooms can't be taken back; nobody is let in until a restart");
        }
    }
}

/// Gives the listeners to the successor that waits; when this returns `Ok`, it serves.
///
/// # Errors
/// It doesn't; everything is as it was before.
pub async fn hand_over(place: &Rendezvous, listeners: Fds, app: &App) -> Result<(), HandOverError> {
    let path = place.listeners();
    let waits = async {
        while !is_awaited(&path) {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(AWAIT_SUCCESSOR, waits).await.map_err(|_| HandOverError::NoSuccessor)?;
    let word = place.word();
    remove(&word)?;
    let ear = UnixListener::bind(&word)?;
    let result = match app.hand_over().await {
        Ok(()) => exchange(&path, listeners, &ear).await,
        Err(error) => Err(HandOverError::Rooms(error)),
    };
    if result.is_err() {
        app.take_back();
    }
    remove(&word)?;
    result
}

async fn exchange(path: &Path, listeners: Fds, ear: &UnixListener) -> Result<(), HandOverError> {
    let path = path.to_string_lossy().into_owned();
    let sent = tokio::task::spawn_blocking(move || listeners.send_to_sock(path.as_str())).await;
    sent.map_err(io::Error::other)?.map_err(|error| io::Error::from_raw_os_error(error as i32))?;
    let (mut successor, _) = timeout(GREET, ear.accept()).await.map_err(|_| HandOverError::NotReady)??;
    let mut said = [0; READY.len()];
    let is_ready = timeout(GET_READY, successor.read_exact(&mut said)).await;
    if matches!(is_ready, Ok(Ok(_))) && said == *READY {
        successor.write_all(GO).await?;
        return Ok(());
    }
    let _gone = successor.write_all(NO).await;
    Err(HandOverError::NotReady)
}

/// Whether somebody listens there. A connection would be taken for the hand-over itself; an attempt of the wrong type
/// never arrives, but tells a live socket (wrong type) from a dead one (refused).
fn is_awaited(path: &Path) -> bool {
    let attempt = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    attempt.is_err_and(|error| !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The listeners of the predecessor, and the line to it.
pub struct Inherited {
    pub listeners: Fds,
    predecessor: Option<UnixStream>,
}

impl Inherited {
    /// Waits for the listeners. Blocks; a minute at most.
    ///
    /// # Errors
    /// They didn't come.
    pub fn receive(place: &Rendezvous) -> Result<Self, StartError> {
        let path = place.listeners().to_string_lossy().into_owned();
        tracing::info!(socket = path, "waiting for the listeners; send SIGQUIT to the running process now");
        let mut listeners = Fds::new();
        for _ in 0..WAITS {
            if listeners.get_from_sock(path.as_str()).is_ok() && !listeners.is_empty() {
                // Where the predecessor is gone already, nobody is left to hear it.
                return Ok(Self { listeners, predecessor: UnixStream::connect(place.word()).ok() });
            }
        }
        Err(StartError::one(
            "--upgrade: no running process handed its listeners over; it must have the same server.state_dir and get \
             SIGQUIT while this one waits",
        ))
    }

    /// Tells the predecessor that this process serves; it then leaves. Blocks for a moment.
    ///
    /// # Errors
    /// It went on by itself: this process is not wanted.
    pub fn take_over(mut self) -> Result<(), StartError> {
        let Some(predecessor) = &mut self.predecessor else { return Ok(()) };
        let mut said = Vec::new();
        let answer = predecessor
            .set_read_timeout(Some(GREET))
            .and_then(|()| predecessor.write_all(READY))
            .and_then(|()| predecessor.take(GO.len() as u64).read_to_end(&mut said));
        if said == NO {
            return Err(StartError::one("--upgrade: this process took too long; the old one goes on serving"));
        }
        if answer.is_err() || said != GO {
            tracing::warn!("the predecessor is gone before it could be told that its successor serves");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_meeting_place_is_private_even_if_it_was_not() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("upgrade");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        Rendezvous::within(state.path()).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        let elsewhere = state.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::remove_dir(&directory).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &directory).unwrap();
        assert!(Rendezvous::within(state.path()).is_err(), "a link leads to who knows where");
        let long = state.path().join("x".repeat(100));
        assert!(Rendezvous::within(&long).unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn a_look_tells_who_waits_from_who_is_gone_and_disturbs_nobody() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("x.sock");
        assert!(!is_awaited(&path));
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(is_awaited(&path));
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(listener);
        assert!(!is_awaited(&path));
    }

    #[test]
    fn what_was_cut_is_told_once() {
        let state = tempfile::tempdir().unwrap();
        let place = Rendezvous::within(state.path()).unwrap();
        assert_eq!(place.cut_by_predecessors(), 0);
        place.tell_cut(3);
        assert_eq!(place.cut_by_predecessors(), 3);
        assert_eq!(place.cut_by_predecessors(), 0);
    }
}
