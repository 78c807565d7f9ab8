//! The stage: origin, Redis, the peers and the gates, each started when a row first needs it.

use crate::call::{self, call};
use crate::origin;
use crate::process::{OTHER_CORE, SERVER_CORE, Server, free_port};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Signs the tokens: the same for the gates and for the peers that check them. Of no worth elsewhere.
const SECRET: &str = "c1f7a09d3be84e26985d40ab17f36e5208bd7c94";
const COOKIE: &str = "gatekeeper_shop";
/// Visitors whose tokens are shown, one per connection.
pub const VISITORS: usize = 64;

/// Where the programs are.
pub struct Programs {
    pub gatekeeper: PathBuf,
    pub peer: PathBuf,
    /// The folder with the peers' configurations.
    pub conf: PathBuf,
}

/// What runs.
pub struct Stage {
    programs: Programs,
    directory: PathBuf,
    pub origin: u16,
    pub redis: Server,
    databases: u32,
}

/// How a gate is set up.
#[derive(Clone, Copy)]
pub struct Gate {
    pub log: bool,
    /// People per window and its length in seconds.
    pub admits: (u32, u32),
}

/// Lets everybody in.
pub const OPEN: Gate = Gate { log: false, admits: (1_000_000, 1) };
/// Lets one in per hour, so that everybody else waits.
pub const BUSY: Gate = Gate { log: false, admits: (1, 3600) };

/// A gate that runs, and its database in Redis.
pub struct Running {
    pub server: Server,
    pub database: u32,
    metrics: u16,
    words: Vec<String>,
    name: String,
}

impl Stage {
    pub fn set(programs: Programs, directory: &Path) -> io::Result<Self> {
        let port = free_port()?;
        let words = [
            "redis-server",
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory-policy",
            "noeviction",
            "--databases",
            "64",
        ];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        let redis = Server::start("redis", OTHER_CORE, &words, port, directory)?;
        Ok(Self { programs, directory: directory.to_owned(), origin: origin::start()?, redis, databases: 0 })
    }

    /// A peer of the crate's own: bare, hello or page10k.
    pub fn peer(&self, kind: &str) -> io::Result<Server> {
        let (words, port) = self.peer_words(kind)?;
        Server::start(kind, SERVER_CORE, &words, port, &self.directory)
    }

    /// The command line of such a peer, on a free port.
    pub fn peer_words(&self, kind: &str) -> io::Result<(Vec<String>, u16)> {
        let port = free_port()?;
        let mut words = vec![text(&self.programs.peer), kind.to_owned(), port.to_string()];
        if kind == "bare" {
            words.push(self.origin.to_string());
        }
        Ok((words, port))
    }

    /// nginx; its second port checks tokens.
    pub fn nginx(&self) -> io::Result<(Server, u16)> {
        let (plain, checked) = (free_port()?, free_port()?);
        self.write("gate.js", &[])?;
        let values = [("PLAIN", plain.to_string()), ("CHECKED", checked.to_string())];
        let conf = self.write("nginx.conf", &values)?;
        let words = ["nginx".to_owned(), "-p".to_owned(), text(&self.directory), "-c".to_owned(), text(&conf)];
        Ok((Server::start("nginx", SERVER_CORE, &words, plain, &self.directory)?, checked))
    }

    pub fn haproxy(&self) -> io::Result<Server> {
        let port = free_port()?;
        let conf = self.write("haproxy.cfg", &[("CHECKED", port.to_string())])?;
        let words = ["haproxy".to_owned(), "-db".to_owned(), "-f".to_owned(), text(&conf)];
        Server::start("haproxy", SERVER_CORE, &words, port, &self.directory)
    }

    /// A gate with a line of its own; ready when it has met its store and its origin.
    pub fn gate(&mut self, name: &str, gate: Gate) -> io::Result<Running> {
        self.databases += 1;
        let (port, metrics) = (free_port()?, free_port()?);
        let values = [
            ("PORT", port.to_string()),
            ("METRICS", metrics.to_string()),
            ("REDIS", self.redis.port.to_string()),
            ("DATABASE", self.databases.to_string()),
            ("LIMIT", gate.admits.0.to_string()),
            ("FREQUENCY", gate.admits.1.to_string()),
            ("ACCESS", gate.log.to_string()),
        ];
        let conf = self.write_as("gatekeeper.toml", &format!("{name}.toml"), &values)?;
        let words = [text(&self.programs.gatekeeper), "run".to_owned(), "--config".to_owned(), text(&conf)].to_vec();
        let server = Server::start(name, SERVER_CORE, &words, port, &self.directory)?;
        let running = Running { server, database: self.databases, metrics, words, name: name.to_owned() };
        eventually("a gate is ready", || Ok(running.get("/health/ready")?.status == 200))?;
        Ok(running)
    }

    /// Kills a gate with no warning and starts it again at once, without waiting for it.
    pub fn restart(&self, running: &mut Running) -> io::Result<()> {
        let port = running.server.port;
        running.server.kill();
        running.server = Server::spawn(&running.name, SERVER_CORE, &running.words, port, &self.directory)?;
        Ok(())
    }

    /// The same for a peer.
    pub fn restart_peer(&self, server: &mut Server, words: &[String]) -> io::Result<()> {
        server.kill();
        *server = Server::spawn("bare", SERVER_CORE, words, server.port, &self.directory)?;
        Ok(())
    }

