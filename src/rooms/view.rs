//! What an instance knows of a room: swapped whole after each sync.

use crate::queue::{Estimate, HOLD_SECONDS, Mode, Settings, Snapshot, Speed, Ticket, Time};
use std::sync::Arc;

/// What is known now.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What the shared store said last, however long ago.
    pub snapshot: Snapshot,
    /// In force: the configured ones, changed by what the store holds.
    pub settings: Settings,
    /// How fast the line moves.
    pub speed: Speed,
    pub contact: Contact,
    /// When this instance found that the store had lost its memory, last.
    pub forgot: Time,
}

/// How it stands with the store.
#[derive(Clone, Debug, Default)]
pub enum Contact {
    /// It answered the last sync.
    Shared,
    /// It doesn't answer (yet): nobody is admitted.
    #[default]
    Lost,
    /// It is away, and this instance admits its share.
    Alone {
        since: Time,
        /// Of those who were heard here since then.
        own: Arc<Snapshot>,
    },
    /// It is away, and everybody gets in.
    Open,
}

impl View {
    /// Whether anything moves.
    pub const fn is_connected(&self) -> bool {
        !matches!(self.contact, Contact::Lost)
    }

    /// Whether everybody is forwarded. What an operator closed or paused stays so without the store, too.
    pub const fn is_open(&self) -> bool {
        match self.settings.mode {
            Mode::Off | Mode::Observe => true,
            Mode::Auto => matches!(self.contact, Contact::Open),
            Mode::Pause | Mode::Closed => false,
        }
    }

    /// Whether somebody who comes now has to wait. The store has the last word.
    pub fn is_busy(&self, now: Time) -> bool {
        match &self.contact {
            Contact::Shared => self.snapshot.is_busy(&self.settings, now),
            Contact::Lost => true,
            Contact::Open => false,
            Contact::Alone { own, .. } => self.waiting() > 0 || now < own.hold_until || !self.settings.mode.admits(),
        }
    }

    /// The highest ticket that was given a turn, as far as this instance knows.
    pub fn watermark(&self) -> Ticket {
        self.of_both(|snapshot| snapshot.watermark)
    }

    /// The place of a ticket, 1 at the head. Where the store is away: as it was, less those who went in since; but nobody
    /// stands before those who were heard here.
    pub fn position(&self, ticket: Ticket) -> u64 {
        let before = self.snapshot.position(ticket).saturating_sub(self.gone_in()).max(1);
        match &self.contact {
            Contact::Alone { own, .. } => own.position(ticket).max(before),
            _ => before,
        }
    }

    /// People in the line.
    pub fn waiting(&self) -> u64 {
        let before = self.snapshot.waiting().saturating_sub(self.gone_in());
        match &self.contact {
            Contact::Alone { own, .. } => own.waiting().max(before),
            _ => before,
        }
    }

    /// A sign of life from before this moment is to be given again: the store may not have it. That is when its memory
    /// began, or when it began to wait for the line.
    pub fn heard_since(&self) -> Time {
        match &self.contact {
            Contact::Alone { since, .. } => *since,
            // An epoch is named after the moment at which it began.
            _ => self.snapshot.hold_until.minus_seconds(HOLD_SECONDS).max(Time(self.snapshot.epoch)).max(self.forgot),
        }
    }

    /// The wait of somebody at this position; `None` where nobody is admitted now or it can't be told. `is_new`: doesn't
    /// stand in the line yet.
    pub fn estimate(&self, position: u64, is_new: bool) -> Option<Estimate> {
        let moving = self.settings.mode.admits() && self.is_connected();
        let free = match self.settings.max_active {
            0 => u64::MAX,
            cap => cap.saturating_sub(self.snapshot.ready),
        };
        moving.then(|| Estimate::of(position.saturating_sub(1), is_new, free, self.speed, &self.settings)).flatten()
    }

    /// How many went in since the store was last heard of, if every instance gave as many as this one.
    fn gone_in(&self) -> u64 {
        match &self.contact {
            Contact::Alone { own, .. } => own.admitted.saturating_mul(self.snapshot.instances.max(1)),
            _ => 0,
        }
    }

    fn of_both<T: Ord>(&self, of: impl Fn(&Snapshot) -> T) -> T {
        match &self.contact {
            Contact::Alone { own, .. } => of(own).max(of(&self.snapshot)),
            _ => of(&self.snapshot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Ranks;

    fn line(tickets: &[u64]) -> Ranks {
        Ranks {
            head: tickets.iter().map(|ticket| Ticket(*ticket)).collect(),
            samples: vec![],
            len: tickets.len() as u64,
        }
    }

    #[test]
    fn while_the_store_is_away_places_go_on_from_where_they_were() {
        let snapshot = Snapshot { line: line(&[10, 20, 30, 40, 50, 60]), instances: 2, ..Snapshot::default() };
        let own = Snapshot {
            line: line(&[40, 60, 70, 80, 90, 95]),
            admitted: 1,
            watermark: Ticket(20),
            ..Snapshot::default()
        };
        let contact = Contact::Alone { since: Time(5), own: Arc::new(own) };
        let view = View { snapshot, contact, ..View::default() };
        assert_eq!(view.position(Ticket(40)), 2, "two went in, by two instances");
        assert_eq!(view.position(Ticket(60)), 4);
        assert_eq!(view.position(Ticket(96)), 7, "six were heard here");
        assert_eq!((view.waiting(), view.watermark(), view.heard_since()), (6, Ticket(20), Time(5)));
        assert!(view.is_busy(Time(9)) && view.is_connected());
    }
}
