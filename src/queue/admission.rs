//! How many turns a window still has to give.

use super::{Settings, Time};

/// The window that was last admitted from.
///
/// Windows begin at multiples of their length since the Unix epoch, so that all instances agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When the last turn was given.
    pub last: Time,
    /// Turns given in the window of that moment.
    pub used: u64,
    /// Whether that turn went to somebody who had been away. Outlives the window, so that a limit of one is shared too.
    pub late: bool,
}

impl Window {
    /// The window at `now`: the same one, or a fresh one where its time is over. A window that begins before the last
    /// turn isn't fresh, so that a changed length can't give the same time twice.
    #[must_use]
    pub fn at(self, settings: &Settings, now: Time) -> Self {
        if start(settings, now) > self.last { Self { used: 0, ..self } } else { self }
    }

    /// Turns that may still be given at `now`.
    pub fn left(self, settings: &Settings, now: Time) -> u64 {
        settings.admission_limit.saturating_sub(self.at(settings, now).used)
    }

    /// The window after one more turn, given at `now`.
    #[must_use]
    pub fn after_turn(self, settings: &Settings, now: Time, late: bool) -> Self {
        Self { last: now, used: self.at(settings, now).used + 1, late }
    }

    /// This window, where another account of it may be the better one: of a store that forgot, the larger counts.
    #[must_use]
    pub fn at_least(self, other: Self, settings: &Settings, now: Time) -> Self {
        if start(settings, now) > other.last {
            return self;
        }
        let used = self.at(settings, now).used.max(other.used);
        Self { last: self.last.max(other.last), used, ..self }
    }

    /// This window with turns that were given elsewhere.
    #[must_use]
    pub fn plus(self, other: Self, settings: &Settings, now: Time) -> Self {
        let both = self.at(settings, now).used.saturating_add(other.used);
        self.at_least(Self { used: both, ..other }, settings, now)
    }

    /// The moment at which the next window begins.
    pub fn next_start(settings: &Settings, now: Time) -> Time {
        start(settings, now).plus_seconds(settings.admission_frequency)
    }
}

fn start(settings: &Settings, now: Time) -> Time {
    let length = settings.admission_frequency.saturating_mul(1000).max(1);
    Time(now.0 - now.0 % length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(limit: u64, frequency: u64) -> Settings {
        Settings { admission_limit: limit, admission_frequency: frequency, ..Settings::default() }
    }

    fn used(used: u64, last: u64) -> Window {
        Window { last: Time(last), used, late: false }
    }

    #[test]
    fn windows_are_aligned_and_what_is_not_used_is_lost() {
        let settings = settings(10, 5);
        assert_eq!(Window::default().left(&settings, Time(12_345)), 10);
        assert_eq!(used(4, 12_345).left(&settings, Time(14_999)), 6);
        assert_eq!(used(4, 12_345).left(&settings, Time(15_000)), 10);
        assert_eq!(used(4, 12_345).left(&settings, Time(95_000)), 10);
        assert_eq!(Window::next_start(&settings, Time(12_345)), Time(15_000));
    }

    #[test]
    fn a_turn_opens_a_window_and_counts_in_it() {
        let settings = settings(10, 5);
        let window = used(9, 14_000).after_turn(&settings, Time(14_999), true);
        assert_eq!(window, Window { last: Time(14_999), used: 10, late: true });
        assert_eq!(window.after_turn(&settings, Time(15_000), false), used(1, 15_000));
    }

    #[test]
    fn what_others_gave_counts_in_its_own_window_only() {
        let settings = settings(10, 5);
        assert_eq!(used(3, 12_345).plus(used(4, 13_000), &settings, Time(14_000)), used(7, 13_000));
        assert_eq!(used(3, 14_000).plus(used(4, 11_000), &settings, Time(14_500)), used(7, 14_000));
        assert_eq!(used(3, 9_000).plus(used(4, 11_000), &settings, Time(14_000)), used(4, 11_000));
        assert_eq!(used(3, 12_345).plus(used(4, 9_999), &settings, Time(14_000)), used(3, 12_345));
        assert_eq!(used(3, 12_345).at_least(used(4, 12_000), &settings, Time(14_000)), used(4, 12_345));
        assert_eq!(used(0, 0).at_least(used(4, 9_000), &settings, Time(14_000)), used(0, 0));
    }

    #[test]
    fn a_changed_length_does_not_give_the_same_time_twice() {
        let window = used(10, 14_500);
        for (limit, frequency, now, left) in [
            (10, 3600, 14_600, 0),
            (11, 3600, 14_600, 1),
            (10, 3600, 3_600_000, 10),
            // The window of 7 s begins at 14 s, before the last turn.
            (10, 7, 14_600, 0),
            (10, 7, 21_000, 10),
            (10, 1, 14_600, 0),
            (10, 1, 15_000, 10),
        ] {
            assert_eq!(window.left(&settings(limit, frequency), Time(now)), left, "{limit} {frequency} {now}");
        }
    }
}
