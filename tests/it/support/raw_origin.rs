//! An origin of plain bytes: it keeps what each connection sent, octet for octet, and answers with bytes of the test's.

use super::ports::free_port;
use super::{SOON, eventually};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const ATTEMPTS: usize = 20;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

type Received = Arc<Mutex<Vec<Vec<u8>>>>;

/// A running origin of bytes; its connections end with it.
#[derive(Debug)]
pub struct RawOrigin {
    address: SocketAddr,
    received: Received,
    accepting: JoinHandle<()>,
}

impl RawOrigin {
    /// Sends `reply` once the head of a connection's first request is there, then goes on reading. An empty reply:
    /// it stays silent.
    pub async fn start(reply: impl Into<Vec<u8>>) -> Self {
        let (reply, received): (Arc<[u8]>, Received) = (reply.into().into(), Received::default());
        for _ in 0..ATTEMPTS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
            if let Ok(listener) = TcpListener::bind(address).await {
                let accepting = tokio::spawn(accept(listener, reply, Arc::clone(&received)));
                return Self { address, received, accepting };
            }
        }
        panic!("no free port for the raw origin in {ATTEMPTS} attempts");
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What each connection has sent so far, by their arrival.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until some connection has sent `bytes`, and returns all of what that one sent.
    #[track_caller]
    pub fn await_bytes(&self, bytes: &[u8]) -> impl Future<Output = Vec<u8>> {
        eventually(SOON, async move || self.received().into_iter().find(|sent| contains(sent, bytes)))
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, reply: Arc<[u8]>, received: Received) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let place = {
            let mut all = received.lock().unwrap();
            all.push(Vec::new());
            all.len() - 1
        };
        connections.spawn(record(stream, place, Arc::clone(&reply), Arc::clone(&received)));
    }
}

async fn record(mut stream: TcpStream, place: usize, reply: Arc<[u8]>, received: Received) {
    let mut buffer = vec![0; 16 * 1024];
    let mut replied = reply.is_empty();
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let has_head = {
            let mut all = received.lock().unwrap();
            all[place].extend_from_slice(&buffer[..length]);
            contains(&all[place], END_OF_HEAD)
        };
        if has_head && !replied {
            replied = true;
            if stream.write_all(&reply).await.is_err() {
                return;
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
