//! The servers under measurement: started on one core, watched through /proc, killed when dropped.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The core of the servers; everything else runs on another one.
pub const SERVER_CORE: usize = 0;
pub const OTHER_CORE: usize = 1;

const SOON: Duration = Duration::from_secs(20);

/// A process of ours.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts `words` on a core and waits until it takes connections. What it says goes into a file of its name.
    pub fn start(name: &str, core: usize, words: &[String], port: u16, directory: &Path) -> io::Result<Self> {
        let mut server = Self::spawn(name, core, words, port, directory)?;
        let end = Instant::now() + SOON;
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
            if let Some(status) = server.child.try_wait()? {
                let said = fs::read_to_string(directory.join(format!("{name}.err"))).unwrap_or_default();
                return Err(io::Error::other(format!("{name} ended ({status}):\n{said}")));
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("{name} does not listen on port {port}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// The same without waiting.
    pub fn spawn(name: &str, core: usize, words: &[String], port: u16, directory: &Path) -> io::Result<Self> {
        let said = File::create(directory.join(format!("{name}.err")))?;
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).args(words).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let child = command.spawn().map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        Ok(Self { child, port })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far, user and system, of all threads: nanoseconds, from the scheduler's own account. Those of threads
    /// that ended meanwhile are lost, so don't ask across the end of one.
    pub fn cpu_ns(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib.ok_or_else(|| io::Error::other("no VmRSS"))
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?.port())
}
