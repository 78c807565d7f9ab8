//! The visitors: browsers and callers of the API, the patient and the absent-minded, and cheaters.
//!
//! They hold what a visitor holds, a token's claims, and know nothing else. What they are answered goes into the notes.

use super::instance::{Process, ROOM};
use super::journal::Promise;
use super::people::{Event, Opened, address, ip, visitor};
use super::promises::at_opening;
use super::world::World;
use crate::support::chance::Chance;
use gatekeeper::gate::{Contact, Place, find, new_claims, stay_of};
use gatekeeper::queue::{Arrival, Entry, Life, Newcomer, Pace, Stay, Visitor, next_poll};
use gatekeeper::rooms::View;
use gatekeeper::token::Claims;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What a visitor is like.
#[derive(Clone, Copy, Debug)]
struct Manner {
    by_api: bool,
    /// Falls asleep now and then, so likely per poll, in percent.
    sleeps: u64,
    /// Never comes back from the first sleep.
    leaves: bool,
    /// Keeps the first token, and shows it again and again.
    cheats: bool,
    finishes: bool,
}

/// One visitor.
pub struct Guest {
    pub world: Arc<World>,
    pub who: usize,
    pub chance: Chance,
    visitor: Visitor,
    manner: Manner,
    /// The first token and the newest one.
    first: Option<Claims>,
    newest: Option<Claims>,
}

/// What a request came to.
pub enum Told {
    Place(Place, Arc<Process>, Arc<View>),
    Nothing,
}

impl Guest {
    pub fn new(world: Arc<World>, who: usize) -> Self {
        let mut chance = world.chance(500 + who as u64);
        let manner = Manner {
            by_api: chance.percent(50),
            sleeps: chance.pick(&[0, 0, 0, 5, 20]),
            leaves: chance.percent(15),
            cheats: chance.percent(30),
            finishes: chance.percent(50),
        };
        let visitor = visitor(world.scenario.seed, who);
        Self { world, who, chance, visitor, manner, first: None, newest: None }
    }

    /// Comes, waits, goes in, and ends.
    pub async fn live(mut self) {
        let arrival = self.chance.within(0, self.world.scenario.arrivals_ms);
        pause(500 + arrival).await;
        for _ in 0..2 {
            self.arrive().await;
            if self.newest.is_none() || !self.wait().await {
                break;
            }
            self.stay_inside().await;
            if self.manner.cheats {
                self.cheat().await;
            }
            // The same user may come again, and gets a new place.
            if !self.manner.by_api || !self.chance.percent(20) {
                break;
            }
            (self.first, self.newest) = (None, None);
        }
        self.ends();
    }

    fn ends(&self) {
        self.world.journal().people[self.who].is_waiting = false;
    }

    /// An instance that the balancer takes for healthy; now and then it is wrong.
    fn instance(&mut self) -> Result<Arc<Process>, usize> {
        for _ in 0..3 {
            let slot = usize::try_from(self.chance.next()).unwrap() % self.world.slots.len();
            match self.world.slots[slot].process() {
                Some(process) => return Ok(process),
                None if self.chance.percent(20) => return Err(slot),
                None => {}
            }
        }
        Err(0)
    }

    /// An instance that answers; waits for it and comes again as a browser would.
    pub async fn reach(&mut self) -> Arc<Process> {
        loop {
            match self.instance() {
                Ok(process) if self.world.slots[process.slot].is_frozen_for(self.world.ms()) == 0 => return process,
                Ok(process) => {
                    self.fails(process.slot);
                    pause(2_000).await;
                }
                Err(slot) => {
                    self.fails(slot);
                    pause(1_000).await;
                }
            }
        }
    }

    pub fn fails(&self, slot: usize) {
        let ms = self.world.ms();
        let mut journal = self.world.journal();
        journal.note(ms, Some(self.who), Event::Fails { slot });
        journal.people[self.who].trouble = ms;
    }

