//! The promises, checked while a run goes on. The module's doc says what each means exactly.

use super::instance::{Process, Slot};
use super::journal::{Alone, Journal, Promise};
use super::people::{Ended, Event, Opened, Person, visitor};
use super::scenario::{Fault, Policy};
use super::server::{Given, Server};
use super::world::World;
use gatekeeper::queue::{Room, Ticket, Time};
use gatekeeper::rooms::Contact;

/// Who was called so shortly before the store went away may take the turn from a stand-in for so long; both include the
/// second and a half in which that is found out. The first stay still goes on then, so the two are one.
const LATELY_MS: u64 = 6_500;
const CALLED_MS: u64 = 31_500;
/// From a poll to the store's knowing of it: the next sync begins 250 ms later at most, and has to travel.
pub const SYNC_MS: u64 = 600;
/// The longest time between two polls, and the way of the second one.
const PERIOD_MS: u64 = 24_600;

/// The store gave turns.
pub fn at_turns(world: &World, server: &Server, journal: &mut Journal, given: &Given, ms: u64) {
    for (who, ticket) in &given.turns {
        journal.people[*who].called = true;
        journal.note(ms, Some(*who), Event::Given { ticket: *ticket });
    }
    if ms > world.scenario.faults_end() {
        journal.first_after.get_or_insert(ms);
    }
    order(world, server, journal, given, ms);
    limit(world, server, journal, given, ms);
    cap(world, journal, given, ms);
}

/// Nobody with a lower ticket may have been passed over.
fn order(world: &World, server: &Server, journal: &mut Journal, given: &Given, ms: u64) {
    let Some((last, highest)) = given.turns.last().copied().filter(|_| !journal.clock_spoils_order) else { return };
    let seed = world.scenario.seed;
    let is_passed_over = |who: usize, person: &Person| {
        let ticket = person.ticket.filter(|ticket| *ticket < highest)?;
        let by_right = person.is_waiting && !person.strayed && person.registered.is_some();
        // A finish that died with its instance leaves the visitor inside, as far as the store knows.
        let name = visitor(seed, who);
        let is_inside = |room: &Room| room.knows(name, ticket) || room.turns().any(|(other, _, _)| other == name);
        if !by_right || server.room.as_ref().is_some_and(is_inside) {
            return None;
        }
        if was_heard(world, server, who, ticket, given.at) {
            return Some("the store heard of it");
        }
        // Whose turn came once was passed over by nobody; a store that forgot it learns of the place by the next poll.
        (!person.called && is_faithful(person, ms)).then_some("it polled as told, and every poll was answered")
    };
    let passed_over =
        journal.people.iter().enumerate().find_map(|(who, person)| Some((who, is_passed_over(who, person)?)));
    if let Some((who, why)) = passed_over {
        journal.breaks(
            Promise::Order,
            ms,
            &[who, last],
            format!("visitor {last} was given a turn before visitor {who}, who has the lower ticket; {why}"),
        );
    }
}

/// Heard from within presence, in this life of the store.
fn was_heard(world: &World, server: &Server, who: usize, ticket: Ticket, at: Time) -> bool {
    let presence = world.scenario.settings.presence_seconds * 1000;
    server.heard.get(&who).is_some_and(|heard| heard.ticket == ticket && at.ms_since(heard.at) < presence)
}

/// Polled as told for longer than a polling period, and every poll was answered by an instance in contact.
fn is_faithful(person: &Person, ms: u64) -> bool {
    let registered = person.registered.unwrap_or(ms);
    registered + SYNC_MS < ms && person.due + SYNC_MS > ms && person.trouble + PERIOD_MS + SYNC_MS < ms
}

