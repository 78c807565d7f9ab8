//! A child process: its output kept in memory, its signals, its end.

use super::{eventually, ports};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// So many lines of output are shown when a test fails.
const SHOWN: usize = 60;

/// A running program; killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Mutex<Child>,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the program with no input; stdout and stderr are kept, line by line, in the order of their arrival.
    ///
    /// # Panics
    /// When the program can't be started; the message says how to get it.
    pub fn spawn(name: &'static str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} could not be started ({error}): {}", how_to_get(name)));
        let output = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().map(|pipe| keep(pipe, &output));
        let stderr = child.stderr.take().map(|pipe| keep(pipe, &output));
        Self { name, child: Mutex::new(child), output, readers: stdout.into_iter().chain(stderr).collect() }
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// All it has written so far, stdout and stderr together.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// How it ended; `None` while it runs.
    pub fn exit(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().expect("the child can be asked")
    }

    /// Whether this very process listens on `port`.
    pub fn listens_on(&self, port: u16) -> bool {
        ports::listens(self.pid(), port)
    }

    /// Sends a signal by its short name (`TERM`, `HUP`, `STOP`, …), unless the process has ended.
    pub fn signal(&self, signal: &str) {
        let mut child = self.child.lock().unwrap(); // held, so that the pid can't be reaped and reused meanwhile
        if child.try_wait().expect("the child can be asked").is_some() {
            return;
        }
        let pid = child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &pid]).status();
        assert!(sent.expect("sh runs").success(), "SIG{signal} could not be sent to {}", self.name);
    }

    /// SIGKILL; the process is gone when this returns.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _already_gone = child.kill();
        let _status = child.wait();
    }

    /// Waits for its end and for the last of its output.
    pub async fn wait_exit(&self, within: Duration) -> ExitStatus {
        let status = eventually(within, async || self.exit()).await;
        eventually(within, async || self.readers.iter().all(JoinHandle::is_finished).then_some(())).await;
        status
    }

    /// Waits until its output contains `text`.
    pub async fn await_output(&self, text: &str, within: Duration) {
        eventually(within, async || self.output.lock().unwrap().contains(text).then_some(())).await;
    }

    /// The end of its output, for the message of a failing test.
    pub fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default().join("\n");
        format!("--- {} ({}), the end of its output:\n{shown}\n---", self.name, self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

fn keep(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

fn how_to_get(name: &str) -> &'static str {
    match name {
        "redis-server" | "redis-cli" | "redis-sentinel" => {
            "these tests need a real Redis 6.2 or later; install it (Debian: apt-get install redis-server redis-tools)"
        }
        _ => "it must be on the PATH",
    }
}
