//! How many connections may be open, and which one goes where one too many comes.
//!
//! A connection takes a [`Seat`] before its first byte is read and has it until it is closed. It works while a request is
//! on its way ([`Work`]) and is idle in between. Where an address, or the house, has no seat left, the newcomer gets that
//! of the longest idle connection, so that a crowd behind one address is slowed by its own number and never locked out,
//! and who opens connections to let them lie pushes out nobody but them.
//!
//! Promises: never more seats than allowed; no working connection is cut; in favour of a stranger no connection is closed
//! on which a ready visitor came; nobody's connection goes for another address's limit; a connection of a trusted proxy
//! counts for the house alone and is never closed, since it carries many visitors. Taking a seat costs a look-up; where
//! the house is full, a look through all of it once for every 64 newcomers.

use crate::queue::AddressKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

/// So many idle connections are remembered by one look through the house.
const REMEMBERED: usize = 64;

/// How many seats there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub house: usize,
    /// For one address; 0: as many as the house has.
    pub address: usize,
}

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Address(AddressKey),
    /// One of our trusted proxies.
    Proxy,
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All that the address may have are working.
    Address,
    /// All that there are, are working, or are of ready visitors or proxies.
    House,
}

/// All seats.
///
/// A std mutex: held for a look-up, or for one pass over the house. Nothing is awaited under it.
#[derive(Debug, Default)]
pub struct Seats {
    table: Mutex<Table>,
    /// Grows with every connection that begins to be idle.
    rests: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    taken: usize,
    addresses: HashMap<AddressKey, Vec<Arc<State>>>,
    /// What the last look through the house found idle, the longest at the end.
    idle: Vec<Weak<State>>,
    /// So many newcomers are refused without another look, after one that found nobody.
    fruitless: usize,
}

/// A connection's seat; given back when this goes.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    state: Arc<State>,
    /// Whether a proxy in front says that the client spoke TLS to it.
    pub tls_in_front: bool,
}

#[derive(Debug)]
struct State {
    whose: Whose,
    /// Requests that are on their way.
    working: AtomicU32,
    /// Bodies of which a part has come and another is still to come.
    owed: AtomicU32,
    /// The place among all that began to be idle.
    rested: AtomicU64,
    ready: AtomicBool,
    /// Counted in the table.
    seated: AtomicBool,
    /// How many requests it has had.
    requests: AtomicU32,
    waker: Mutex<Option<Waker>>,
}

/// A request on its way; over when this goes.
#[derive(Debug)]
#[must_use = "the connection works as long as it lives"]
pub struct Work {
    seat: Arc<Seat>,
    owes: bool,
}

