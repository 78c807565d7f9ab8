//! What is known of a visitor's way, for the judge.

/// When a request was sent and answered, ms from the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub sent: u32,
    pub answered: u32,
}

/// What is known of a visitor's way, for the judge. Moments in ms from the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The place, as the token tells it: when it was minted, in µs on the gate's clock.
    pub ticket: Option<u64>,
    /// When the visitor was first told to wait.
    pub waits_since: Option<u32>,
    /// When the visitor first asked with the place in hand and was told to wait: from then on it counts.
    pub in_line: Option<u32>,
    /// The last question that was answered with "wait", as it was sent.
    pub waits_until: Option<u32>,
    /// The answer that said that the turn had come.
    pub turn: Option<u32>,
    /// The request that brought the turn, as it was sent.
    pub turn_asked: Option<u32>,
    /// The wait first shown.
    pub promised: Option<Promise>,
    /// Was silent for so long that the place need not be next.
    pub was_absent: bool,
}

/// An estimate that somebody was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    pub at: u32,
    pub low_seconds: u32,
    pub high_seconds: u32,
}