    /// Puts people into a gate's line, as its scripts would have: each with a ticket of the last hour.
    pub fn crowd(&self, gate: &Running, people: u64) -> io::Result<()> {
        const CHUNK: u64 = 1000;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?;
        // Nobody is swept: they were all "seen" an hour from now.
        let (first, seen) = (now.as_micros() as u64 - 3_600_000_000, now.as_millis() as u64 + 3_600_000);
        let database = gate.database.to_string();
        for chunk in 0..people.div_ceil(CHUNK) {
            let mut commands = call::command(&[b"SELECT", database.as_bytes()]);
            let many = chunk * CHUNK..((chunk + 1) * CHUNK).min(people);
            let names: Vec<[u8; 16]> = many.clone().map(visitor).collect();
            let tickets: Vec<String> =
                many.clone().map(|n| (first + n * 3_500_000_000 / people.max(1)).to_string()).collect();
            let seen = seen.to_string();
            for (key, scores) in [("gk:{shop}:line", Some(&tickets)), ("gk:{shop}:seen", None)] {
                let mut words: Vec<&[u8]> = vec![b"ZADD", key.as_bytes()];
                for (at, name) in names.iter().enumerate() {
                    words.push(scores.map_or(seen.as_bytes(), |tickets| tickets[at].as_bytes()));
                    words.push(name);
                }
                commands.extend(call::command(&words));
            }
            call::redis(self.redis.port, &commands, 3)?;
        }
        // The next sync brings it down.
        thread::sleep(Duration::from_secs(1));
        Ok(())
    }

    fn write(&self, name: &str, values: &[(&str, String)]) -> io::Result<PathBuf> {
        self.write_as(name, name, values)
    }

    fn write_as(&self, from: &str, name: &str, values: &[(&str, String)]) -> io::Result<PathBuf> {
        let mut conf = fs::read_to_string(self.programs.conf.join(from))?;
        let common = [("SECRET", SECRET.to_owned()), ("ORIGIN", self.origin.to_string())];
        for (key, value) in common.iter().chain(values).chain(&[("DIRECTORY", text(&self.directory))]) {
            conf = conf.replace(&format!("@{key}@"), value);
        }
        let path = self.directory.join(name);
        fs::write(&path, conf)?;
        Ok(path)
    }
}

impl Running {
    fn get(&self, path: &str) -> io::Result<call::Answer> {
        call(self.server.port, &call::poll(path, ""))
    }

    /// Somebody who is inside: the cookie's value.
    pub fn admitted(&self) -> io::Result<String> {
        let answer = call(self.server.port, &call::navigation("/", ""))?;
        answer.cookie(COOKIE).filter(|_| answer.status == 200).ok_or_else(|| unexpected("be let in", &answer))
    }

    /// People who wait, each registered: the cookies' values.
    pub fn waiting(&self) -> io::Result<Vec<String>> {
        // Whom the window still takes.
        eventually("the room is busy", || Ok(call(self.server.port, &call::navigation("/", ""))?.status == 503))?;
        let port = self.server.port;
        let one = move || {
            let answer = call(port, &call::navigation("/", ""))?;
            let cookie = answer.cookie(COOKIE).ok_or_else(|| unexpected("get a place", &answer))?;
            fresh(port, cookie)
        };
        let all: Vec<_> = (0..VISITORS).map(|_| thread::spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))).collect()
    }

    /// The calls to the store so far, as the gate counts them.
    pub fn store_calls(&self) -> io::Result<String> {
        let calls = self.counted("gatekeeper_store_calls_total")?;
        let calls = calls.iter().filter(|(_, count)| *count > 0.0);
        Ok(calls.map(|(labels, count)| format!("{labels} {count}")).collect::<Vec<_>>().join(", "))
    }

    /// How many of them were syncs.
    pub fn syncs(&self) -> io::Result<f64> {
        let calls = self.counted("gatekeeper_store_calls_total")?;
        Ok(calls.iter().filter(|(labels, _)| labels.contains("sync")).map(|(_, count)| count).sum())
    }

    /// The labels and values of a metric.
    fn counted(&self, name: &str) -> io::Result<Vec<(String, f64)>> {
        let page = call(self.metrics, &call::poll("/metrics", ""))?;
        let lines = page.body.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
        Ok(lines.map(|(labels, count)| (labels.replace('"', ""), count.parse().unwrap_or(0.0))).collect())
    }

    /// Stops the process for a while, or lets it go on.
    pub fn pause(&self, paused: bool) -> io::Result<()> {
        let signal = if paused { "-STOP" } else { "-CONT" };
        std::process::Command::new("kill").args([signal, &self.server.pid().to_string()]).status().map(|_| ())
    }

    /// The cookies as they are after a poll each: what a browser would send by now.
    pub fn refresh(&self, cookies: &mut [String]) -> io::Result<()> {
        for cookie in cookies {
            *cookie = fresh(self.server.port, cookie.clone())?;
        }
        Ok(())
    }
}

fn fresh(port: u16, cookie: String) -> io::Result<String> {
    let answer = call(port, &call::poll(STATUS, &with_cookie(&cookie)))?;
    if answer.status != 200 {
        return Err(unexpected("poll", &answer));
    }
    Ok(answer.cookie(COOKIE).unwrap_or(cookie))
}

/// Where the waiting page polls.
pub const STATUS: &str = "/.gatekeeper/queue/status?room=shop";

pub fn with_cookie(cookie: &str) -> String {
    format!("Cookie: {COOKIE}={cookie}\r\n")
}

fn unexpected(what: &str, answer: &call::Answer) -> io::Error {
    io::Error::other(format!("could not {what}:\n{}\n\n{}", answer.head, answer.body))
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if holds().unwrap_or(false) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::other(format!("waited in vain: {what}")))
}

/// Anybody: splitmix64, twice.
fn visitor(number: u64) -> [u8; 16] {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut name = [0; 16];
    for (place, half) in name.chunks_mut(8).enumerate() {
        let step = (number * 2 + place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        half.copy_from_slice(&mix(step).to_be_bytes());
    }
    name
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
