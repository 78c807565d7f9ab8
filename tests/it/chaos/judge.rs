//! What must hold, whatever happened: found out from the diary alone, never from the program's own counters.
//!
//! When a turn was given nobody outside can know exactly. But it was after the last poll that said "waiting" and before
//! the first that said "ready"; what contradicts each of the moments in between is a violation. While an instance may not
//! reach the store, what it says of the line may be old: such a "waiting" isn't trusted.

use super::diary::{Diary, End, Ms, Note, Seen, Story, Told, Trouble};
use super::fault::{Cost, Fault};
use super::verdict::{Offence, Verdict, Violation};
use crate::support::doors::Way;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What an instance says may be so old while all is well: a sync, and a busy machine.
const STALE: Ms = 1_000;
/// A turn that was given is seen by whoever asks after this.
const SLACK: Ms = 2_000;
/// A trouble may show so long before it is noted, and so long after it was undone: the store has to be found again.
const BEFORE: Ms = 500;
const AFTER: Ms = 3_000;
/// No answer takes longer.
const ANSWER: Ms = 5_000;
/// After a trouble somebody is let in within a polling period and this, and what is left of a window.
const RECOVERY: Ms = 24_000 + 2_000;

/// What the room had to keep to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub limit: u64,
    pub window: Ms,
    pub presence: Ms,
}

/// Judges.
pub struct Judge<'a> {
    rules: Rules,
    stories: &'a [Story],
    troubles: &'a [Trouble],
    verdict: Verdict,
}

/// When somebody got a turn, at the earliest and at the latest.
struct Given {
    story: usize,
    after: Ms,
    before: Ms,
}

impl<'a> Judge<'a> {
    pub fn judge(rules: Rules, diary: &Diary) -> Verdict {
        let (stories, seen) = (diary.stories.lock().unwrap(), diary.seen.lock().unwrap());
        let troubles = diary.troubles.lock().unwrap();
        let mut judge = Judge { rules, stories: &stories, troubles: &troubles, verdict: Verdict::default() };
        for story in judge.stories {
            judge.place(story);
            judge.answers(story);
        }
        let given = judge.given();
        judge.verdict.admitted = given.len();
        judge.order(&given);
        judge.windows(&given);
        judge.recovery(&given);
        judge.origin(&seen);
        judge.verdict.violations.sort_by_key(|violation| (violation.offence, violation.at));
        judge.verdict
    }

    /// Whether `at` is touched by a trouble that costs this.
    fn is_troubled(&self, at: Ms, costs: impl Fn(Cost) -> bool) -> bool {
        self.troubles
            .iter()
            .any(|trouble| costs(trouble.fault.cost()) && trouble.begin <= at + BEFORE && at <= trouble.end + AFTER)
    }

    fn is_trusted(&self, note: &Note) -> bool {
        !self.is_troubled(note.asked, |cost| cost.store) && !self.is_troubled(note.answered, |cost| cost.store)
    }

    fn finds(&mut self, offence: Offence, at: Ms, what: String, who: &[&Story]) {
        let who = who.iter().map(|story| story.name.clone()).collect();
        self.verdict.violations.push(Violation { offence, at, what, who });
    }

    /// The place is kept, and leads inside.
    fn place(&mut self, story: &'a Story) {
        let tickets: Vec<u64> = story.tickets().collect();
        if let [first, .., last] = tickets[..] {
            let at = story.notes.last().map_or(0, |note| note.answered);
            self.finds(Offence::PlaceLost, at, format!("{} had ticket {first}, then {last}", story.name), &[story]);
        }
        let inside = story.first_ready().map_or(Ms::MAX, |note| note.answered);
        if let Some(note) = story.notes.iter().find(|note| note.told == Told::Unknown && note.answered < inside) {
            self.finds(Offence::PlaceLost, note.answered, format!("{} was told \"unknown\"", story.name), &[story]);
        }
        if story.end == End::StillThere {
            let at = story.notes.last().map_or(0, |note| note.answered);
            self.finds(Offence::NeverAdmitted, at, format!("{} still waits at the end", story.name), &[story]);
        }
    }

