//! The head of an HTTP/1 request as it stood on the wire: refused where two programs could read it in two ways.
//!
//! pingora reads leniently and writes strictly what it has read. Between us and an origin that leaves no room, but a proxy in
//! front may find another end of a body than we do, and then the rest of one visitor's body is another one's request. So
//! a head that has more than one reading is refused, whichever is right.
//!
//! This module promises of a head that passes: its lines end in CR LF and hold no other control character than the tab; its
//! request line has three parts; there is one `Host` (HTTP/1.0: or none); at most one of `Content-Length` (digits) and `Transfer-Encoding`
//! (`chunked`); no field in another spelling that some programs take for one of these; `Connection` names nothing that
//! somebody relies on; a WebSocket is asked for without a body.
//!
//! To refuse one more trick: a line in [`Fields::take`] or [`Fields::judge`], a row in `tests/corpus/framing.txt`.

use http::{HeaderMap, header};

/// Lengths of more digits are none: the longest that every program holds in a signed 64-bit number.
const MAX_DIGITS: usize = 18;

/// What `Connection` may not take out on the way: a proxy behind us that follows it would strip what the gate or the
/// origin relies on.
const NOT_TO_BE_NAMED: [&str; 9] = [
    "host",
    "cookie",
    "authorization",
    "content-length",
    "content-type",
    "forwarded",
    "jwt",
    "x-real-ip",
    "x-request-id",
];

const UNKNOWN_EXPECTATION: Fault = "an expectation that nobody knows";
const IN_DISGUISE: Fault = "a length or coding in another spelling";

/// Why a request is refused; for us, never for the client.
pub type Fault = &'static str;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    /// More than 0 octets.
    Length(u64),
    Chunked,
    /// Whatever it is, if the origin switches protocols.
    Tunnel,
}

/// Looks at a whole head, its empty line included.
pub fn check(raw: &[u8]) -> Result<Body, Fault> {
    let mut previous = 0;
    for byte in raw {
        follows(previous, *byte)?;
        previous = *byte;
    }
    let head = without_first_empty_line(raw).strip_suffix(b"\r\n\r\n").ok_or("the head has no proper end")?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    request_line(first)?;
    let mut fields = Fields { may_lack_host: first.ends_with(b"/1.0"), ..Fields::default() };
    for line in lines {
        fields.take(line)?;
    }
    fields.judge()
}

/// Looks at the fields of a request of HTTP/2, which goes on as HTTP/1. What may not stand in HTTP/2 at all was refused before.
pub fn check_http2(headers: &HeaderMap) -> Result<(), Fault> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if lengths.next().is_some_and(|length| number(length.as_bytes()).is_none()) || lengths.next().is_some() {
        return Err("a length that is none, or two");
    }
    if headers.get_all(header::EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(UNKNOWN_EXPECTATION);
    }
    match headers.keys().any(|name| is_framing_in_disguise(name.as_str())) {
        true => Err(IN_DISGUISE),
        false => Ok(()),
    }
}

/// Whether an octet of a head may stand behind another one: lines end in CR LF, and there is no other control character.
pub fn follows(previous: u8, byte: u8) -> Result<(), Fault> {
    match (previous, byte) {
        (b'\r', b'\n') => Ok(()),
        (b'\r', _) | (_, b'\n') => Err("a line that does not end in CR LF"),
        (_, b'\t' | b'\r') => Ok(()),
        (_, other) if other.is_ascii_control() => Err("a control character"),
        _ => Ok(()),
    }
}

/// Looks at the first line, where a head has just one yet.
pub fn check_first_line(begun: &[u8]) -> Result<(), Fault> {
    match without_first_empty_line(begun).strip_suffix(b"\r\n") {
        Some(line) if !line.contains(&b'\n') => request_line(line),
        _ => Ok(()),
    }
}

/// One may come first (RFC 9112, 2.2).
fn without_first_empty_line(raw: &[u8]) -> &[u8] {
    raw.strip_prefix(b"\r\n").unwrap_or(raw)
}

fn request_line(line: &[u8]) -> Result<(), Fault> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else { return Err("a request line has three parts") };
    if !method.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
        return Err("the method is none");
    }
    if target.contains(&b'#') {
        return Err("a fragment does not belong into a request");
    }
    if !matches!(*version, b"HTTP/1.1" | b"HTTP/1.0") {
        return Err("another version than 1.1 and 1.0");
    }
    Ok(())
}

