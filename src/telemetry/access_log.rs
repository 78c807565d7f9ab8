//! One line per request, written when it is over.
//!
//! Promises: never a token, a key or a query; a line is a line (printable ASCII, at most [`MAX_LINE`] bytes, whatever a
//! client sent); a slow reader of the log costs lines, which are counted, and never a request's time. To add a field: in
//! [`Entry`] and in [`Line`], with its longest length.

use super::lines::{Guard, Lines};
use super::rfc3339;
use prometheus::IntCounter;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

/// No line is longer, in bytes. The longest lengths below, escapes included, stay under it.
pub const MAX_LINE: usize = 4096;

const MAX_PATH: usize = 2048;
const MAX_HOST: usize = 256;
const MAX_USER_AGENT: usize = 256;
const MAX_NAME: usize = 128;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Json,
    /// `key=value`, quoted where need be.
    Text,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When it came: milliseconds since the Unix epoch.
    pub time: u64,
    pub request_id: &'a str,
    /// Who asked, after trusted proxies.
    pub client: IpAddr,
    pub method: &'a str,
    pub host: &'a str,
    /// Without the query; should one be in it, it is cut off.
    pub path: &'a str,
    /// 0 or 499: the client left before the answer.
    pub status: u16,
    /// `words::Decision`.
    pub decision: &'static str,
    /// `words::Reason`, or a problem's code.
    pub reason: &'static str,
    /// `None` where no room was concerned.
    pub room: Option<&'a str>,
    /// Of the response's body.
    pub bytes: u64,
    /// From the first byte of the request to the last of the response.
    pub duration_ms: u64,
    /// Until the origin's response header; `None` where none was asked.
    pub origin_ms: Option<u64>,
    pub user_agent: Option<&'a str>,
}

/// Writes entries, from any thread.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    /// Those that wait take at most 32 MB, some 2 MB as a rule.
    lines: Lines,
    dropped: IntCounter,
}

impl AccessLog {
    /// A log into `writer`, which a thread of its own serves; `dropped` counts the lines lost to a slow one. What waits
    /// is written when the guard goes.
    pub fn new(format: Format, writer: impl Write + Send + 'static, dropped: IntCounter) -> (Self, Guard) {
        let (lines, guard) = Lines::into(writer, "access-log");
        (Self { format, lines, dropped }, guard)
    }

    /// Writes one line.
    pub fn write(&self, entry: &Entry<'_>) {
        if !self.lines.add(&line(self.format, entry)) {
            self.dropped.inc();
        }
    }
}

/// An entry as it is written: cut, in the order of the fields.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: Cow<'a, str>,
    client: IpAddr,
    method: Cow<'a, str>,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    status: u16,
    decision: &'static str,
    reason: &'static str,
    room: Option<Cow<'a, str>>,
    bytes: u64,
    duration_ms: u64,
    origin_ms: Option<u64>,
    user_agent: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    fn of(entry: &Entry<'a>) -> Self {
        let path = entry.path.split(['?', '#']).next().unwrap_or_default();
        Self {
            time: rfc3339(entry.time),
            request_id: cut(entry.request_id, MAX_NAME),
            client: entry.client,
            method: cut(entry.method, MAX_NAME),
            host: cut(entry.host, MAX_HOST),
            path: cut(path, MAX_PATH),
            status: entry.status,
            decision: entry.decision,
            reason: entry.reason,
            room: entry.room.map(|room| cut(room, MAX_NAME)),
            bytes: entry.bytes,
            duration_ms: entry.duration_ms,
            origin_ms: entry.origin_ms,
            user_agent: entry.user_agent.map(|agent| cut(agent, MAX_USER_AGENT)),
        }
    }
}

/// The line with its end.
fn line(format: Format, entry: &Entry<'_>) -> Vec<u8> {
    let line = Line::of(entry);
    let mut out = match format {
        Format::Json => json(&line),
        Format::Text => text(&line),
    };
    out.push(b'\n');
    out
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // Writing into memory and plain fields: nothing to fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Ascii));
    out
}

fn text(line: &Line<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    word(&mut out, "time", &line.time);
    word(&mut out, "request_id", &line.request_id);
    word(&mut out, "client", &line.client.to_string());
    word(&mut out, "method", &line.method);
    word(&mut out, "host", &line.host);
    word(&mut out, "path", &line.path);
    word(&mut out, "status", &line.status.to_string());
    word(&mut out, "decision", line.decision);
    word(&mut out, "reason", line.reason);
    word(&mut out, "room", line.room.as_deref().unwrap_or("-"));
    word(&mut out, "bytes", &line.bytes.to_string());
    word(&mut out, "duration_ms", &line.duration_ms.to_string());
    word(&mut out, "origin_ms", &line.origin_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()));
    word(&mut out, "user_agent", line.user_agent.as_deref().unwrap_or("-"));
    out
}

/// One `key=value`.
fn word(out: &mut Vec<u8>, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(b' ');
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.bytes().all(plain) {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.extend_from_slice(&json(&value));
    }
}

/// The beginning of a text that, escaped, takes at most `max` bytes.
fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let mut left = max;
    for (at, char) in text.char_indices() {
        let Some(rest) = left.checked_sub(escaped_len(char)) else {
            return Cow::Owned(format!("{}...", text.get(..at).unwrap_or_default()));
        };
        left = rest;
    }
    Cow::Borrowed(text)
}

