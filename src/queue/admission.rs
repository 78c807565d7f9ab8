//! Whether a window is due, how many may go, and how many of those may be people who were away.

use super::{Settings, Time};

/// The window that was last admitted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Where it begins: a multiple of the window's length since the Unix epoch, so that all instances agree.
    pub start: Time,
    /// Turns given in it.
    pub used: u64,
    /// Those of them that went to people who had been away.
    pub late: u64,
}

/// What a window still has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Turns left.
    pub left: u64,
    /// How many of those may go to people who were away, as long as others stand in line.
    pub late_left: u64,
}

impl Window {
    /// The window at `now`: the same one, or a fresh one where its time is over. A window never begins earlier than
    /// the last, so that a changed length can't give the same time twice.
    #[must_use]
    pub fn at(self, settings: &Settings, now: Time) -> Self {
        let length = settings.admission_frequency.saturating_mul(1000).max(1);
        let start = Time(now.0 - now.0 % length);
        if start > self.start { Self { start, used: 0, late: 0 } } else { self }
    }

    /// What may be given out at `now`.
    ///
    /// People who were away get at most half of a window, or hoarded tickets could flood past those who wait; of an odd
    /// limit the odd place goes to them in every second window.
    pub fn quota(self, settings: &Settings, now: Time) -> Quota {
        let window = self.at(settings, now);
        let limit = settings.admission_limit;
        let number = window.start.0 / settings.admission_frequency.saturating_mul(1000).max(1);
        let late = limit / 2 + limit % 2 * ((number + 1) % 2);
        Quota { left: limit.saturating_sub(window.used), late_left: late.saturating_sub(window.late) }
    }

    /// The moment at which the next window begins.
    pub fn next_start(self, settings: &Settings, now: Time) -> Time {
        self.at(settings, now).start.plus_seconds(settings.admission_frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(limit: u64, frequency: u64) -> Settings {
        Settings { admission_limit: limit, admission_frequency: frequency, ..Settings::default() }
    }

    #[test]
    fn windows_are_aligned_and_what_is_not_used_is_lost() {
        let settings = settings(10, 5);
        let window = Window::default().at(&settings, Time(12_345));
        assert_eq!(window.start, Time(10_000));
        let used = Window { used: 10, ..window };
        assert_eq!(used.quota(&settings, Time(14_999)).left, 0);
        assert_eq!(used.quota(&settings, Time(15_000)).left, 10);
        assert_eq!(used.quota(&settings, Time(95_000)).left, 10);
    }

    #[test]
    fn a_longer_window_does_not_give_the_same_time_twice() {
        let window = Window { start: Time(10_000), used: 10, late: 0 };
        assert_eq!(window.quota(&settings(10, 3600), Time(12_000)).left, 0);
        assert_eq!(window.quota(&settings(11, 3600), Time(12_000)).left, 1);
    }

    #[test]
    fn half_of_a_window_is_for_those_who_come_back() {
        let at = |limit, now| Window::default().quota(&settings(limit, 5), Time(now)).late_left;
        assert_eq!(at(10, 10_000), 5);
        assert_eq!((at(1, 10_000), at(1, 15_000)), (1, 0));
        assert_eq!((at(3, 10_000), at(3, 15_000)), (2, 1));
    }
}
