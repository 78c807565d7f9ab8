//! HTTP/2 frame by frame, for what no library would send.

use crate::support::SOON;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// `:status: 400` in a header block (RFC 7541, appendix A).
const STATUS_400: u8 = 0x80 | 12;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame as it stands on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block without compression: every field a literal that is not indexed.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// A length and that many octets (RFC 7541, 5.2).
pub fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut length = text.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap());
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap());
    }
    out.extend_from_slice(text.as_bytes());
    out
}

/// What came back for a request, or for a connection.
#[derive(Debug, Default)]
pub struct Outcome {
    /// An answer's header came.
    pub answered: bool,
    /// It said 400 and nothing else: the library's own refusal.
    pub bad_request: bool,
    pub body: String,
    /// The stream was reset with this code.
    pub reset: Option<u32>,
    /// The connection was told to go away with this code.
    pub goaway: Option<u32>,
    pub closed: bool,
}

impl Outcome {
    /// Ended without an answer from behind the gate.
    pub fn is_refused(&self) -> bool {
        let is_problem = self.body.contains("\"status\":4");
        is_problem
            || self.bad_request
            || (!self.answered && (self.reset.is_some() || self.goaway.is_some() || self.closed))
    }
}

/// A connection on which the test says each frame.
pub struct Http2 {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Http2 {
    /// Preface and empty settings are sent.
    pub async fn to(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&begin).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Whether it could be sent.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(SOON, self.stream.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Reads until this stream or the connection has ended.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        let mut outcome = Outcome::default();
        let reading = async {
            loop {
                let Some((kind, flags, of, payload)) = self.next().await else {
                    outcome.closed = true;
                    return;
                };
                let code = |at: usize| payload.get(at..at + 4).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
                match kind {
                    HEADERS if of == stream => {
                        outcome.answered = true;
                        outcome.bad_request = payload.first() == Some(&STATUS_400);
                    }
                    DATA if of == stream => outcome.body.push_str(&String::from_utf8_lossy(&payload)),
                    RST_STREAM if of == stream => outcome.reset = code(0),
                    GOAWAY => outcome.goaway = code(4),
                    _ => continue,
                }
                let ends = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
                if of == stream && (ends || kind == RST_STREAM) {
                    return;
                }
            }
        };
        assert!(timeout(SOON, reading).await.is_ok(), "neither the stream nor the connection ended: {outcome:?}");
        outcome
    }

    /// Reads to the end of the connection.
    pub async fn end(&mut self) -> Outcome {
        self.outcome(u32::MAX).await
    }

    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let Some(header) = self.read.get(..9) {
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                let (kind, flags) = (header[3], header[4]);
                let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
                if self.read.len() >= 9 + length {
                    let payload = self.read[9..9 + length].to_vec();
                    self.read.drain(..9 + length);
                    return Some((kind, flags, stream, payload));
                }
            }
            let mut buffer = vec![0; 16 * 1024];
            match self.stream.read(&mut buffer).await {
                Ok(length @ 1..) => self.read.extend_from_slice(&buffer[..length]),
                _ => return None,
            }
        }
    }
}