    /// Every answer comes in time, and is none that the visitor shouldn't see.
    fn answers(&mut self, story: &'a Story) {
        let mut inside = false;
        for note in &story.notes {
            let took = note.answered - note.asked;
            if took > ANSWER {
                let what = format!("{} waited {took} ms for: {:?}", story.name, note.told);
                self.finds(Offence::SlowAnswer, note.answered, what, &[story]);
            }
            let at = note.answered;
            let near = |costs: fn(Cost) -> bool| self.is_troubled(at, costs) || self.is_troubled(note.asked, costs);
            let bad = match note.told {
                Told::Ticket(_) | Told::Site | Told::Ready | Told::Entered => false,
                Told::Cut(_) => !near(|cost| cost.doors),
                Told::BadGateway(_) => !near(|cost| cost.origin),
                // A newcomer by the API needs the store, or an instance that is ready for it.
                Told::NotNow(_) if !inside && story.tickets().next().is_none() => {
                    !near(|cost| cost.store || cost.doors)
                }
                Told::NotNow(_) | Told::Odd(_) => true,
                Told::Waiting { .. } | Told::Page | Told::Unknown | Told::Finished(false) => inside,
                Told::Finished(true) => false,
            };
            if bad {
                let offence = if inside { Offence::ErrorInside } else { Offence::Refused };
                self.finds(offence, at, format!("{} got {:?}", story.name, note.told), &[story]);
            }
            inside |= note.told == Told::Ready;
        }
    }

    /// Everybody who got in, by when they were heard to be inside.
    fn given(&self) -> Vec<Given> {
        let mut given: Vec<Given> = (0..self.stories.len())
            .filter_map(|number| {
                let story = &self.stories[number];
                let before = story.first_ready()?.answered;
                let waited = story.waits().rfind(|note| self.is_trusted(note));
                let after = waited.map_or_else(|| story.notes[0].asked, |note| note.asked.saturating_sub(STALE));
                Some(Given { story: number, after, before })
            })
            .collect();
        given.sort_by_key(|given| given.before);
        given
    }

    /// Nobody present waits on while a later ticket is let in, as long as the store is there.
    fn order(&mut self, given: &[Given]) {
        let mut found = Vec::new();
        for passed in self.stories {
            let Some((ticket, heard, waited)) = self.waiting(passed) else { continue };
            let from = given.partition_point(|other| other.before <= heard);
            let to = given.partition_point(|other| other.before + SLACK < waited);
            let overtaken = given.get(from..to).unwrap_or_default().iter().find_map(|other| {
                let theirs = self.stories[other.story].tickets().next();
                let is_later = theirs > Some(ticket) && heard + SLACK < other.after;
                let waited = self.waited_after(passed, other.before).filter(|_| is_later)?;
                self.was_heard(passed, other).then_some((passed, other.story, other.before, waited))
            });
            found.extend(overtaken);
        }
        for (passed, other, before, waited) in found {
            let other = &self.stories[other];
            let what = format!(
                "{} waited on for {} ms after {} with a later ticket was in",
                passed.name,
                waited - before,
                other.name
            );
            self.finds(Offence::Inversion, before, what, &[passed, other]);
        }
    }

    /// A visitor's ticket, when it was first heard of, and the last trusted moment of waiting.
    fn waiting(&self, story: &Story) -> Option<(u64, Ms, Ms)> {
        let first = story.notes.iter().find(|note| matches!(note.told, Told::Waiting { .. } | Told::Entered))?;
        let last = story.waits().rfind(|note| self.is_trusted(note))?;
        Some((story.tickets().next()?, first.answered, last.asked))
    }

    /// The last trusted moment of waiting that shows that no turn had come at `moment`. What a store forgets may have been
    /// a turn, so what it says later of an earlier moment shows nothing.
    fn waited_after(&self, story: &Story, moment: Ms) -> Option<Ms> {
        let forgets = |trouble: &&Trouble| trouble.fault.cost().forgets && trouble.begin + SLACK >= moment;
        let end = self.troubles.iter().filter(forgets).map(|trouble| trouble.begin).min().unwrap_or(Ms::MAX);
        let last = story.waits().rfind(|note| self.is_trusted(note) && note.answered < end)?;
        Some(last.asked).filter(|asked| *asked > moment + SLACK)
    }