impl Seats {
    /// A seat for a newcomer, and whether an idle connection had to make room.
    ///
    /// # Errors
    /// There is none, nor anybody who could make room.
    pub fn take(self: &Arc<Self>, whose: Whose, bounds: Bounds, tls_in_front: bool) -> Result<(Arc<Seat>, bool), Full> {
        let mut table = self.lock();
        let mut made_room = false;
        if let Whose::Address(address) = whose
            && bounds.address > 0
        {
            let theirs = table.addresses.get(&address);
            if theirs.is_some_and(|theirs| theirs.len() >= bounds.address) {
                let idle = theirs.and_then(|theirs| longest_idle(theirs)).ok_or(Full::Address)?;
                table.dismiss(&idle);
                made_room = true;
            }
        }
        if table.taken >= bounds.house {
            table.make_room()?;
            made_room = true;
        }
        let state = Arc::new(State::new(whose, self.rests.fetch_add(1, Ordering::Relaxed)));
        table.taken += 1;
        if let Whose::Address(address) = whose {
            table.addresses.entry(address).or_default().push(Arc::clone(&state));
        }
        drop(table);
        Ok((Arc::new(Seat { seats: Arc::clone(self), state, tls_in_front }), made_room))
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// A panic under the lock can leave no count half made, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest idle one of an address; a ready visitor's last.
fn longest_idle(theirs: &[Arc<State>]) -> Option<Arc<State>> {
    let idle = theirs.iter().filter(|state| state.is_idle());
    idle.min_by_key(|state| (state.ready.load(Ordering::Relaxed), state.rested.load(Ordering::Relaxed))).cloned()
}

impl Table {
    /// Closes the longest idle connection of the house.
    fn make_room(&mut self) -> Result<(), Full> {
        loop {
            if self.idle.is_empty() {
                self.look_around()?;
            }
            let found = self.idle.pop().ok_or(Full::House)?;
            if let Some(state) = found.upgrade().filter(|state| state.may_go()) {
                self.dismiss(&state);
                return Ok(());
            }
        }
    }

    fn look_around(&mut self) -> Result<(), Full> {
        if self.fruitless > 0 {
            self.fruitless -= 1;
            return Err(Full::House);
        }
        let all = self.addresses.values().flatten().filter(|state| state.may_go());
        let mut idle: Vec<&Arc<State>> = all.collect();
        idle.sort_unstable_by_key(|state| state.rested.load(Ordering::Relaxed));
        self.idle = idle.iter().take(REMEMBERED).rev().map(|state| Arc::downgrade(state)).collect();
        if self.idle.is_empty() {
            self.fruitless = self.taken / REMEMBERED;
            return Err(Full::House);
        }
        Ok(())
    }

    fn dismiss(&mut self, state: &Arc<State>) {
        self.remove(state);
        state.wake();
    }

    fn remove(&mut self, state: &Arc<State>) {
        if !state.seated.swap(false, Ordering::Relaxed) {
            return; // made room already
        }
        self.taken = self.taken.saturating_sub(1);
        let Whose::Address(address) = state.whose else { return };
        let Some(theirs) = self.addresses.get_mut(&address) else { return };
        theirs.retain(|one| !Arc::ptr_eq(one, state));
        if theirs.is_empty() {
            self.addresses.remove(&address);
        }
    }
}

impl State {
    fn new(whose: Whose, rested: u64) -> Self {
        Self {
            whose,
            working: AtomicU32::new(0),
            owed: AtomicU32::new(0),
            rested: AtomicU64::new(rested),
            ready: AtomicBool::new(false),
            seated: AtomicBool::new(true),
            requests: AtomicU32::new(0),
            waker: Mutex::new(None),
        }
    }

    fn is_idle(&self) -> bool {
        self.working.load(Ordering::Relaxed) == 0
    }

    /// Whether it may be closed for a stranger.
    fn may_go(&self) -> bool {
        self.is_idle() && self.seated.load(Ordering::Relaxed) && !self.ready.load(Ordering::Relaxed)
    }

    fn lock_waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let waker = self.lock_waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Seat {
    /// From now on a request is on its way.
    pub fn work(self: &Arc<Self>) -> Work {
        self.state.working.fetch_add(1, Ordering::Relaxed);
        self.state.requests.fetch_add(1, Ordering::Relaxed);
        Work { seat: Arc::clone(self), owes: false }
    }

    pub fn is_idle(&self) -> bool {
        self.state.is_idle()
    }

    /// Whether a body is still to come.
    pub fn is_owed(&self) -> bool {
        self.state.owed.load(Ordering::Relaxed) > 0
    }

    /// How many requests came on it; begins anew after 2^32.
    pub fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Whether it was given to somebody else.
    pub fn is_lost(&self) -> bool {
        !self.state.seated.load(Ordering::Relaxed)
    }

    /// Wakes this task when something about the seat changes.
    pub fn wake_on_change(&self, waker: &Waker) {
        let mut known = self.state.lock_waker();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.state);
    }
}

impl Work {
    /// A ready visitor came on this connection.
    pub fn is_of_ready_visitor(&self) {
        self.seat.state.ready.store(true, Ordering::Relaxed);
    }

    /// A part of the body has come; `is_last`: nothing is still to come.
    pub fn has_body(&mut self, is_last: bool) {
        let state = &self.seat.state;
        match (self.owes, is_last) {
            (false, false) => {
                state.owed.fetch_add(1, Ordering::Relaxed);
                // On HTTP/2 the connection waits for its next frame already, and with no deadline.
                state.wake();
            }
            (true, true) => {
                state.owed.fetch_sub(1, Ordering::Relaxed);
            }
            _ => return,
        }
        self.owes = !is_last;
    }

    /// Whether a proxy in front says that the client spoke TLS to it.
    pub fn tls_in_front(&self) -> bool {
        self.seat.tls_in_front
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.has_body(true);
        let rest = self.seat.seats.rests.fetch_add(1, Ordering::Relaxed);
        self.seat.state.rested.store(rest, Ordering::Relaxed);
        self.seat.state.working.fetch_sub(1, Ordering::Relaxed);
        if self.seat.is_lost() {
            self.seat.state.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::address_key;

    const ROOMY: Bounds = Bounds { house: 1000, address: 0 };

    fn from(address: &str) -> Whose {
        Whose::Address(address_key(address.parse().unwrap()))
    }

    fn take(seats: &Arc<Seats>, whose: Whose, bounds: Bounds) -> Result<Arc<Seat>, Full> {
        seats.take(whose, bounds, false).map(|(seat, _)| seat)
    }

    #[test]
    fn a_seat_is_given_back() {
        let seats = Arc::new(Seats::default());
        let one = take(&seats, from("192.0.2.1"), ROOMY).unwrap();
        let other = take(&seats, Whose::Proxy, ROOMY).unwrap();
        assert_eq!(seats.taken(), 2);
        drop((one, other));
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().addresses.is_empty());
    }

    #[test]
    fn an_address_that_has_all_its_seats_gives_up_the_longest_idle_one() {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { house: 1000, address: 2 };
        let visitor = from("192.0.2.1");
        let first = take(&seats, visitor, bounds).unwrap();
        let second = take(&seats, visitor, bounds).unwrap();
        drop(first.work()); // since then the second is the one that is idle for longer
        let (third, made_room) = seats.take(visitor, bounds, false).unwrap();
        assert!(made_room && second.is_lost() && !first.is_lost());
        let busy = (first.work(), third.work());
        assert_eq!(take(&seats, visitor, bounds).err(), Some(Full::Address));
        assert!(take(&seats, from("192.0.2.2"), bounds).is_ok(), "another address has its own");
        assert_eq!(seats.taken(), 2, "what was lost counts no more, and the neighbour is gone");
        drop(busy);
        drop((first, second, third));
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn a_full_house_gives_up_the_longest_idle_stranger_and_no_ready_visitor() {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { house: 3, address: 0 };
        let ready = take(&seats, from("192.0.2.1"), bounds).unwrap();
        ready.work().is_of_ready_visitor();
        let stranger = take(&seats, from("192.0.2.2"), bounds).unwrap();
        let proxy = take(&seats, Whose::Proxy, bounds).unwrap();
        let newcomer = take(&seats, from("192.0.2.3"), bounds).unwrap();
        assert!(stranger.is_lost() && !ready.is_lost() && !proxy.is_lost());
        let busy = newcomer.work();
        assert_eq!(take(&seats, from("192.0.2.4"), bounds).err(), Some(Full::House));
        drop(busy);
        assert!(take(&seats, from("192.0.2.4"), bounds).is_ok());
        assert!(newcomer.is_lost());
    }

    #[test]
    fn after_a_fruitless_look_the_house_is_looked_through_again_in_time() {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { house: 200, address: 0 };
        let all: Vec<_> = (0..200).map(|_| take(&seats, from("192.0.2.1"), bounds).unwrap()).collect();
        let busy: Vec<_> = all.iter().map(Seat::work).collect();
        assert!(take(&seats, from("192.0.2.2"), bounds).is_err());
        drop(busy);
        let tries = (0..10).position(|_| take(&seats, from("192.0.2.2"), bounds).is_ok());
        assert!(tries.is_some_and(|tries| tries <= 200 / REMEMBERED), "{tries:?}");
    }

    #[test]
    fn one_network_and_a_mapped_address_are_one() {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { house: 1000, address: 1 };
        let held = take(&seats, from("2001:db8::1"), bounds).unwrap();
        let _work = held.work();
        assert_eq!(take(&seats, from("2001:db8::ffff:1"), bounds).err(), Some(Full::Address));
        let held = take(&seats, from("192.0.2.1"), bounds).unwrap();
        let _work = held.work();
        assert_eq!(take(&seats, from("::ffff:192.0.2.1"), bounds).err(), Some(Full::Address));
    }

    #[test]
    fn who_owes_a_body_owes_it_until_its_end_or_that_of_the_request() {
        let seats = Arc::new(Seats::default());
        let seat = take(&seats, Whose::Proxy, ROOMY).unwrap();
        let (mut one, mut other) = (seat.work(), seat.work());
        one.has_body(false);
        one.has_body(false);
        other.has_body(false);
        one.has_body(true);
        assert!(seat.is_owed());
        drop(other);
        assert!(!seat.is_owed() && !seat.is_idle());
        drop(one);
        assert_eq!((seat.is_idle(), seat.requests()), (true, 2));
    }
}
