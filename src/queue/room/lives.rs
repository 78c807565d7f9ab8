//! A room that begins where another one ended, and what it leaves to the next.

use super::Room;
use crate::queue::epoch::HOLD_SECONDS;
use crate::queue::{Change, Heartbeat, Settings, Stay, Ticket, Time, Visitor, Window};

impl Room {
    /// A room of a process that ended: an empty line, but nobody is admitted before the visitors had time to bring theirs
    /// back, and what was given a turn before can't be given another without a look.
    pub fn restored(defaults: &Settings, version: u64, changed: Change, watermark: Ticket, now: Time) -> Self {
        let settings = Settings::with(defaults, &changed);
        let mut room = Self { version, changed, settings, watermark, ..Self::new(now.0.max(1), defaults) };
        if watermark != Ticket::default() {
            room.epoch.hold(now.plus_seconds(HOLD_SECONDS));
        }
        room
    }

    /// The room of an instance that is left alone: it gives no turn before `from`, and none to the tickets up to
    /// `watermark`, of which only the store knows whether they are spent.
    pub fn alone(epoch: u64, share: &Settings, watermark: Ticket, from: Time) -> Self {
        let mut room = Self { watermark, ..Self::new(epoch, share) };
        room.epoch.hold(from);
        room
    }

    /// Everybody in line, as heartbeats that put them into another one.
    pub fn line(&self) -> impl Iterator<Item = Heartbeat> {
        self.line.all().map(|(visitor, waiting)| Heartbeat {
            visitor,
            ticket: waiting.ticket,
            late: waiting.late,
            first: None,
        })
    }

    /// Every turn that is held, with its ticket; a stay where it was taken.
    pub fn turns(&self) -> impl Iterator<Item = (Visitor, Ticket, Option<Stay>)> {
        self.turns
            .all()
            .map(|(visitor, turn)| (visitor, turn.ticket, turn.since.map(|since| Stay { since, until: turn.until })))
    }

    /// Every ticket whose turn is over, and whether it was finished before its time.
    pub fn over(&self) -> impl Iterator<Item = (Visitor, Ticket, bool)> {
        let over = self.turns.spent.all().filter(|(visitor, ticket)| !self.turns.holds(*visitor, *ticket));
        over.map(|(visitor, ticket)| (visitor, ticket, self.turns.revoked.contains(visitor, ticket)))
    }

    /// Whether the visitor holds a turn by this ticket.
    pub fn holds(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.turns.holds(visitor, ticket)
    }

    /// Whether this ticket's turn is held or over, as far as this room knows.
    pub fn knows(&self, visitor: Visitor, ticket: Ticket) -> bool {
        self.turns.is_over(visitor, ticket)
    }

    /// The turns given in the window of the last one, and all that were ever given.
    pub fn given(&self) -> (Window, u64) {
        (self.window, self.admitted)
    }

    /// The highest ticket that was ever given a turn.
    pub fn watermark(&self) -> Ticket {
        self.watermark
    }

    /// The turns held at `now`.
    #[cfg(test)]
    pub fn held(&self, now: Time) -> Vec<(Visitor, crate::queue::turns::Turn)> {
        self.turns.all().filter(|(_, turn)| turn.until > now).collect()
    }
}
