//! Where one request of an HTTP/1 connection ends and the next begins, found out beside pingora and more strictly.
//!
//! pingora repairs what it reads: it takes LF for a line's end, escapes spaces in a target, skips what it does not know of a
//! chunk's size. By the time that a filter sees the request this can't be told any more. So every octet passes here first. A
//! head is handed on as a whole, once [`head::check`] has nothing against it; what is wrong ends the connection, and nothing
//! behind it is read as a request.
//!
//! This module promises: of a faulty head no octet is handed on, but [`FAULTY`] or [`long`] in its place, which the first
//! filter refuses; of a faulty body nothing is from the fault on; and no more than `cap` octets and one piece are held.

use super::head::{self, Body, Fault};

/// Stands for a faulty head: a fragment in a target is a fault too, so that it is answered with 400.
const FAULTY: &[u8] = b"GET /# HTTP/1.1\r\n\r\n";
/// So many fields are too many for any request.
const TOO_MANY: usize = 101;
/// What may stand behind a chunk's size, in octets.
const MAX_EXTENSION: usize = 1024;
/// Digits of a chunk's size: what every program holds in a signed 64-bit number.
const MAX_SIZE_DIGITS: u8 = 15;

/// Stands for a head that is too long: it has too many fields, so that it is answered with 431.
fn long() -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice(), &b"x:\r\n".repeat(TOO_MANY), b"\r\n"].concat()
}

/// A connection's place in its requests.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    /// What of the next head is there.
    head: Vec<u8>,
    /// A head may be so long.
    cap: usize,
}

#[derive(Debug)]
enum Place {
    Head,
    /// In a body with so much to come.
    Length(u64),
    Chunks(Chunk),
    /// No HTTP any more, if the origin agrees; if it doesn't, the connection closes after its answer.
    Tunnel,
}

/// The place in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        length: usize,
        size: u64,
    },
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    /// At the first octet of a line behind the last chunk.
    Trailer,
    TrailerLine,
    TrailerLineEnd,
    LastEnd,
}

/// What became of some octets.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    All,
    /// The connection has had its last request: what is given on instead of the rest is there already.
    Ended,
    /// The body is faulty.
    Broken(Fault),
}

impl Framing {
    pub const fn new(cap: usize) -> Self {
        Self { place: Place::Head, head: Vec::new(), cap }
    }

    /// Whether a request has begun and not ended.
    pub const fn is_within(&self) -> bool {
        match self.place {
            Place::Head => !self.head.is_empty(),
            Place::Length(_) | Place::Chunks(_) => true,
            Place::Tunnel => false,
        }
    }

    /// How many octets from here on need no look; those may be read past this.
    pub const fn unwatched(&self) -> u64 {
        match self.place {
            Place::Tunnel => u64::MAX,
            Place::Length(rest) | Place::Chunks(Chunk::Data(rest)) => rest,
            Place::Head | Place::Chunks(_) => 0,
        }
    }

    /// Tells of octets that were read past this; no more than [`Framing::unwatched`] of them.
    pub const fn skip(&mut self, count: u64) {
        match &mut self.place {
            Place::Length(rest) => {
                *rest = rest.saturating_sub(count);
                if *rest == 0 {
                    self.place = Place::Head;
                }
            }
            Place::Chunks(chunk @ Chunk::Data(_)) => {
                let Chunk::Data(rest) = *chunk else { return };
                let rest = rest.saturating_sub(count);
                *chunk = if rest == 0 { Chunk::DataReturn } else { Chunk::Data(rest) };
            }
            _ => {}
        }
    }

    /// Takes what came, and adds to `out` what may be handed on.
    pub fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        while let Some((first, rest)) = bytes.split_first() {
            let unwatched = usize::try_from(self.unwatched()).unwrap_or(usize::MAX).min(bytes.len());
            if unwatched > 0 {
                let (plain, behind) = bytes.split_at(unwatched);
                out.extend_from_slice(plain);
                self.skip(unwatched as u64);
                bytes = behind;
                continue;
            }
            bytes = rest;
            match &mut self.place {
                Place::Head => {
                    if let Err(instead) = self.take_of_head(*first, out) {
                        out.extend_from_slice(&instead);
                        return Passed::Ended;
                    }
                }
                Place::Chunks(chunk) => {
                    match chunk.take(*first) {
                        Ok(Some(next)) => *chunk = next,
                        Ok(None) => self.place = Place::Head,
                        Err(fault) => return Passed::Broken(fault),
                    }
                    out.push(*first);
                }
                Place::Length(_) | Place::Tunnel => {} // unwatched
            }
        }
        Passed::All
    }

    /// The error is what stands for the head.
    fn take_of_head(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Vec<u8>> {
        let faulty = |_: Fault| FAULTY.to_vec();
        let previous = self.head.last().copied().unwrap_or_default();
        self.head.push(byte);
        head::follows(previous, byte).map_err(faulty)?;
        if self.head.len() > self.cap {
            return Err(long());
        }
        if byte != b'\n' {
            return Ok(());
        }
        if self.head.ends_with(b"\r\n\r\n") {
            let body = head::check(&self.head).map_err(faulty)?;
            out.append(&mut std::mem::take(&mut self.head));
            self.place = match body {
                Body::None => Place::Head,
                Body::Length(length) => Place::Length(length),
                Body::Chunked => Place::Chunks(Chunk::Size { digits: 0, size: 0 }),
                Body::Tunnel => Place::Tunnel,
            };
        } else {
            // Who speaks something older than HTTP/1.0, or nothing like it, waits for an answer after one line.
            head::check_first_line(&self.head).map_err(faulty)?;
        }
        Ok(())
    }
}

