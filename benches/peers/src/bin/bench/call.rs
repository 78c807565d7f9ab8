//! Single calls, one connection each: to prepare what is measured, and for Redis.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of the cookie of that name that the answer sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let set = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        let set = set.filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"));
        set.filter_map(|(_, value)| value.split(';').next()?.split_once('='))
            .find_map(|(found, value)| (found == name).then(|| value.to_owned()))
    }
}

/// A GET as a browser sends it when it opens a page; `extra`: further header lines, each with its CRLF.
pub fn navigation(path: &str, extra: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 \
         Firefox/140.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: \
         en\r\nAccept-Encoding: gzip, deflate, br\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n{extra}\r\n"
    )
    .into_bytes()
}

/// A GET as the waiting page's script sends it.
pub fn poll(path: &str, extra: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 \
         Firefox/140.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nSec-Fetch-Mode: \
         cors\r\nSec-Fetch-Site: same-origin\r\n{extra}\r\n"
    )
    .into_bytes()
}

/// Sends a request and reads its answer; the connection closes after it.
pub fn call(port: u16, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
            if bytes.len() >= end + 4 + length {
                let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                return Ok(Answer { status, head, body });
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::other("the connection ended within an answer")),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// One command as Redis reads it.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Sends commands to Redis, each of which answers with one line, and reads the lines.
pub fn redis(port: u16, commands: &[u8], count: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(commands)?;
    let (mut lines, mut buffer) = (0, [0; 16 * 1024]);
    while lines < count {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::Error::other("redis-server closed the connection"));
        }
        if buffer[..length].contains(&b'-') {
            return Err(io::Error::other(String::from_utf8_lossy(&buffer[..length]).into_owned()));
        }
        lines += buffer[..length].iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(())
}
