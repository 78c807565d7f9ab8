//! The keeper: a thread that writes down what happens in the rooms, and reads it when a process starts.
//!
//! A thread, because a disk may take its time, and no request should wait for that. What it can't write it says once, and
//! tries again every second; whatever it does, the rooms go on.

use super::journal::{self, Aside, Journal};
use super::late;
use super::record;
use super::shared::{Command, Shared, Work};
use super::state_dir::{KeptSettings, OpenError, StateDir};
use crate::queue::{Change, HOLD_SECONDS, Part, Room, Settings, Time};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Facts taken from a room at once: keeps the lock for a moment only.
const CHUNK: usize = 4096;
/// So often it is seen whether the disk has a file.
const GLANCE: Duration = Duration::from_millis(5);
/// A successor looks so often whether the process before it has let go …
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// … and says after so many looks (half a minute) that it hasn't.
const LOOKS: u32 = 1500;

/// What was found in a state directory.
pub struct Opened {
    directory: StateDir,
    journal: Journal,
    pub machines: HashMap<String, Room>,
}

/// Takes a state directory and reads everything in it.
///
/// # Errors
/// The directory can't be used.
pub fn open(path: &Path, now: Time) -> Result<Opened, OpenError> {
    let directory = StateDir::open(path)?;
    // What holds for settings that nobody changed is known when the room is first asked for.
    let defaults = Settings::default();
    let settings = directory.settings()?.into_iter();
    let mut machines: HashMap<String, Room> = settings
        .map(|(name, KeptSettings { version, changed })| (name, Room::recalling(&defaults, version, changed, now)))
        .collect();
    let file = directory.file("journal");
    let found = journal::read(&file, |name, fact| {
        if let Some(room) = machines.get_mut(name) {
            return room.recall(fact, now);
        }
        let mut room = Room::recalling(&defaults, 0, Change::default(), now);
        room.recall(fact, now);
        machines.insert(name.to_owned(), room);
    });
    let found = found.map_err(|error| OpenError::Unusable(file.clone(), error))?;
    // Presence was measured by a process that heard the visitors: for as long as they stay silent anyway, it holds.
    let knows_line = found.handed_over.is_some_and(|at| now < at.plus_seconds(HOLD_SECONDS));
    machines.values_mut().for_each(|room| room.resume(knows_line, now));
    let path = file.display();
    if found.damaged > 0 {
        let (lines, first) = (found.damaged, found.first_damaged);
        tracing::error!(%path, lines, first, "the journal is damaged: what these lines said is forgotten, the rest holds");
    }
    if found.unknown > 0 {
        tracing::warn!(%path, lines = found.unknown, "the journal has lines of another version: they are left out");
    }
    if found.torn {
        tracing::info!(%path, "the last line of the journal was cut; the process before was killed while it wrote");
    }
    Ok(Opened { directory, journal: Journal::behind(file, &found), machines })
}

/// Keeps what happens from now on, until it is told to end.
pub fn keep(shared: &Shared, directory: StateDir, journal: Journal) {
    Keeper { shared, directory, journal, settings: None, done: 0, is_failing: false }.run();
}

impl Opened {
    /// Parts what it holds: the rooms for those who call, the rest for [`keep`].
    pub fn part(self) -> (HashMap<String, Room>, StateDir, Journal) {
        (self.machines, self.directory, self.journal)
    }
}

/// Waits until the process before this one lets go of the directory, opens it, and keeps what happens from then on.
pub fn succeed(shared: &Arc<Shared>, path: &Path) {
    let mut said = false;
    for look in 0u32.. {
        let late = look >= LOOKS;
        match open(path, shared.clock.now()) {
            Ok(opened) => {
                let (machines, directory, journal) = opened.part();
                tracing::info!(rooms = machines.len(), "took the rooms over");
                shared.open(machines);
                return keep(shared, directory, journal);
            }
            Err(OpenError::InUse(_)) if !late => {}
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::error!(%error, "the rooms can't be taken over yet; still trying");
                }
            }
        }
        match shared.pause(LOOK_EVERY) {
            Some(Command::End) => return,
            Some(Command::HandOver(reply)) => {
                let _ = reply.send(Err(io::Error::other("the rooms are not taken over yet")));
            }
            None => {}
        }
    }
}

struct Keeper<'a> {
    shared: &'a Shared,
    directory: StateDir,
    journal: Journal,
    /// Changed settings that aren't written yet.
    settings: Option<BTreeMap<String, KeptSettings>>,
    done: u64,
    is_failing: bool,
}

