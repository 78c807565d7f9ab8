//! A line of TCP between two programs that the test can slow down, silence, cut or tear.

use super::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

const ATTEMPTS: usize = 20;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Through,
    /// Each piece is held back for so long, either way.
    Slow(Duration),
    /// Nothing goes through and nothing is closed: a partition.
    Silent,
    /// Connections are closed as they come.
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct State {
    flow: Flow,
    /// Grows when the connections of the moment are torn.
    torn: u64,
}

/// A port whose connections lead to another one.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// Leads to `target` on this machine, which need not listen yet.
    pub async fn to(target: u16) -> Self {
        let state = Arc::new(watch::Sender::new(State { flow: Flow::Through, torn: 0 }));
        for _ in 0..ATTEMPTS {
            let port = free_port();
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                let accepting = tokio::spawn(accept(listener, target, Arc::clone(&state)));
                return Self { port, state, accepting };
            }
        }
        panic!("no free port for a wire in {ATTEMPTS} attempts");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, for connections old and new.
    pub fn set(&self, flow: Flow) {
        self.state.send_modify(|state| state.flow = flow);
    }

    /// Resets every connection of the moment, in the middle of whatever it carries.
    pub fn tear(&self) {
        self.state.send_modify(|state| state.torn += 1);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: u16, state: Arc<watch::Sender<State>>) {
    let mut lines = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if state.borrow().flow != Flow::Refused {
            lines.spawn(connect(near, target, state.subscribe()));
        }
        while lines.try_join_next().is_some() {}
    }
}

async fn connect(near: TcpStream, target: u16, mut state: watch::Receiver<State>) {
    let torn = state.borrow().torn;
    // Who is closed without lingering sends a reset.
    let _abrupt = near.set_zero_linger();
    let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))).await else { return };
    let _no_delay = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        () = carry(near_in, far_out, up) => {}
        () = carry(far_in, near_out, down) => {}
        _ = state.wait_for(|state| state.torn != torn || state.flow == Flow::Refused) => {}
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Ok(flow) = state.wait_for(|state| state.flow != Flow::Silent).await.map(|state| state.flow) else { return };
        if let Flow::Slow(delay) = flow {
            sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
