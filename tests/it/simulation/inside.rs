//! What visitors do once they are in: browse, show old tokens, finish; and what cheaters try afterwards.

use super::instance::Process;
use super::journal::Promise;
use super::people::{Ended, Event};
use super::visitor::{Guest, Told, pause};
use gatekeeper::gate::{Place, stay_of};
use gatekeeper::rooms::FinishOutcome;
use gatekeeper::token::Claims;

impl Guest {
    /// Browses for a while; finishes, or lets the stay run out, or just goes.
    pub async fn stay_inside(&mut self) {
        let pages = self.chance.within(1, 6);
        for _ in 0..pages {
            let gap = self.chance.pick(&[3_000, 8_000, 20_000, 20_000, 40_000, 70_000]);
            pause(self.chance.within(500, gap)).await;
            if self.chance.percent(15) {
                self.replay().await;
            }
            if !self.browse().await {
                return;
            }
        }
        if self.finishes() {
            self.finish().await;
        } else if let Some(until) = self.newest().and_then(|claims| claims.ready_until()) {
            // Nobody comes back before the stay is over.
            pause(until.ms_since(self.world.store_time()) + 1_500).await;
        }
    }

    /// One request to the site. Who is inside passes.
    async fn browse(&mut self) -> bool {
        let Some(claims) = self.newest() else { return false };
        let Told::Place(place, process, _) = self.ask(&claims, true).await else { return true };
        let ms = self.world.ms();
        let is_ready = claims.is_ready(process.room.now());
        match place {
            Place::Ready { claims: next, .. } => {
                let stay = stay_of(&next).unwrap();
                let passes = Event::Passes { until: stay.until.0, slot: process.slot };
                self.world.journal().note(ms, Some(self.who), passes);
                self.goes_in(&process, stay, &next);
                self.keep(next);
                true
            }
            other => {
                let mut journal = self.world.journal();
                journal.note(ms, Some(self.who), Event::IsGone { slot: process.slot });
                if is_ready {
                    let why = format!("inside until {:?}, and was answered {other:?}", claims.ready_until());
                    journal.breaks(Promise::ReadyPass, ms, &[self.who], why);
                }
                false
            }
        }
    }

    /// Another tab shows the first token of this place.
    async fn replay(&mut self) {
        let Some(claims) = self.waiting_token() else { return };
        let Told::Place(place, process, _) = self.ask(&claims, false).await else { return };
        self.note_replay(&process, &place);
    }

    fn note_replay(&self, process: &Process, place: &Place) {
        let (answer, claims): (_, Option<&Claims>) = match place {
            Place::Ready { claims, .. } => ("ready", Some(claims)),
            Place::Waiting { .. } => ("waiting", None),
            Place::Gone => ("gone", None),
            Place::Limited { .. } => ("limited", None),
        };
        self.world.note(self.who, Event::Replays { answer, slot: process.slot });
        if let Some(claims) = claims {
            self.goes_in(process, stay_of(claims).unwrap(), claims);
        }
    }

    async fn finish(&mut self) {
        let Some(claims) = self.newest() else { return };
        let process = self.reach().await;
        let outcome = process.room.finish(self.visitor(), claims.ticket(), stay_of(&claims)).await;
        if !process.is_alive() {
            return self.fails(process.slot);
        }
        let (ms, cleared) = (self.world.ms(), outcome == FinishOutcome::Cleared);
        let mut journal = self.world.journal();
        journal.note(ms, Some(self.who), Event::Finishes { cleared, slot: process.slot });
        if cleared {
            journal.people[self.who].ends.push(Ended { ticket: claims.ticket(), at: ms, process: process.id });
        }
    }

    /// The stay is over or finished: shows every token there was, for a while.
    pub async fn cheat(&mut self) {
        let (Some(waiting), Some(newest)) = (self.waiting_token(), self.newest()) else { return };
        for _ in 0..self.chance.within(2, 8) {
            pause(self.chance.within(800, 9_000)).await;
            let shown = if self.chance.percent(70) { &waiting } else { &newest };
            let Told::Place(place, process, _) = self.ask(shown, false).await else { continue };
            self.note_replay(&process, &place);
        }
    }
}
