//! How much a client of HTTP/2 makes the connection work without asking for anything.
//!
//! The library bounds what its streams may cost (resets before a request is taken up, CONTINUATION frames, the size of a
//! header), but answers each PING and SETTINGS, and reads empty DATA, PRIORITY and frames of unknown kinds, for as long as they come.
//! Frames of these kinds are counted as they pass by, and so are resets; who sends more than [`MOST`] of them in
//! [`WINDOW`] is disconnected. Browsers and balancers send a few.

use std::time::Duration;

/// Idle frames in one window at most. A page that is left cancels a hundred requests; this is ten of those.
pub const MOST: u32 = 1000;
pub const WINDOW: Duration = Duration::from_secs(10);

const HEADER: usize = 9;
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// A walk from frame to frame.
#[derive(Debug)]
pub struct Frames {
    /// Octets to pass by until the next frame's header.
    rest: usize,
    /// What of that header is there.
    header: Vec<u8>,
    idle: u32,
}

impl Frames {
    /// At the beginning of a connection, before the preface.
    pub const fn new() -> Self {
        Self { rest: PREFACE, header: Vec::new(), idle: 0 }
    }

    /// Walks over what came; whether there was an idle frame among it.
    pub fn pass(&mut self, mut bytes: &[u8]) -> bool {
        let before = self.idle;
        while !bytes.is_empty() {
            let by = self.rest.min(bytes.len());
            bytes = bytes.get(by..).unwrap_or_default();
            self.rest -= by;
            let missing = (HEADER - self.header.len()).min(bytes.len());
            let (more, behind) = bytes.split_at(missing);
            self.header.extend_from_slice(more);
            bytes = behind;
            if let [a, b, c, kind, flags, ..] = self.header[..]
                && self.header.len() == HEADER
            {
                let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.idle += u32::from(is_idle(length, kind, flags));
                self.rest = length;
                self.header.clear();
            }
        }
        self.idle > before
    }

    pub const fn is_flood(&self) -> bool {
        self.idle > MOST
    }

    /// A window is over.
    pub const fn begin_window(&mut self) {
        self.idle = 0;
    }
}

/// WINDOW_UPDATE is work done for the client, CONTINUATION is bounded elsewhere; what a client may not send ends the connection.
const fn is_idle(length: usize, kind: u8, flags: u8) -> bool {
    match kind {
        DATA => length == 0 && flags & END_STREAM == 0,
        HEADERS | PUSH_PROMISE | GOAWAY | WINDOW_UPDATE | CONTINUATION => false,
        _ => true, // PRIORITY, RST_STREAM, SETTINGS, PING, unknown ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], vec![7; usize::from(length)].as_slice()].concat()
    }

    #[test]
    fn idle_frames_are_counted_however_they_come() {
        let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        all.extend(
            [frame(4, 0, 6), frame(HEADERS, 5, 200), frame(PING, 0, 8), frame(DATA, 0, 9), frame(DATA, 0, 0)].concat(),
        );
        all.extend([frame(DATA, 1, 0), frame(3, 0, 4), frame(99, 0, 1), frame(WINDOW_UPDATE, 0, 4)].concat());
        for piece in [1, 5, 9, 1000] {
            let mut frames = Frames::new();
            let idle = all.chunks(piece).filter(|piece| frames.pass(piece)).count();
            assert_eq!(frames.idle, 5, "in pieces of {piece}");
            assert_eq!(idle, if piece == 1000 { 1 } else { 5 });
        }
    }

    #[test]
    fn a_thousand_in_a_window_are_not_too_many() {
        let mut frames = Frames::new();
        frames.pass(&[0; PREFACE]);
        for _ in 0..MOST {
            frames.pass(&frame(PING, 0, 8));
        }
        assert!(!frames.is_flood());
        frames.pass(&frame(PING, 0, 8));
        assert!(frames.is_flood());
        frames.begin_window();
        assert!(!frames.is_flood());
    }
}