const fn escaped_len(char: char) -> usize {
    match char {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => 6 * char.len_utf16(),
    }
}

/// JSON of printable ASCII alone, so that neither a terminal nor a line reader is led astray by what a client sent.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for char in fragment.chars() {
            match char {
                ' '..='~' => CompactFormatter.write_string_fragment(out, char.encode_utf8(&mut [0; 4]))?,
                other => {
                    for unit in other.encode_utf16(&mut units) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::lines::WAITING;
    use proptest::prelude::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    fn entry() -> Entry<'static> {
        Entry {
            time: 1_700_000_000_120,
            request_id: "01hf",
            client: IpAddr::from([203, 0, 113, 7]),
            method: "GET",
            host: "shop.example.com",
            path: "/checkout",
            status: 503,
            decision: "wait",
            reason: "in_line",
            room: Some("checkout"),
            bytes: 5120,
            duration_ms: 3,
            origin_ms: None,
            user_agent: Some("Mozilla/5.0 (X11)"),
        }
    }

    fn written(format: Format, entry: &Entry<'_>) -> String {
        String::from_utf8(line(format, entry)).unwrap()
    }

    #[test]
    fn a_line_has_every_field() {
        assert_eq!(
            written(Format::Json, &entry()),
            concat!(
                r#"{"time":"2023-11-14T22:13:20.120Z","request_id":"01hf","client":"203.0.113.7","method":"GET","#,
                r#""host":"shop.example.com","path":"/checkout","status":503,"decision":"wait","reason":"in_line","#,
                r#""room":"checkout","bytes":5120,"duration_ms":3,"origin_ms":null,"user_agent":"Mozilla/5.0 (X11)"}"#,
                "\n"
            )
        );
        assert_eq!(
            written(Format::Text, &Entry { room: None, origin_ms: Some(12), ..entry() }),
            concat!(
                "time=2023-11-14T22:13:20.120Z request_id=01hf client=203.0.113.7 method=GET host=shop.example.com ",
                "path=/checkout status=503 decision=wait reason=in_line room=- bytes=5120 duration_ms=3 origin_ms=12 ",
                "user_agent=\"Mozilla/5.0 (X11)\"\n"
            )
        );
    }

    #[test]
    fn no_query_is_written_even_when_one_is_handed_in() {
        for format in [Format::Json, Format::Text] {
            let line = written(format, &Entry { path: "/a?jwt=secret#secret", ..entry() });
            assert!(line.contains("/a") && !line.contains("secret") && !line.contains('?'), "{line}");
        }
    }

    #[test]
    fn what_could_forge_a_line_or_drive_a_terminal_is_escaped() {
        let agent = Some("a\r\nstatus=200\0\u{1b}[31m\u{9b}2J\u{202e}\"\\");
        let json = written(Format::Json, &Entry { user_agent: agent, ..entry() });
        assert!(json.ends_with("\"a\\r\\nstatus=200\\u0000\\u001b[31m\\u009b2J\\u202e\\\"\\\\\"}\n"), "{json}");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["user_agent"].as_str(), agent);
        let text = written(Format::Text, &Entry { user_agent: agent, ..entry() });
        assert!(
            text.ends_with("user_agent=\"a\\r\\nstatus=200\\u0000\\u001b[31m\\u009b2J\\u202e\\\"\\\\\"\n"),
            "{text}"
        );
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let line = written(Format::Json, &Entry { user_agent: Some(&"x".repeat(5000)), ..entry() });
        assert!(line.ends_with(&format!("\"{}...\"}}\n", "x".repeat(256))));
    }

    proptest! {
        #[test]
        fn whatever_comes_a_line_is_one_short_printable_line(text in any::<String>(), times in 1_usize..2000) {
            let long = text.repeat(times);
            let entry = Entry {
                request_id: &long, method: &long, host: &long, path: &long, room: Some(&long), user_agent: Some(&long),
                ..entry()
            };
            for format in [Format::Json, Format::Text] {
                let line = line(format, &entry);
                prop_assert!(line.len() <= MAX_LINE, "{}", line.len());
                let (end, body) = line.split_last().unwrap();
                prop_assert_eq!(*end, b'\n');
                prop_assert!(body.iter().all(|byte| (b' '..=b'~').contains(byte)));
            }
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&line(Format::Json, &entry)).is_ok());
        }
    }

    /// Writes nothing until the other end is dropped.
    struct Stuck(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_which_are_counted_and_no_time() {
        let dropped = IntCounter::new("dropped", "lines").unwrap();
        let (hold, held) = channel();
        let (out, written) = channel();
        let (log, guard) = AccessLog::new(Format::Json, Stuck(held, out), dropped.clone());
        // The batch that the writer is stuck with, the one that waits, and more.
        let lines = 2 * WAITING + 1000;
        for _ in 0..lines {
            log.write(&entry());
        }
        let lost = usize::try_from(dropped.get()).unwrap();
        assert!(lost > 0 && lost <= WAITING + 1000, "{lost}");
        drop(hold);
        drop(guard);
        drop(log);
        let bytes: Vec<u8> = written.iter().flatten().collect();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), lines - lost);
    }
}
