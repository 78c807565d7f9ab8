//! The real binary, with a configuration, a state directory and ports of its own.

use super::client::{Answer, plain, send};
use super::metrics::Metrics;
use super::ports::{free_port, is_listened_on};
use super::process::Process;
use super::{SOON, eventually};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The key that may make every call.
pub const FULL_KEY: &str = "full-key-1";
/// The key that a page may carry.
pub const BROWSER_KEY: &str = "pk_checkout";
/// What signs the tokens, unless the test says otherwise.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// A start is over after so long.
const START: Duration = Duration::from_secs(15);
const ATTEMPTS: usize = 3;

/// What a test wants different from the simplest gate: one room `checkout`, one site for every host.
///
/// The texts are further lines of TOML for the section of their name.
#[derive(Clone, Debug)]
pub struct Setup {
    pub origins: Vec<SocketAddr>,
    /// Absent: the memory store.
    pub store_url: Option<String>,
    pub secrets: Vec<String>,
    /// Inside the room's `settings = { … }`.
    pub settings: String,
    pub server: String,
    /// Further lines of the listener; where there are none it is written in its short form.
    pub listener: String,
    pub store: String,
    pub tokens: String,
    pub room: String,
    pub site: String,
    /// Whole sections: further rooms, sites, listeners.
    pub more: String,
    /// Beside `PATH`; nothing else of the test's environment is passed on.
    pub environment: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        let text = String::new;
        Self {
            origins: Vec::new(),
            store_url: None,
            secrets: vec![SECRET.to_owned()],
            settings: text(),
            server: text(),
            listener: text(),
            store: text(),
            tokens: text(),
            room: text(),
            site: text(),
            more: text(),
            environment: Vec::new(),
        }
    }
}

impl Setup {
    /// The simplest gate in front of this origin.
    pub fn before(origin: SocketAddr) -> Self {
        Self { origins: vec![origin], ..Self::default() }
    }

    /// With these settings of the room: `"admission_limit = 1, max_active = 1"`.
    #[must_use]
    pub fn settings(self, settings: &str) -> Self {
        Self { settings: settings.to_owned(), ..self }
    }

    /// On this store.
    #[must_use]
    pub fn on_store(self, url: &str) -> Self {
        Self { store_url: Some(url.to_owned()), ..self }
    }

    /// The configuration file.
    pub fn toml(&self, place: &Place) -> String {
        let Self { settings, server, listener, store, tokens, room, site, more, .. } = self;
        let origins: Vec<String> = self.origins.iter().map(SocketAddr::to_string).collect();
        let (origins, secrets) = (list(&origins), list(&self.secrets));
        let url = self.store_url.as_ref().map(|url| format!("url = {}\n", quoted(url))).unwrap_or_default();
        let store = if url.is_empty() && store.is_empty() { url } else { format!("[store]\n{url}{store}\n") };
        let (listen, metrics) = (quoted(&place.listen.to_string()), quoted(&place.metrics.to_string()));
        let (short, long) = if listener.is_empty() {
            (format!("listen = [{listen}]"), String::new())
        } else {
            (String::new(), format!("[[server.listeners]]\naddr = {listen}\n{listener}"))
        };
        let state = quoted(&place.state_dir().display().to_string());
        format!(
            r#"[server]
{short}
metrics_listen = {metrics}
state_dir = {state}
{server}
{store}
[tokens]
secrets = [{secrets}]
{tokens}
[[rooms]]
name = "checkout"
keys = [{{ key = "{FULL_KEY}", scope = "full" }}, {{ key = "{BROWSER_KEY}", scope = "browser" }}]
settings = {{ {settings} }}
{room}
[[sites]]
hosts = ["*"]
origins = [{origins}]
room = "checkout"
{site}
{long}
{more}
"#
        )
    }
}

/// A directory and two ports.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    pub listen: SocketAddr,
    pub metrics: SocketAddr,
}

