//! The load: keep-alive connections from one thread, either as fast as the answers come, or at a fixed rate.
//!
//! At a fixed rate a request's time counts from the moment at which it was due, whether or not a connection was free
//! then: a server that stalls is not spared the requests that it would have had meanwhile (coordinated omission).

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const TIMER: Token = Token(usize::MAX);

/// What to do.
pub struct Plan<'a> {
    pub port: u16,
    /// Connection n sends number n modulo the length.
    pub requests: &'a [Vec<u8>],
    pub connections: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    /// Requests per second; none: as fast as answers come.
    pub rate: Option<u32>,
    /// Every other status is a failure of the run.
    pub status: u16,
}

/// What came of it, between the end of the warm-up and the end.
pub struct Outcome {
    pub requests: u64,
    pub seconds: f64,
    /// What the probe said at the end less what it said at the beginning: CPU time, ns.
    pub cpu_ns: u64,
    /// Of the last answer, with its header.
    pub bytes: usize,
    /// µs, ascending; with a rate alone.
    pub latencies: Vec<u32>,
}

impl Outcome {
    pub fn cpu_us(&self) -> f64 {
        self.cpu_ns as f64 / 1000.0 / self.requests.max(1) as f64
    }

    /// The time in µs that this share of the requests took at most.
    pub fn percentile(&self, share: f64) -> f64 {
        let place = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(f64::NAN, |us| f64::from(*us))
    }
}

struct Connection {
    stream: TcpStream,
    request: usize,
    /// When the request that is under way was due.
    due: Option<Instant>,
    reading: Reading,
}

/// An answer on its way.
#[derive(Default)]
struct Reading {
    head: Vec<u8>,
    /// Bytes of the body that are to come, once the header was read.
    left: Option<usize>,
    size: usize,
}

/// Runs it; `probe` tells the server's CPU time so far.
pub fn run(plan: &Plan<'_>, probe: &dyn Fn() -> io::Result<u64>) -> io::Result<Outcome> {
    let mut load = Load::open(plan)?;
    let begin = Instant::now() + plan.warm_up;
    load.until(begin)?;
    load.reset();
    let (before, began) = (probe()?, Instant::now());
    load.until(began + plan.measured)?;
    let (after, ended) = (probe()?, Instant::now());
    let mut latencies = std::mem::take(&mut load.latencies);
    latencies.sort_unstable();
    if load.done == 0 {
        return Err(io::Error::other("not one answer came"));
    }
    Ok(Outcome {
        requests: load.done,
        seconds: (ended - began).as_secs_f64(),
        cpu_ns: after.saturating_sub(before),
        bytes: load.size,
        latencies,
    })
}

struct Load<'a> {
    plan: &'a Plan<'a>,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    /// Those without a request under way.
    idle: VecDeque<usize>,
    pace: Option<Pace>,
    done: u64,
    size: usize,
    latencies: Vec<u32>,
}

/// When the next request is due.
struct Pace {
    timer: OwnedFd,
    began: Instant,
    sent: u64,
    gap: Duration,
}

impl Pace {
    fn due(&self) -> Instant {
        self.began + Duration::from_secs_f64(self.gap.as_secs_f64() * self.sent as f64)
    }
}

impl<'a> Load<'a> {
    fn open(plan: &'a Plan<'a>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for number in 0..plan.connections {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.port));
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                request: number % plan.requests.len(),
                due: None,
                reading: Reading::default(),
            });
        }
        let pace = plan.rate.map(|rate| pace(&poll, rate)).transpose()?;
        let mut load = Self {
            plan,
            poll,
            events: Events::with_capacity(256),
            idle: (0..plan.connections).collect(),
            connections,
            pace,
            done: 0,
            size: 0,
            latencies: Vec::new(),
        };
        if load.pace.is_none() {
            while let Some(number) = load.idle.pop_front() {
                load.send(number, Instant::now())?;
            }
        }
        Ok(load)
    }

    fn reset(&mut self) {
        self.done = 0;
        self.latencies.clear();
    }

    fn until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            match self.poll.poll(&mut events, Some(end - now)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    TIMER => self.tick()?,
                    Token(number) => self.read(number)?,
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn read(&mut self, number: usize) -> io::Result<()> {
        let mut buffer = [0; 32 * 1024];
        loop {
            let connection = &mut self.connections[number];
            let length = match connection.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let Some(size) = connection.reading.feed(&buffer[..length], self.plan.status)? else { continue };
            let due = connection.due.take();
            self.done += 1;
            self.size = size;
            if self.pace.is_none() {
                return self.send(number, Instant::now());
            }
            if let Some(due) = due {
                self.latencies.push(due.elapsed().as_micros() as u32);
            }
            self.idle.push_back(number);
            return self.send_due();
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Some(pace) = &self.pace {
            let mut count = [0; 8];
            rustix_read(&pace.timer, &mut count);
        }
        self.send_due()
    }

    /// Sends what is due, as far as connections are free.
    fn send_due(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(pace) = &mut self.pace {
            let due = pace.due();
            if due > now {
                break;
            }
            let Some(number) = self.idle.pop_front() else { break };
            pace.sent += 1;
            self.send(number, due)?;
        }
        Ok(())
    }

    fn send(&mut self, number: usize, due: Instant) -> io::Result<()> {
        let connection = &mut self.connections[number];
        connection.due = Some(due);
        // Small against the socket's buffer, so it goes out whole.
        connection.stream.write_all(&self.plan.requests[connection.request])
    }
}

/// A timer that fires once per request.
fn pace(poll: &Poll, rate: u32) -> io::Result<Pace> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
    let gap = Duration::from_secs(1) / rate.max(1);
    let spec = Timespec { tv_sec: gap.as_secs() as i64, tv_nsec: i64::from(gap.subsec_nanos()) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: spec, it_value: spec })?;
    poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
    Ok(Pace { timer, began: Instant::now(), sent: 0, gap })
}

/// How often it fired doesn't matter: what is due is reckoned from the time.
fn rustix_read(timer: &OwnedFd, count: &mut [u8; 8]) {
    let _ = rustix::io::read(timer, count);
}

impl Reading {
    /// Takes bytes; the size of the answer where it is complete.
    fn feed(&mut self, bytes: &[u8], status: u16) -> io::Result<Option<usize>> {
        self.size += bytes.len();
        let left = match self.left {
            Some(left) => left.saturating_sub(bytes.len()),
            None => {
                self.head.extend_from_slice(bytes);
                let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
                let body = body_length(&self.head[..end], status)?;
                (end + 4 + body).saturating_sub(self.head.len())
            }
        };
        if left > 0 {
            self.left = Some(left);
            return Ok(None);
        }
        let size = self.size;
        self.head.clear();
        (self.left, self.size) = (None, 0);
        Ok(Some(size))
    }
}

fn body_length(head: &[u8], status: u16) -> io::Result<usize> {
    let text = std::str::from_utf8(head).map_err(io::Error::other)?;
    if text.get(9..12) != Some(status.to_string().as_str()) {
        return Err(io::Error::other(format!("{status} was expected, this came:\n{text}")));
    }
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    length.ok_or_else(|| io::Error::other(format!("an answer without a length:\n{text}")))
}