    /// Whether the store knew of `passed` when `other` was let in: no long silence before, nothing forgotten since, and
    /// no doubt about the store meanwhile.
    fn was_heard(&self, passed: &Story, other: &Given) -> bool {
        let contacts: Vec<&Note> = passed
            .notes
            .iter()
            .filter(|note| matches!(note.told, Told::Waiting { .. } | Told::Entered) && note.answered <= other.after)
            .collect();
        let Some(last) = contacts.iter().rfind(|note| self.is_trusted(note)) else { return false };
        let gaps = contacts.windows(2).map(|pair| pair[1].answered - pair[0].answered);
        let silence = gaps.chain([other.before.saturating_sub(last.answered)]).max().unwrap_or(0);
        let unsure = self.troubles.iter().any(|trouble| {
            trouble.fault.cost().store && trouble.begin <= other.before + BEFORE && last.asked <= trouble.end + AFTER
        });
        silence + 5_000 < self.rules.presence && !unsure
    }

    /// No window gives more than its limit: as many turns as can't have been given in any other are counted in it.
    fn windows(&mut self, given: &[Given]) {
        let window = self.rules.window;
        let mut by_start: BTreeMap<Ms, Vec<&Given>> = BTreeMap::new();
        for each in given {
            by_start.entry(each.after / window).or_default().push(each);
        }
        let (Some(first), Some(last)) =
            (by_start.keys().next().copied(), given.iter().map(|each| each.before / window).max())
        else {
            return;
        };
        let mut open = BinaryHeap::new();
        for number in first..=last {
            for each in by_start.remove(&number).unwrap_or_default() {
                open.push(Reverse((each.before / window, each.story)));
            }
            for _ in 0..self.capacity(number * window) {
                open.pop();
            }
            while let Some(Reverse((end, story))) = open.peek().copied().filter(|Reverse((end, _))| *end <= number) {
                open.pop();
                let story = &self.stories[story];
                let what = format!("{} is one too many in the window that begins {}", story.name, end * window);
                self.finds(Offence::OverAdmission, end * window, what, &[story]);
            }
        }
    }

    /// What may be given in a window.
    fn capacity(&self, start: Ms) -> u64 {
        let touches = |trouble: &&Trouble| {
            let cost = trouble.fault.cost();
            cost.beside > 0 && trouble.begin < start + self.rules.window + BEFORE && start < trouble.end + AFTER
        };
        let beside = self.troubles.iter().filter(touches).map(|trouble| trouble.fault.cost().beside).max();
        self.rules.limit + (self.rules.limit * beside.unwrap_or(0)).div_ceil(100)
    }

    /// After each trouble somebody is let in again, soon.
    fn recovery(&mut self, given: &[Given]) {
        for trouble in self.troubles.iter().filter(|trouble| trouble.fault != Fault::MachineStarved) {
            let entered_after = |each: &&Given| {
                let asked = self.stories[each.story].waits().next_back().map(|note| note.asked);
                asked.is_some_and(|asked| asked >= trouble.end)
            };
            let took = given.iter().find(entered_after).map_or(Ms::MAX, |each| each.before - trouble.end);
            self.verdict.recoveries.push((trouble.fault, took));
            if took > RECOVERY + self.rules.window {
                let what = format!("{}: nobody was let in for {took} ms after it", trouble.fault.name());
                self.finds(Offence::SlowRecovery, trouble.end, what, &[]);
            }
        }
    }

    /// The origin is reached with a ready token only, and with none that was given back.
    fn origin(&mut self, seen: &[Seen]) {
        for Seen { at, path, token } in seen {
            let is_ready = token.as_ref().is_some_and(|token| token.rdy.is_some_and(|until| (until + 5) * 1000 > *at));
            // Forwarded without a token while nobody waits is how it should be.
            let sneaked = path.starts_with("/sneak/") && token.is_some() && !self.is_troubled(*at, |cost| cost.store);
            if sneaked || (path.starts_with("/shop/") && !is_ready) {
                self.finds(Offence::Unguarded, *at, format!("the origin saw {path} with {token:?}"), &[]);
            }
        }
    }
}

/// Whether this visitor came by the API: for the report.
pub fn way(story: &Story) -> &'static str {
    match story.way {
        Way::Api => "by the API",
        Way::Browser => "with a browser",
    }
}

#[cfg(test)]
mod tests;
