//! What is known of every visitor beside the program: the observer's notes, from what visitors and the origin saw.

use gatekeeper::limit::address_key;
use gatekeeper::queue::{AddressKey, Stay, Ticket, Visitor};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// One visitor's notes; about the present place, except for the stays.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub ticket: Option<Ticket>,
    /// When a place was promised, in ms: the store had taken it.
    pub registered: Option<u64>,
    /// The last answered poll, and when the next one is due; in ms.
    pub contact: u64,
    pub due: u64,
    /// The last poll that failed, or that was answered by an instance which had lost the store; in ms.
    pub trouble: u64,
    /// Was silent for longer than presence, or may seem so.
    pub strayed: bool,
    pub is_waiting: bool,
    /// Was given a turn, taken or not.
    pub called: bool,
    /// Took it, with a call whose answer may have been lost.
    pub took: bool,
    pub stays: Vec<Opened>,
    pub ends: Vec<Ended>,
}

/// A stay, as it was seen to begin.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    pub ticket: Ticket,
    pub stay: Stay,
    /// In ms.
    pub at: u64,
    pub process: u64,
    /// Opened by a stand-in.
    pub alone: bool,
}

/// A stay, finished before its time.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub ticket: Ticket,
    /// In ms.
    pub at: u64,
    pub process: u64,
}

/// One line of a run's log.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "what isn't matched on is written into the log")]
pub enum Event {
    Arrives { ticket: Ticket, slot: usize, registered: bool },
    Waits { position: u64, slot: usize, beat: u64 },
    Fails { slot: usize },
    Given { ticket: Ticket },
    Goes { since: u64, until: u64, slot: usize, alone: bool },
    Passes { until: u64, slot: usize },
    Replays { answer: &'static str, slot: usize },
    IsGone { slot: usize },
    Finishes { cleared: bool, slot: usize },
    Sleeps { ms: u64 },
    GetsInOpen,
    Leaves,
    Fault(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(what) => write!(f, "-- {what}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// The visitor of that number. Names are in no order, as real ones aren't.
pub fn visitor(seed: u64, index: usize) -> Visitor {
    let mut name = [0; 16];
    let front = crate::support::chance::Chance::of(seed, 1_000 + index as u64, super::STREAMS).next();
    name[..8].copy_from_slice(&front.to_be_bytes());
    name[8..].copy_from_slice(&(index as u64).to_be_bytes());
    Visitor(name)
}

/// Which visitor that is.
pub fn index_of(visitor: Visitor) -> usize {
    let mut index = [0; 8];
    index.copy_from_slice(&visitor.0[8..]);
    usize::try_from(u64::from_be_bytes(index)).unwrap()
}

/// Everybody has an address alone.
pub fn ip(index: usize) -> IpAddr {
    IpAddr::from(Ipv4Addr::from_bits(u32::try_from(index).unwrap() + 1))
}

/// As limits count it.
pub fn address(index: usize) -> AddressKey {
    address_key(ip(index))
}