impl Place {
    pub fn new() -> Self {
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        Self { directory: TempDir::new().unwrap(), listen: address(), metrics: address() }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn config_file(&self) -> PathBuf {
        self.directory().join("gatekeeper.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.directory().join("state")
    }
}

/// A running gate. Dropped, it is killed; a panic in its output then fails the test.
#[derive(Debug)]
pub struct Gatekeeper {
    process: Process,
    place: Arc<Place>,
    setup: Setup,
}

impl Gatekeeper {
    /// Starts it and waits until `/health` answers 200.
    ///
    /// # Panics
    /// When it ends or is silent for 15 s; the message shows its output.
    pub async fn start(setup: Setup) -> Self {
        for _ in 0..ATTEMPTS {
            let place = Arc::new(Place::new());
            fs::write(place.config_file(), setup.toml(&place)).unwrap();
            let gate = Self { process: spawn(&setup, &place, &[]), place, setup: setup.clone() };
            if gate.is_up().await {
                return gate;
            }
        }
        panic!("gatekeeper found its ports taken in {ATTEMPTS} attempts");
    }

    /// Starts one that must not come up: how it ended and what it said.
    pub async fn fails(setup: Setup) -> (ExitStatus, String) {
        let place = Place::new();
        fs::write(place.config_file(), setup.toml(&place)).unwrap();
        let process = spawn(&setup, &place, &[]);
        let status = process.wait_exit(START).await;
        (status, process.output())
    }

    /// A second process on the same configuration, ports and state, with further arguments after `run --config F`: the
    /// successor in an upgrade. It is not waited for: both answer on the same port.
    pub fn beside(&self, arguments: &[&str]) -> Self {
        let process = spawn(&self.setup, &self.place, arguments);
        Self { process, place: Arc::clone(&self.place), setup: self.setup.clone() }
    }

    /// Starts it again with the same configuration, ports and state. Kills it first where it runs.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.assert_no_panic();
        self.process = spawn(&self.setup, &self.place, &[]);
        assert!(self.is_up().await, "port {} was taken while gatekeeper was down", self.place.listen.port());
    }

    /// `http://127.0.0.1:PORT/path`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.place.listen)
    }

    pub fn addr(&self) -> SocketAddr {
        self.place.listen
    }

    pub fn metrics_addr(&self) -> SocketAddr {
        self.place.metrics
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A plain GET, without cookies or redirects.
    pub async fn get(&self, path: &str) -> Answer {
        send(plain().build().unwrap().get(self.url(path))).await
    }

    /// What its metrics say now.
    pub async fn metrics(&self) -> Metrics {
        let url = format!("http://{}/metrics", self.place.metrics);
        let answer = send(plain().build().unwrap().get(url)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Metrics::parse(&answer.text())
    }

    /// SIGTERM: the graceful end.
    pub fn term(&self) {
        self.process.signal("TERM");
    }

    /// SIGQUIT: hand the listeners over, then end.
    pub fn quit(&self) {
        self.process.signal("QUIT");
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGSTOP.
    pub fn stop(&self) {
        self.process.signal("STOP");
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.process.signal("CONT");
    }

    /// SIGHUP: read the configuration again.
    pub fn reload(&self) {
        self.process.signal("HUP");
    }

    /// Writes another configuration; [`Gatekeeper::reload`] or a restart makes it count.
    pub fn configure(&mut self, setup: Setup) {
        fs::write(self.place.config_file(), setup.toml(&self.place)).unwrap();
        self.setup = setup;
    }

    /// Waits for its end, and for the last line of its log.
    pub async fn wait_exit(&self, within: Duration) -> ExitStatus {
        self.process.wait_exit(within).await
    }

    /// All it has said so far, stdout and stderr together.
    pub fn logs(&self) -> String {
        self.process.output()
    }

    pub async fn await_log(&self, text: &str, within: Duration) {
        self.process.await_output(text, within).await;
    }

    /// False where somebody else has one of its ports.
    async fn is_up(&self) -> bool {
        let client = plain().timeout(Duration::from_secs(2)).build().unwrap();
        eventually(START, async || {
            if let Some(status) = self.process.exit() {
                self.process.wait_exit(SOON).await;
                let clash = self.logs().to_lowercase().contains("address already in use");
                assert!(clash, "gatekeeper ended at once: {status}\n{}", self.process.last_words());
                return Some(false);
            }
            if [self.place.listen, self.place.metrics].iter().any(|address| self.is_taken(address.port())) {
                return Some(false);
            }
            let answer = client.get(self.url("/health")).send().await.ok()?;
            (answer.status() == 200).then_some(true)
        })
        .await
    }

    /// Whether another process has the port. A proxy that can't bind tries on for long, and the stranger would answer.
    fn is_taken(&self, port: u16) -> bool {
        is_listened_on(port) && !self.process.listens_on(port)
    }

    fn assert_no_panic(&self) {
        let logs = self.logs();
        let panic = logs.lines().find(|line| line.contains("panicked at"));
        assert!(panic.is_none(), "gatekeeper panicked: {}\n{}", panic.unwrap_or_default(), self.process.last_words());
    }
}

impl Drop for Gatekeeper {
    fn drop(&mut self) {
        self.process.kill();
        if !thread::panicking() {
            self.assert_no_panic();
        }
    }
}

fn spawn(setup: &Setup, place: &Place, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.arg("run").arg("--config").arg(place.config_file()).args(arguments).current_dir(place.directory());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_BACKTRACE", "1");
    command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
    Process::spawn("gatekeeper", &mut command)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}
