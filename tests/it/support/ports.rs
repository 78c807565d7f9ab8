//! Free ports, and who listens on one.

use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the kernel's range for outgoing connections (32768 and up), so that no client socket takes a port between its
/// choice and its use.
const FIRST: u16 = 12_000;
const COUNT: u16 = 10_000;
/// A Redis cluster node talks to the others on its port plus this.
const BUS: u16 = 10_000;

static HANDED_OUT: AtomicU16 = AtomicU16::new(0);

/// A port on which nobody listens, and which no other test of this process was given; the same holds for the port 10,000
/// above it. Another process may still be faster: whoever uses it retries on a clash.
pub fn free_port() -> u16 {
    (0..COUNT).map(|_| next()).find(|&port| is_free(port) && is_free(port + BUS)).expect("a free port")
}

/// Different test processes begin at different places.
fn next() -> u16 {
    let start = std::process::id() % u32::from(COUNT) * 131;
    let step = HANDED_OUT.fetch_add(1, Ordering::Relaxed);
    FIRST + u16::try_from((start + u32::from(step)) % u32::from(COUNT)).expect("less than COUNT")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok()
}

/// Whether the process `pid` has a listening TCP socket on `port` (any address). It tells a server that is up from a
/// stranger on the same port.
pub fn listens(pid: u32, port: u16) -> bool {
    let sockets = listening_inodes(port);
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| sockets.iter().any(|inode| target.as_os_str() == format!("socket:[{inode}]").as_str()))
}

/// Whether anybody listens on `port`.
pub fn is_listened_on(port: u16) -> bool {
    !listening_inodes(port).is_empty()
}

/// The sockets that listen on `port`, from `/proc/net/tcp` and `tcp6`: column 1 is the local address, column 3 the state
/// (0A: listening), column 9 the inode.
fn listening_inodes(port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(|row| inode(row, &suffix)).collect::<Vec<_>>())
        .collect()
}

fn inode(row: &str, suffix: &str) -> Option<String> {
    let columns: Vec<&str> = row.split_whitespace().collect();
    let listening = columns.get(1)?.ends_with(suffix) && *columns.get(3)? == "0A";
    listening.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
}