/// At most the limit per window; what nobody could know of any more is given again.
fn limit(world: &World, server: &Server, journal: &mut Journal, given: &Given, ms: u64) {
    let window = server.window(given.at);
    let (count, limit) = (server.windows.get(&window).copied().unwrap_or(0), world.scenario.settings.admission_limit);
    let forgotten = journal.forgotten.get(&window).copied().unwrap_or(0);
    // What stand-ins gave counts from the moment at which they told of it.
    let is_told = |process: &u64, alone: &Alone| {
        journal.syncs.get(process).and_then(|syncs| syncs.last()).is_some_and(|last| *last >= alone.last)
    };
    let told = journal.alone.iter().filter(|(process, alone)| is_told(process, alone));
    let alone: u64 = told.filter_map(|(_, alone)| alone.windows.get(&window)).sum();
    if count + alone > limit + forgotten && !journal.clock_spoils_order {
        let who: Vec<_> = given.turns.iter().map(|(who, _)| *who).collect();
        let why = format!(
            "{count} turns and {alone} of stand-ins in the window of {window}, of {limit} and {forgotten} forgotten ones"
        );
        journal.breaks(Promise::Limit, ms, &who, why);
    }
}

/// At most `max_active` inside: those who were seen to go in, by their first token, and those who were called.
fn cap(world: &World, journal: &mut Journal, given: &Given, ms: u64) {
    let cap = usize::try_from(world.scenario.settings.max_active).unwrap();
    let cuts = |fault: &Fault| !matches!(fault, Fault::StoreGone { .. } | Fault::Operator { .. });
    if cap == 0 || !journal.alone.is_empty() || world.scenario.has(cuts) || world.scenario.policy == Policy::Open {
        return;
    }
    let is_inside = |person: &&Person| {
        person.stays.iter().any(|opened| {
            opened.stay.until > given.at.plus_ms(1000) && !person.ends.iter().any(|end| end.ticket == opened.ticket)
        })
    };
    let inside = journal.people.iter().filter(is_inside).count();
    if inside + given.turns.len() > cap {
        let who: Vec<_> = given.turns.iter().map(|(who, _)| *who).collect();
        journal.breaks(Promise::Limit, ms, &who, format!("{inside} are inside, and max_active is {cap}"));
    }
}

/// What a stand-in gave: at most its share per window.
pub fn at_tick(world: &World, process: &Process) {
    let view = process.room.view();
    let Contact::Alone { own, .. } = &view.contact else { return };
    let share = world.scenario.settings.share(view.snapshot.instances.max(1));
    let length = share.admission_frequency * 1000;
    let window = own.window.last.0 - own.window.last.0 % length;
    let (ms, mut journal) = (world.ms(), world.journal());
    let alone = journal.alone.entry(process.id).or_default();
    alone.windows.insert(window, own.window.used);
    alone.last = ms;
    if own.window.used > share.admission_limit {
        let why =
            format!("{:x} gave {} turns alone, its share is {}", process.id, own.window.used, share.admission_limit);
        journal.breaks(Promise::Limit, ms, &[], why);
    }
}

/// The store loses its memory: what no instance that can tell it knows of the window is given again.
pub fn at_loss(world: &World) {
    let (now, server) = (world.store_time(), world.server());
    let window = server.window(now);
    let given = server.windows.get(&window).copied().unwrap_or(0);
    let in_reach = world.slots.iter().filter(|slot| !slot.link.is_cut()).filter_map(Slot::process);
    let known = in_reach.map(|process| process.room.view().snapshot.window);
    let known = known.filter(|known| server.window(known.last) == window).map(|known| known.used).max().unwrap_or(0);
    let mut journal = world.journal();
    let forgotten = journal.forgotten.entry(window).or_default();
    *forgotten = (*forgotten).max(given.saturating_sub(known));
}

/// When the store knew what this process knew at `since`: told since then, and again after every loss.
fn known_at(journal: &Journal, process: u64, since: u64, told_at_once: bool) -> Option<u64> {
    let syncs = journal.syncs.get(&process).map_or(&[][..], Vec::as_slice);
    let told = |after: u64| syncs.get(syncs.partition_point(|sync| *sync < after)).copied();
    let mut known = if told_at_once { since } else { told(since)? };
    for loss in journal.losses.iter().filter(|loss| **loss >= since) {
        if *loss >= known {
            known = told(*loss)?;
        }
    }
    Some(known)
}

