//! The room of an instance that is left alone, and what a room leaves to another.

use super::Room;
use crate::queue::{Heartbeat, Settings, Stay, Ticket, Time, Visitor, Window};

impl Room {
    /// The room of an instance that is left alone: it gives no turn before `from`. `watermark`: what the store had given
    /// by then.
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

    /// Everybody up to `floor` who waits, or was offered a turn and has not taken it, leaves: their places are kept
    /// elsewhere.
    pub fn send_away(&mut self, floor: Ticket) -> Vec<Heartbeat> {
        let mut gone: Vec<_> = self.line().filter(|beat| beat.ticket <= floor).collect();
        let offered = self.turns().filter(|(_, ticket, stay)| *ticket <= floor && stay.is_none());
        gone.extend(offered.map(|(visitor, ticket, _)| Heartbeat { visitor, ticket, late: false, first: None }));
        for heartbeat in &gone {
            self.line.leave(heartbeat.visitor);
            self.turns.take_back(heartbeat.visitor, heartbeat.ticket);
        }
        gone
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

    /// Whether the visitor stands in line.
    pub fn waits(&self, visitor: Visitor) -> bool {
        self.line.find(visitor).is_some()
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