    /// As `Gate::newcomer` and the API's enqueue do it.
    async fn arrive(&mut self) {
        let process = self.reach().await;
        self.begin_anew();
        let (room, view) = (&process.room, process.room.view());
        if view.is_open() {
            return self.world.note(self.who, Event::GetsInOpen);
        }
        let ticket = room.clock().mint();
        let fresh = |room: &gatekeeper::rooms::LiveRoom| new_claims(room, "somebody", ticket, &view.settings);
        let address = address(self.who);
        let mut registered = false;
        let claims = if self.manner.by_api {
            let newcomer = Newcomer {
                visitor: self.visitor,
                ticket,
                address,
                entry: Entry::Enqueue,
                until: None,
                met: Life::default(),
            };
            match room.arrive(newcomer).await {
                Ok(Arrival::Entered { .. }) => {
                    registered = true;
                    fresh(room).with_heartbeat(room.now())
                }
                Err(_) => fresh(room),
                Ok(_) => return self.world.note(self.who, Event::Leaves),
            }
        } else if view.is_busy(room.now()) {
            fresh(room)
        } else {
            let now = room.now();
            match room.walk_in(self.visitor, ticket, address).await {
                Ok(Arrival::Admitted(stay)) => fresh(room).with_heartbeat(now).with_turn(stay.since, stay.until),
                _ => fresh(room),
            }
        };
        if !process.is_alive() {
            // A caller that heard no answer has no token.
            return self.fails(process.slot);
        }
        self.note_arrival(&process, &claims, registered);
        self.first = Some(claims.clone());
        self.newest = Some(claims.clone());
        match stay_of(&claims) {
            Some(stay) => self.goes_in(&process, stay, &claims),
            None => pause(self.chance.within(700, 1_500)).await,
        }
    }

    fn begin_anew(&self) {
        let person = &mut self.world.journal().people[self.who];
        (person.called, person.took) = (false, false);
    }

    fn note_arrival(&self, process: &Process, claims: &Claims, registered: bool) {
        let (ms, ticket) = (self.world.ms(), claims.ticket());
        let mut journal = self.world.journal();
        journal.note(ms, Some(self.who), Event::Arrives { ticket, slot: process.slot, registered });
        let person = &mut journal.people[self.who];
        (person.ticket, person.is_waiting, person.strayed, person.contact) = (Some(ticket), true, false, ms);
        person.registered = registered.then_some(ms);
        person.due = ms + 1_500;
        person.trouble = if process.is_in_contact() { 0 } else { ms };
    }

    /// Shows a token.
    pub async fn ask(&mut self, claims: &Claims, extends: bool) -> Told {
        let process = self.reach().await;
        let room = &process.room;
        let expired = claims.expires().plus_seconds(5) < room.now();
        let contact = Contact { visitor: self.visitor, ip: ip(self.who), expired, extends };
        let place = find(room, claims.clone(), contact).await;
        // The way back; and each comes at a moment alone, whoever was woken first.
        pause(1 + self.who as u64).await;
        if !process.is_alive() || self.chance.percent(1) {
            // A turn that was taken in vain runs out.
            self.world.journal().people[self.who].took |= matches!(place, Place::Ready { .. });
            self.fails(process.slot);
            return Told::Nothing;
        }
        let view = room.view();
        Told::Place(place, process, view)
    }

    /// Waits until the turn comes; `false` where it never does.
    async fn wait(&mut self) -> bool {
        while let Some(claims) = self.newest.clone() {
            if stay_of(&claims).is_some() {
                return true;
            }
            let Told::Place(place, process, view) = self.ask(&claims, false).await else {
                pause(1_000).await;
                continue;
            };
            match place {
                Place::Waiting { .. } if view.is_open() => {
                    self.world.note(self.who, Event::GetsInOpen);
                    return false;
                }
                Place::Waiting { claims: next, position } => {
                    self.waits(&process, &claims, &next, position);
                    self.newest = Some(next);
                    let estimate = view.estimate(position, false);
                    let pace = Pace { jitter: self.chance.fraction(), load: 1.0 };
                    let poll = next_poll(estimate, &view.settings, pace);
                    if !self.pauses(poll).await {
                        return false;
                    }
                }
                Place::Ready { claims: next, .. } => {
                    self.goes_in(&process, stay_of(&next).unwrap(), &next);
                    self.newest = Some(next);
                }
                Place::Gone | Place::Limited { .. } => {
                    self.loses_place(&process, &claims);
                    return false;
                }
            }
        }
        false
    }