/// A visitor was let in: with this ticket for the first time, or for the same stay.
pub fn at_opening(world: &World, who: usize, opened: Opened) {
    let mut journal = world.journal();
    let ms = opened.at;
    let last_sync = journal.syncs.get(&opened.process).and_then(|syncs| syncs.last()).copied().unwrap_or(0);
    let person = &journal.people[who];
    let others: Vec<_> = person.stays.iter().filter(|other| other.ticket == opened.ticket).collect();
    // Where a claim was answered in vain and the turn then taken elsewhere, the stay is told later with both its ends.
    let covers = |other: &Opened| opened.stay.since <= other.stay.since && other.stay.until <= opened.stay.until;
    let is_same = others.iter().any(|other| other.stay.since.seconds() == opened.stay.since.seconds() || covers(other));
    let mut second = None;
    for other in others.into_iter().filter(|_| !is_same) {
        let known = known_at(&journal, other.process, other.at, !other.alone);
        let could_know = match opened.alone {
            true if ms < last_sync + CALLED_MS => last_sync.saturating_sub(LATELY_MS),
            true => last_sync,
            false => ms,
        };
        let itself = opened.alone && other.process == opened.process && other.alone;
        if itself || known.is_some_and(|known| known + SYNC_MS < could_know) {
            second = Some(*other);
        }
    }
    let finished = person.ends.iter().find(|end| {
        let known = known_at(&journal, end.process, end.at, false);
        let heard = known.is_some_and(|known| known + SYNC_MS < last_sync);
        end.ticket == opened.ticket && (heard || end.process == opened.process)
    });
    if let Some(Ended { at, .. }) = finished.copied() {
        journal.breaks(Promise::OneStay, ms, &[who], format!("goes in with a ticket that was finished at {at} ms"));
    }
    if let Some(other) = second {
        journal.breaks(Promise::OneStay, ms, &[who], format!("a second stay: {opened:?} after {other:?}"));
    }
    if !is_same {
        journal.people[who].stays.push(opened);
    }
}

/// 24 s and 2 s after the last fault somebody was let in, where anybody waited.
pub fn at_recovery(world: &World) {
    let (ms, end, seed) = (world.ms(), world.scenario.faults_end(), world.scenario.seed);
    // It was found out later that a line was lost; or the store's time stands still until its clock is where it was.
    if world.is_held() || world.server().lives_again(ms) {
        return;
    }
    let (server, mut journal) = (world.server(), world.journal());
    let waits = |who: usize, person: &Person| {
        let by_right = person.is_waiting && !person.strayed && person.registered.is_some_and(|at| at < end);
        let called = |ticket| server.room.as_ref().is_some_and(|room| room.knows(visitor(seed, who), ticket));
        by_right && person.due + SYNC_MS > ms && !person.ticket.is_some_and(called)
    };
    let people = journal.people.iter().enumerate();
    let who: Vec<usize> = people.filter(|(who, person)| waits(*who, person)).map(|(who, _)| who).collect();
    if !journal.clock_spoils_order
        && journal.first_after.is_none()
        && world.scenario.settings.max_active == 0
        && !who.is_empty()
    {
        journal.breaks(Promise::Liveness, ms, &who[..1], format!("{} wait and nothing moves", who.len()));
    }
}

/// Everybody was let in in the end.
pub fn at_end(world: &World) {
    let (ms, mut journal) = (world.ms(), world.journal());
    let left: Vec<usize> =
        journal.people.iter().enumerate().filter(|(_, person)| person.is_waiting).map(|(who, _)| who).collect();
    if let Some(first) = left.first() {
        journal.breaks(Promise::Liveness, ms, &[*first], format!("{left:?} still wait"));
    }
}