/// What of the fields decides where the request ends and whom it is for.
#[derive(Debug, Default)]
struct Fields<'a> {
    /// HTTP/1.0 asked for no `Host` yet.
    may_lack_host: bool,
    hosts: usize,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    websocket: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        if line.first().is_none_or(u8::is_ascii_whitespace) {
            return Err("a folded or empty line");
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a field without a colon")?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err("a space in a field's name");
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match name.as_str() {
            "host" => self.hosts += 1,
            "content-length" => once(&mut self.length, value, "two lengths")?,
            "transfer-encoding" => once(&mut self.coding, value, "two transfer codings")?,
            "upgrade" => self.websocket |= value.eq_ignore_ascii_case(b"websocket"),
            "connection" if names_protected(value) => return Err("Connection names what must not be taken out"),
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => return Err(UNKNOWN_EXPECTATION),
            other if is_framing_in_disguise(other) => return Err(IN_DISGUISE),
            _ => {}
        }
        Ok(())
    }

    fn judge(&self) -> Result<Body, Fault> {
        if self.hosts != 1 && !(self.hosts == 0 && self.may_lack_host) {
            return Err("not exactly one Host");
        }
        let body = match (self.length, self.coding) {
            (None, None) => Body::None,
            (Some(length), None) => match number(length).ok_or("a length that is none")? {
                0 => Body::None,
                length => Body::Length(length),
            },
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Body::Chunked,
            (None, Some(_)) => return Err("another transfer coding than chunked"),
            (Some(_), Some(_)) => return Err("a length and a transfer coding"),
        };
        match body {
            Body::None if self.websocket => Ok(Body::Tunnel),
            _ if self.websocket => Err("a WebSocket with a body"),
            body => Ok(body),
        }
    }
}

fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8], twice: Fault) -> Result<(), Fault> {
    match place.replace(value) {
        Some(_) => Err(twice),
        None => Ok(()),
    }
}

/// Digits without a sign, a list or leading zeros (which are octal to some).
fn number(value: &[u8]) -> Option<u64> {
    let is_plain = value.len() <= MAX_DIGITS && value.iter().all(u8::is_ascii_digit);
    let is_plain = is_plain && (value == b"0" || !value.starts_with(b"0"));
    std::str::from_utf8(value).ok().filter(|_| is_plain)?.parse().ok()
}

/// What is a hyphen to us is an underscore to who passes fields on as variables of an environment, and the other way round.
fn is_framing_in_disguise(name: &str) -> bool {
    name.contains('_') && matches!(name.replace('_', "-").as_str(), "content-length" | "transfer-encoding")
}

fn names_protected(connection: &[u8]) -> bool {
    connection.split(|byte| *byte == b',').any(|option| {
        let name = String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase().replace('_', "-");
        let is_ours = name.starts_with("x-forwarded") || name.starts_with("x-gatekeeper-");
        is_ours || NOT_TO_BE_NAMED.contains(&name.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fields: &str) -> Result<Body, Fault> {
        check(format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").as_bytes())
    }

    #[test]
    fn what_programs_send_passes() {
        for (fields, body) in [
            ("Accept: */*", Body::None),
            ("Content-Length: 0", Body::None),
            ("content-length:\t5 ", Body::Length(5)),
            ("Transfer-Encoding: Chunked", Body::Chunked),
            ("Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3", Body::Length(3)),
            ("Connection: Upgrade\r\nUpgrade: websocket", Body::Tunnel),
            ("Cookie: a=b\tc; name=J\u{fc}rgen", Body::None),
            ("X_Custom: 1\r\nExpect: 100-Continue", Body::None),
        ] {
            assert_eq!(with(fields), Ok(body), "{fields}");
        }
        assert_eq!(check(b"\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n"), Ok(Body::None));
        assert_eq!(check(b"GET / HTTP/1.0\r\n\r\n"), Ok(Body::None));
        assert!(
            check(b"GET / HTTP/1.1\r\n\r\n").is_err()
                && check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").is_err()
        );
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for fields in [
            "Host: a",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 05",
            "Content-Length: 0x5",
            "Content-Length:",
            "Content-Length: 9223372036854775807",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer_Encoding: chunked",
            "Content_Length: 5",
            "Transfer-Encoding : chunked",
            "X: 1\r\n folded",
            "X: 1\nY: 2",
            "X: 1\rY: 2",
            "X: 1\0",
            "X: 1\u{b}",
            "no colon",
            ": nothing",
            "Connection: close, Cookie",
            "Connection: X-Gatekeeper-User",
            "Connection: x_forwarded_for",
            "Upgrade: WebSocket\r\nContent-Length: 5",
            "Expect: 100-continue, x",
        ] {
            assert!(with(fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn the_request_line_has_one_form() {
        let line = |line: &str| check(format!("{line}\r\nHost: a\r\n\r\n").as_bytes());
        for good in ["GET /a HTTP/1.1", "M-SEARCH * HTTP/1.0", "GET /a?b=\u{e9} HTTP/1.1"] {
            assert_eq!(line(good), Ok(Body::None), "{good}");
        }
        for bad in [
            "GET  /a HTTP/1.1",
            "GET /a",
            "GET /a b HTTP/1.1",
            "GET /a HTTP/1.1 ",
            " GET /a HTTP/1.1",
            "GET /a HTTP/1.2",
            "GET /a http/1.1",
            "GET\t/a HTTP/1.1",
            "G@T /a HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "",
        ] {
            assert!(line(bad).is_err(), "{bad:?}");
        }
        assert!(check(b"GET /a HTTP/1.1\nHost: a\n\n").is_err());
        assert!(check(b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }
}