    /// Until the next poll, or longer.
    async fn pauses(&mut self, poll: u64) -> bool {
        let due = self.world.ms() + poll;
        self.world.journal().people[self.who].due = due;
        if !self.chance.percent(self.manner.sleeps) {
            pause(poll).await;
            return true;
        }
        if self.manner.leaves {
            self.world.note(self.who, Event::Leaves);
            return false;
        }
        let ms = poll + self.chance.within(10_000, self.world.scenario.settings.presence_seconds * 1_500);
        self.world.note(self.who, Event::Sleeps { ms });
        pause(ms).await;
        let now = self.world.ms();
        self.world.journal().people[self.who].trouble = now;
        true
    }

    fn presence_ms(&self) -> u64 {
        self.world.scenario.settings.presence_seconds * 1000
    }

    fn waits(&self, process: &Process, shown: &Claims, next: &Claims, position: u64) {
        let ms = self.world.ms();
        let mut journal = self.world.journal();
        let beat = next.heartbeat().map_or(0, |at| at.0);
        journal.note(ms, Some(self.who), Event::Waits { position, slot: process.slot, beat });
        if next.ticket() != shown.ticket() {
            journal.breaks(Promise::PlaceKept, ms, &[self.who], format!("{shown:?} became {next:?}"));
        }
        let person = &mut journal.people[self.who];
        // What the next heartbeat will say of the silence before it.
        let heard = shown.heartbeat().unwrap_or(shown.ticket().minted());
        if process.room.now().ms_since(heard) + 2_000 > self.presence_ms() {
            person.strayed = true;
        }
        person.contact = ms;
        if !process.is_in_contact() {
            person.trouble = ms;
        } else if next.heartbeat().is_some() {
            person.registered.get_or_insert(ms);
        }
    }

    /// A turn was taken, or is known again.
    pub fn goes_in(&self, process: &Process, stay: Stay, claims: &Claims) {
        let (at, alone) = (self.world.ms(), process.is_alone());
        {
            let mut journal = self.world.journal();
            let event = Event::Goes { since: stay.since.seconds(), until: stay.until.0, slot: process.slot, alone };
            journal.note(at, Some(self.who), event);
            journal.people[self.who].is_waiting = false;
        }
        at_opening(&self.world, self.who, Opened { ticket: claims.ticket(), stay, at, process: process.id, alone });
    }

    fn loses_place(&self, process: &Process, claims: &Claims) {
        let ms = self.world.ms();
        let mut journal = self.world.journal();
        journal.note(ms, Some(self.who), Event::IsGone { slot: process.slot });
        let person = &journal.people[self.who];
        let heard = claims.heartbeat().unwrap_or(claims.ticket().minted());
        let was_silent = process.room.now().ms_since(heard) + 2_000 > self.presence_ms();
        if !person.strayed && !was_silent && !person.took {
            journal.breaks(Promise::PlaceKept, ms, &[self.who], "a place was lost".to_owned());
        }
    }

    pub fn newest(&self) -> Option<Claims> {
        self.newest.clone()
    }

    pub fn first(&self) -> Option<Claims> {
        self.first.clone()
    }

    pub fn keep(&mut self, claims: Claims) {
        self.newest = Some(claims);
    }

    pub fn finishes(&self) -> bool {
        self.manner.finishes
    }

    pub fn visitor(&self) -> Visitor {
        self.visitor
    }

    /// A waiting token of this place, as it was at first.
    pub fn waiting_token(&self) -> Option<Claims> {
        self.first().map(|first| Claims { adm: None, rdy: None, aud: ROOM.to_owned(), ..first })
    }
}

pub async fn pause(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}
