//! A real `redis-server`, empty, on a port of its own.

use super::pki::TestCa;
use super::ports::free_port;
use super::process::Process;
use super::{SOON, eventually};
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, TlsCertificates};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const ATTEMPTS: usize = 5;

/// One server. Unless its options say otherwise it keeps nothing on disk: what was killed and restarted is empty.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    options: Vec<String>,
    ca: Option<Arc<TestCa>>,
    directory: TempDir,
}

impl Redis {
    /// # Panics
    /// When there is no `redis-server` here, or it does not come up.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further command line options (`&["--maxmemory", "2mb"]`).
    pub async fn start_with(options: &[&str]) -> Self {
        Self::launch(options, None).await
    }

    /// Speaks TLS alone, with the authority's server certificate.
    pub async fn start_tls(ca: &Arc<TestCa>) -> Self {
        Self::launch(&[], Some(Arc::clone(ca))).await
    }

    async fn launch(options: &[&str], ca: Option<Arc<TestCa>>) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..ATTEMPTS {
            let directory = TempDir::new().unwrap();
            let port = free_port();
            let process = spawn(port, &options, ca.as_deref(), directory.path());
            let redis = Self { process, port, options: options.clone(), ca: ca.clone(), directory };
            if redis.is_up().await {
                return redis;
            }
        }
        panic!("redis-server found no free port in {ATTEMPTS} attempts");
    }

    /// Waits until it answers; false where somebody else has the port.
    async fn is_up(&self) -> bool {
        eventually(SOON, async || {
            if self.process.exit().is_some() {
                let clash = self.process.output().contains("Address already in use");
                assert!(clash, "redis-server did not start\n{}", self.process.last_words());
                return Some(false);
            }
            let ours = self.process.listens_on(self.port);
            (ours && self.pings().await).then_some(true)
        })
        .await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it writes down, if it does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `redis://127.0.0.1:PORT`, or `rediss://…`.
    pub fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// A client that trusts the test's authority where TLS is spoken.
    pub fn client(&self) -> Client {
        match &self.ca {
            None => Client::open(self.url()).unwrap(),
            Some(ca) => {
                let root_cert = Some(fs::read(ca.root()).unwrap());
                Client::build_with_tls(self.url(), TlsCertificates { client_tls: None, root_cert }).unwrap()
            }
        }
    }

    /// A connection, to look behind the store's back.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.client().get_multiplexed_async_connection().await.expect("redis-server takes a connection")
    }

    /// With a password.
    pub async fn connection_with_password(&self, password: &str) -> MultiplexedConnection {
        let client = Client::open(format!("redis://:{password}@127.0.0.1:{}", self.port)).unwrap();
        client.get_multiplexed_async_connection().await.expect("redis-server takes the password")
    }

    /// What it answers to a command, on a new connection; `None` where it doesn't, or refuses.
    pub async fn says<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let mut connection = self.client().get_multiplexed_async_connection().await.ok()?;
        let (name, arguments) = words.split_first()?;
        redis::cmd(name).arg(arguments).query_async(&mut connection).await.ok()
    }

    /// Whether it answers a PING on a new connection within half a second.
    pub async fn pings(&self) -> bool {
        let ping = async {
            let mut connection = self.client().get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<String>(&mut connection).await
        };
        tokio::time::timeout(Duration::from_millis(500), ping).await.is_ok_and(|answer| answer.is_ok())
    }

    /// SIGKILL; connections are reset, the port refuses.
    pub fn kill9(&self) {
        self.process.kill();
    }

    /// Starts it again on the same port, empty. Kills it first where it runs.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = spawn(self.port, &self.options, self.ca.as_deref(), self.directory.path());
        assert!(self.is_up().await, "port {} was taken while redis-server was down", self.port);
    }

    /// SIGSTOP: connects still succeed, nothing answers.
    pub fn stall(&self) {
        self.process.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn spawn(port: u16, options: &[String], ca: Option<&TestCa>, directory: &Path) -> Process {
    let mut command = Command::new("redis-server");
    command.current_dir(directory).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--maxmemory-policy", "noeviction"]).arg("--dir").arg(directory);
    match ca {
        None => command.args(["--port", &port.to_string()]),
        Some(ca) => tls(&mut command, port, ca),
    };
    Process::spawn("redis-server", command.args(options))
}

fn tls<'a>(command: &'a mut Command, port: u16, ca: &TestCa) -> &'a mut Command {
    command.args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
    command.arg("--tls-ca-cert-file").arg(ca.root());
    command.arg("--tls-cert-file").arg(ca.certificate()).arg("--tls-key-file").arg(ca.key())
}