impl Chunk {
    /// What comes next; `None`: the body is over.
    fn take(self, byte: u8) -> Result<Option<Self>, Fault> {
        Ok(Some(match (self, byte) {
            (Self::Size { digits, size }, digit) if digit.is_ascii_hexdigit() && digits < MAX_SIZE_DIGITS => {
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(value) }
            }
            (Self::Size { digits: 1.., size }, b';') => Self::Extension { length: 0, size },
            (Self::Size { digits: 1.., size } | Self::Extension { size, .. }, b'\r') => Self::SizeEnd(size),
            (Self::Size { .. }, _) => return Err("a chunk's size is none"),
            (Self::Extension { length, size }, other) => {
                if length == MAX_EXTENSION || (other.is_ascii_control() && other != b'\t') {
                    return Err("a chunk's extension is too long or no text");
                }
                Self::Extension { length: length + 1, size }
            }
            (Self::SizeEnd(0), b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::Trailer, b'\r') => Self::LastEnd,
            (Self::LastEnd, b'\n') => return Ok(None),
            (Self::TrailerLine, b'\r') => Self::TrailerLineEnd,
            (Self::TrailerLineEnd, b'\n') => Self::Trailer,
            (Self::Trailer | Self::TrailerLine, other) if !other.is_ascii_control() || other == b'\t' => {
                Self::TrailerLine
            }
            _ => return Err("a chunk or a trailer does not end where it should"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAP: usize = 1000;

    fn pass(bytes: &[u8], piece: usize) -> (Vec<u8>, Passed) {
        let (mut framing, mut out) = (Framing::new(CAP), Vec::new());
        for piece in bytes.chunks(piece) {
            let passed = framing.pass(piece, &mut out);
            if passed != Passed::All {
                return (out, passed);
            }
        }
        (out, Passed::All)
    }

    const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

    fn post(fields: &str, body: &str) -> String {
        format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
    }

    #[test]
    fn good_requests_pass_one_after_another_as_they_are() {
        let all = [
            GET.to_owned(),
            post("Content-Length: 5", "hello"),
            post("Transfer-Encoding: chunked", "5;a=\"b\"\r\nhello\r\n0a\r\n0123456789\r\n0\r\n\r\n"),
            post("Transfer-Encoding: chunked", "0\r\nX: 1\r\nY: 2\r\n\r\n"),
            format!("\r\n{GET}"),
            "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n\0\u{1}\n anything".to_owned(),
        ]
        .concat();
        for piece in [1, 2, 7, all.len()] {
            let (out, passed) = pass(all.as_bytes(), piece);
            assert_eq!((String::from_utf8(out).unwrap(), passed), (all.clone(), Passed::All), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_faulty_head_is_replaced_as_soon_as_it_shows() {
        for faulty in [
            "GET /a\r\n",
            "GET /a HTTP/1.1\n",
            "\u{16}\u{3}\u{1}",
            "GET /a b HTTP/1.1\r\n",
            &post("Content-Length: x", ""),
        ] {
            for piece in [1, 100] {
                let all = format!("{GET}{faulty}");
                let (out, passed) = pass(all.as_bytes(), piece);
                assert_eq!((out, passed), ([GET.as_bytes(), FAULTY].concat(), Passed::Ended), "{faulty:?}");
            }
        }
        let endless = format!("GET /a HTTP/1.1\r\nX: {}", "y".repeat(2 * CAP));
        assert_eq!(pass(endless.as_bytes(), 10), (long(), Passed::Ended));
        assert!(head::check(FAULTY).is_err() && head::check(&long()).is_ok());
        assert_eq!(long().split(|byte| *byte == b'\n').count(), TOO_MANY + 4);
    }

    #[test]
    fn a_faulty_body_breaks_where_the_fault_is() {
        for (body, good) in [
            ("\r\n\r\n", 0),
            (";a\r\n", 0),
            ("5 \r\n", 1),
            ("5;\nx", 2),
            ("1000000000000000\r\n", 15),
            ("5\r\nhelloX", 8),
            ("5\r\nhello\n", 8),
            ("0\r\n\n", 3),
            ("0\r\nX: 1\n", 7),
        ] {
            let all = post("Transfer-Encoding: chunked", body);
            let (out, passed) = pass(all.as_bytes(), 3);
            assert!(matches!(passed, Passed::Broken(_)), "{body:?}");
            assert_eq!(out.len(), all.len() - body.len() + good, "{body:?}");
        }
        let (out, _) = pass(post("Transfer-Encoding: chunked", &format!("5;{}", "x".repeat(5000))).as_bytes(), 50);
        assert!(out.len() < 1200);
    }

    proptest! {
        /// However it comes in pieces, the same passes.
        #[test]
        fn pieces_make_no_difference(
            parts in prop::collection::vec(prop::sample::select(vec![
                GET, "POST /a HTTP/1.1\r\nHost: a\r\n", "Content-Length: 3\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n",
                "3\r\nabc\r\n", "0\r\n\r\n", "abc", "\r\n", "\n", "X: 1\r\n",
            ]), 0..8),
            piece in 1_usize..20,
        ) {
            let all = parts.concat();
            prop_assert_eq!(pass(all.as_bytes(), piece), pass(all.as_bytes(), all.len().max(1)));
        }
    }
}
