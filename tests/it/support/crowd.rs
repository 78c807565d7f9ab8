//! A steady stream of requests, told from a client's library by one thing: nothing is retried, so that every connection
//! that was refused, reset or cut shows.

use super::SOON;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// One HTTP/1.1 connection, kept as long as the answers allow.
pub struct Connection(TcpStream);

/// An answer's status, whether the connection ends with it, and its body.
pub struct Reply {
    pub status: u16,
    pub closes: bool,
    pub body: String,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// A GET, with further header lines.
    pub async fn get(&mut self, path: &str, more: &str) -> io::Result<Reply> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n{more}\r\n");
        self.0.write_all(head.as_bytes()).await?;
        let mut read = Vec::new();
        loop {
            if let Some(reply) = parse(&read) {
                return Ok(reply);
            }
            if self.0.read_buf(&mut read).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, String::from_utf8_lossy(&read).into_owned()));
            }
        }
    }
}

/// A whole answer with a length; `None` while more is to come.
fn parse(bytes: &[u8]) -> Option<Reply> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length: usize = head.split_once("content-length: ")?.1.lines().next()?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Reply { status, closes: head.contains("connection: close"), body: body.to_owned() })
}

/// People who come all the time, until it is ended.
pub struct Crowd {
    over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    people: Vec<JoinHandle<Vec<String>>>,
}

impl Crowd {
    /// To `/shop`: some on a new connection each time, some on one that they keep.
    pub fn before(gate: SocketAddr) -> Self {
        let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let person = |keeps| tokio::spawn(come_and_go(gate, keeps, Arc::clone(&over), Arc::clone(&answers)));
        let people = [true, true, true, false, false, false].map(person).into();
        Self { over, answers, people }
    }

    /// How many were answered so far.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Ends it; fails where anybody was not answered with 200.
    pub async fn end_well(self) {
        let (wrong, answers) = self.end().await;
        assert!(wrong.is_empty(), "{} of {answers} went wrong: {wrong:?}", wrong.len());
    }

    /// Everything that went wrong, and how many were answered.
    async fn end(self) -> (Vec<String>, usize) {
        self.over.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        for person in self.people {
            wrong.extend(person.await.unwrap());
        }
        (wrong, self.answers.load(Ordering::Relaxed))
    }
}

async fn come_and_go(gate: SocketAddr, keeps: bool, over: Arc<AtomicBool>, answers: Arc<AtomicUsize>) -> Vec<String> {
    let (mut wrong, mut kept) = (Vec::new(), None);
    while !over.load(Ordering::Relaxed) {
        let more = if keeps { "" } else { "Connection: close\r\n" };
        let asked = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(gate).await?,
            };
            let reply = connection.get("/shop", more).await?;
            io::Result::Ok((connection, reply))
        };
        match timeout(SOON, asked).await {
            Ok(Ok((connection, reply))) => {
                answers.fetch_add(1, Ordering::Relaxed);
                if reply.status != 200 {
                    wrong.push(format!("{}: {}", reply.status, reply.body));
                }
                kept = (keeps && !reply.closes).then_some(connection);
            }
            Ok(Err(error)) => wrong.push(format!("{error:?} on a {} connection", if keeps { "kept" } else { "new" })),
            Err(_) => wrong.push("no answer".to_owned()),
        }
        sleep(Duration::from_millis(5)).await;
    }
    wrong
}
