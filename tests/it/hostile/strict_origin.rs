//! An origin of bytes that reads requests in the one form that has no second reading, and writes down everything else as a
//! fault. Whatever a client manages to slip through shows here: as a fault, or as a request that nobody sent.

use crate::support::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const ATTEMPTS: usize = 20;

/// A whole request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// Its one value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} came twice: {self:?}");
        first
    }
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    faults: Vec<String>,
}

/// A running one; its connections end with it.
#[derive(Debug)]
pub struct StrictOrigin {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl StrictOrigin {
    /// Answers every request with 200 and `origin: METHOD path`, and keeps its connections.
    pub async fn start() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        for _ in 0..ATTEMPTS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
            if let Ok(listener) = TcpListener::bind(address).await {
                let accepting = tokio::spawn(accept(listener, Arc::clone(&seen)));
                return Self { address, seen, accepting };
            }
        }
        panic!("no free port for the strict origin in {ATTEMPTS} attempts");
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Every whole request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// Those for this path.
    pub fn requests_for(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    /// What came in a form that has a second reading.
    pub fn faults(&self) -> Vec<String> {
        self.seen.lock().unwrap().faults.clone()
    }
}

impl Drop for StrictOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&seen)));
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..length]);
        loop {
            match parse(&bytes) {
                Ok(None) => break,
                Ok(Some((request, end))) => {
                    bytes.drain(..end);
                    let text = format!("origin: {} {}", request.method, request.path());
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                    let body = if request.method == "HEAD" { String::new() } else { text };
                    seen.lock().unwrap().requests.push(request);
                    if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                        return;
                    }
                }
                Err(fault) => {
                    let fault = format!("{fault}: {}", bytes.escape_ascii());
                    seen.lock().unwrap().faults.push(fault);
                    return;
                }
            }
        }
    }
}

/// The first request and its length; `None`: more is needed.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, &'static str> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.iter().any(|byte| is_odd(*byte)) { Err("a control character") } else { Ok(None) };
    };
    let head = &bytes[..end];
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let mut request = request_line(lines.next().unwrap())?;
    for line in lines {
        if line.bytes().any(|byte| is_odd(byte) || byte == b'\r' || byte == b'\n') {
            return Err("a control character or a bare line end");
        }
        let (name, value) = line.split_once(": ").ok_or("a line that is no field")?;
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return Err("a name that is none"); // RFC 9110, 5.6.2
        }
        request.fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let count = |name: &str| request.fields.iter().filter(|(known, _)| known.replace('_', "-") == name).count();
    if (count("host"), count("content-length") + count("transfer-encoding") > 1) != (1, false) {
        return Err("not one host, or more than one length");
    }
    let rest = &bytes[end + 4..];
    let body = match (request.field("content-length"), request.field("transfer-encoding")) {
        (None, None) => Some((Vec::new(), 0)),
        (Some(length), _) => {
            let is_plain =
                length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
            let length = length.parse::<u64>().ok().filter(|_| is_plain).ok_or("a length that is none")?;
            let length = usize::try_from(length).unwrap();
            rest.get(..length).map(|body| (body.to_vec(), length))
        }
        (None, Some("chunked")) => chunks(rest)?,
        (None, Some(_)) => return Err("another coding than chunked"),
    };
    Ok(body.map(|(body, length)| (Request { body, ..request }, end + 4 + length)))
}

fn request_line(line: &str) -> Result<Request, &'static str> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return Err("no request line of HTTP/1.1") };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Err("a method that is none");
    }
    if !(target.starts_with('/') || (method, target) == ("OPTIONS", "*")) || target.contains('#') {
        return Err("a target that is no path");
    }
    Ok(Request { method: method.to_owned(), target: target.to_owned(), ..Request::default() })
}

fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + line]).map_err(|_| "a chunk's size is none")?;
        let is_plain = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| is_plain).ok_or("a chunk's size is none")?;
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk does not end in CR LF");
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn is_odd(byte: u8) -> bool {
    byte.is_ascii_control() && !b"\r\n\t".contains(&byte)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[test]
fn what_is_not_strict_is_a_fault() {
    let one = |text: &str| parse(text.as_bytes());
    let (request, end) = one("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET").unwrap().unwrap();
    assert_eq!((request.body.as_slice(), end), (&b"hi"[..], 50));
    let chunked = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(one(&format!("{chunked}2\r\nhi\r\n0\r\n\r\n")).unwrap().unwrap().0.body, b"hi");
    assert_eq!(one(&format!("{chunked}2\r\nhi\r\n0\r\n")), Ok(None));
    for text in [
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        &format!("{chunked}2;a\r\nhi\r\n0\r\n\r\n"),
    ] {
        assert!(one(text).is_err(), "{text:?}");
    }
}