impl Keeper<'_> {
    fn run(mut self) {
        loop {
            let result = self.write();
            self.report(result);
            late::take(self.directory.path(), |room, visitor, ticket| self.shared.finish(room, visitor, ticket));
            let (work, command) = self.shared.next(self.done, self.is_failing);
            self.take(&work);
            self.settings = work.settings.or(self.settings.take());
            match command {
                None => {}
                Some(Command::End) => {
                    let result = self.write_down();
                    self.report(result);
                    return;
                }
                Some(Command::HandOver(reply)) => {
                    let result = self.hand_over();
                    let is_over = result.is_ok();
                    // Whoever hears of it finds the directory free.
                    if is_over {
                        drop(self);
                        let _ = reply.send(result);
                        return;
                    }
                    let _ = reply.send(result);
                }
            }
        }
    }

    fn take(&mut self, work: &Work) {
        self.journal.append(&work.news);
        if work.dropped {
            self.journal.lose();
        }
        self.done = work.told;
    }

    /// Writes whatever is to be written.
    fn write(&mut self) -> io::Result<()> {
        self.write_down()?;
        if !self.journal.is_due() {
            return Ok(());
        }
        let was_incomplete = self.journal.is_incomplete();
        match self.write_anew() {
            Err(error) if was_incomplete => Err(error),
            Err(error) => {
                self.journal.put_off();
                tracing::warn!(%error, "the journal can't be written anew; it goes on growing");
                self.write_down()
            }
            // Settings may have changed meanwhile.
            Ok(()) => self.write_down(),
        }
    }

    /// Writes what is new.
    fn write_down(&mut self) -> io::Result<()> {
        self.directory.lock().map_err(io::Error::other)?;
        if let Some(settings) = &self.settings {
            self.directory.save_settings(settings)?;
            self.settings = None;
        }
        self.journal.flush()
    }

    fn report(&mut self, result: io::Result<()>) {
        let was_failing = std::mem::replace(&mut self.is_failing, result.is_err());
        match result {
            Ok(()) if was_failing => tracing::info!("state is kept again"),
            Err(error) if !was_failing => {
                tracing::error!(%error, "state can't be kept: what happens from now on is forgotten if the process is killed");
            }
            _ => {}
        }
        self.shared.done(self.done, self.is_failing);
    }

    /// Writes the journal anew from what the rooms still remember; what happens meanwhile goes into both.
    fn write_anew(&mut self) -> io::Result<()> {
        let mut aside = self.journal.aside()?;
        match self.fill(&mut aside) {
            Ok(()) => self.journal.replace(aside),
            Err(error) => {
                aside.discard();
                Err(error)
            }
        }
    }

    fn fill(&mut self, aside: &mut Aside) -> io::Result<()> {
        for name in self.shared.names() {
            let mut part = Some(Part::FIRST);
            while let Some(at) = part {
                let (work, facts, next) = self.shared.lasting(&name, at, CHUNK);
                self.add(aside, work)?;
                aside.add(|lines| facts.iter().for_each(|fact| record::write(lines, &name, fact)))?;
                part = next;
            }
        }
        self.settle(aside)?;
        let work = self.shared.take();
        self.add(aside, work)
    }

    /// Waits until the new one is on the disk: a rename may get there before what was written. That takes its time, in which
    /// nobody waits for the keeper.
    fn settle(&mut self, aside: &mut Aside) -> io::Result<()> {
        let file = aside.file()?;
        thread::scope(|scope| {
            let on_disk = scope.spawn(move || file.sync_data());
            while !on_disk.is_finished() {
                let work = self.shared.news(self.done, GLANCE);
                self.add(aside, work)?;
            }
            on_disk.join().unwrap_or_else(|_| Err(io::Error::other("the thread that waited for the disk fell")))
        })
    }

    fn add(&mut self, aside: &mut Aside, work: Work) -> io::Result<()> {
        self.take(&work);
        self.settings = work.settings.or(self.settings.take());
        // The old one counts until the new one is in its place. It may be the one that the disk doesn't take any more.
        let is_failing = self.journal.flush().is_err();
        self.shared.done(self.done, is_failing);
        aside.add(|lines| lines.extend_from_slice(&work.news))
    }

    /// Takes the rooms from those who call, writes all of them, and lets go; or gives them back.
    fn hand_over(&mut self) -> io::Result<()> {
        let (work, machines) = self.shared.close();
        self.take(&work);
        self.settings = work.settings.or(self.settings.take());
        let result = self.write_down().and_then(|()| self.write_everything(&machines));
        self.shared.done(self.done, false);
        if result.is_err() {
            self.shared.open(machines);
        }
        result
    }

    fn write_everything(&mut self, machines: &HashMap<String, Room>) -> io::Result<()> {
        let mut aside = self.journal.aside()?;
        let written = machines
            .iter()
            .try_for_each(|(name, room)| {
                room.everything().try_for_each(|fact| aside.add(|lines| record::write(lines, name, &fact)))
            })
            .and_then(|()| aside.add(|lines| record::write_end(lines, self.shared.clock.now())));
        match written {
            Ok(()) => self.journal.replace(aside),
            Err(error) => {
                aside.discard();
                Err(error)
            }
        }
    }
}
