//! What a balancer says of a connection before the connection's own first byte: the PROXY protocol, version 1 and 2.
//!
//! Spoken only on a listener that asks for it (`proxy_protocol`), and only with trusted proxies: whoever else connects there
//! is closed. To believe the header of anybody would let each client choose its address; to ignore it, or to guess whether
//! there is one, would let the rest of the header be read as a request.
//!
//! Promises: not a byte beyond the header is read; a header is bounded in length, its reader's caller bounds it in time;
//! what isn't one is refused.
//!
//! Written after the specification of HAProxy (`doc/proxy-protocol.txt`); the parsing itself is `proxy-header`'s.

use proxy_header::{ParseConfig, ProxyHeader, Tlv};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A line of version 1 with its end is never longer.
const LINE: usize = 107;
/// What is before the addresses of version 2.
const FIXED: usize = 16;
/// Addresses and further fields of version 2: some hundred bytes in practice; a client certificate's name and more fit.
const MAX_REST: usize = 4096;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the balancer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who connected to the balancer; `None`: the balancer itself (a health check), or somebody without an address.
    pub source: Option<SocketAddr>,
    /// Whether that was by TLS.
    pub tls: bool,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The connection begins with something else, or ended.
    #[error("no PROXY header")]
    Missing,
    #[error("a malformed PROXY header")]
    Malformed,
}

/// Reads the header and nothing else.
///
/// # Errors
/// There is none, or it is malformed; the connection is of no use then.
pub async fn read_header<R: AsyncRead + Unpin + ?Sized>(stream: &mut R) -> Result<Header, HeaderError> {
    let mut read = vec![0; 1];
    fill(stream, &mut read).await?;
    match read.first() {
        Some(b'P') => line(stream, read).await,
        Some(b'\r') => binary(stream, read).await,
        _ => Err(HeaderError::Missing),
    }
}

/// Version 1: one line. Read byte by byte, since what follows it is the client's; the stream is buffered.
async fn line<R: AsyncRead + Unpin + ?Sized>(stream: &mut R, mut read: Vec<u8>) -> Result<Header, HeaderError> {
    const PREFIX: &[u8] = b"PROXY ";
    while !read.ends_with(b"\r\n") {
        if read.len() >= LINE {
            return Err(HeaderError::Malformed);
        }
        let mut byte = [0];
        fill(stream, &mut byte).await?;
        read.extend_from_slice(&byte);
        let seen = read.len().min(PREFIX.len());
        if read.get(..seen) != PREFIX.get(..seen) {
            return Err(HeaderError::Missing);
        }
    }
    parsed(&read)
}

/// Version 2: a fixed part that says how much follows.
async fn binary<R: AsyncRead + Unpin + ?Sized>(stream: &mut R, mut read: Vec<u8>) -> Result<Header, HeaderError> {
    // Nobody who sends less than the signature waits for more.
    while read.len() < SIGNATURE.len() {
        let mut byte = [0];
        fill(stream, &mut byte).await?;
        read.extend_from_slice(&byte);
        if !SIGNATURE.starts_with(&read) {
            return Err(HeaderError::Missing);
        }
    }
    let mut fixed = [0; FIXED - SIGNATURE.len()];
    fill(stream, &mut fixed).await?;
    read.extend_from_slice(&fixed);
    let [_, _, high, low] = fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > MAX_REST {
        return Err(HeaderError::Malformed);
    }
    read.resize(FIXED + rest, 0);
    fill(stream, read.get_mut(FIXED..).unwrap_or_default()).await?;
    parsed(&read)
}

fn parsed(read: &[u8]) -> Result<Header, HeaderError> {
    let config = ParseConfig { include_tlvs: true, ..ParseConfig::default() };
    let (header, length) = ProxyHeader::parse(read, config).map_err(|_| HeaderError::Malformed)?;
    if length != read.len() {
        return Err(HeaderError::Malformed);
    }
    // Without an address what else it holds means nothing.
    let Some(told) = header.proxied_address() else { return Ok(Header { source: None, tls: false }) };
    let mut tls = false;
    for field in header.tlvs() {
        if let Tlv::Ssl(info) = field.map_err(|_| HeaderError::Malformed)? {
            tls = info.client_ssl();
        }
    }
    // A mapped IPv4 address is the IPv4 one.
    let source = SocketAddr::from((told.source.ip().to_canonical(), told.source.port()));
    Ok(Header { source: Some(source), tls })
}

async fn fill<R: AsyncRead + Unpin + ?Sized>(stream: &mut R, buffer: &mut [u8]) -> Result<(), HeaderError> {
    stream.read_exact(buffer).await.map(|_| ()).map_err(|_| HeaderError::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of these bytes, and what is left of them.
    fn read(bytes: &[u8]) -> (Result<Header, HeaderError>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut left = bytes;
        let header = runtime.block_on(read_header(&mut left));
        (header, left.to_vec())
    }

    fn from(source: &str, tls: bool) -> Result<Header, HeaderError> {
        Ok(Header { source: Some(source.parse().unwrap()), tls })
    }

    const NOBODY: Result<Header, HeaderError> = Ok(Header { source: None, tls: false });

    /// A header of version 2: command, family and transport, and what follows the length.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[0x20 | command, family], &length, rest].concat()
    }

    const FOUR: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0xc0, 0, 0, 80];

    #[test]
    fn a_line_tells_the_client_and_what_follows_it_stays() {
        for (line, told) in [
            ("PROXY TCP4 203.0.113.9 192.0.2.1 49152 80\r\n", from("203.0.113.9:49152", false)),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 49152 80\r\n", from("[2001:db8::7]:49152", false)),
            ("PROXY TCP6 ::ffff:203.0.113.9 2001:db8::1 49152 80\r\n", from("203.0.113.9:49152", false)),
            ("PROXY UNKNOWN\r\n", NOBODY),
            ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NOBODY),
        ] {
            let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&bytes), (told, b"GET / HTTP/1.1\r\n".to_vec()), "{line}");
        }
    }

    #[test]
    fn the_binary_form_tells_the_same() {
        let six = [
            std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | 7).octets().as_slice(),
            &std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | 1).octets(),
            &[0xc0, 0, 0, 80],
        ]
        .concat();
        let tls = [FOUR.as_slice(), &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        let plain = [FOUR.as_slice(), &[0x20, 0, 5, 0, 0, 0, 0, 0]].concat();
        let padded = [FOUR.as_slice(), &[4, 0, 3, 0, 0, 0]].concat();
        for (header, told) in [
            (v2(1, 0x11, &FOUR), from("203.0.113.9:49152", false)),
            (v2(1, 0x21, &six), from("[2001:db8::7]:49152", false)),
            (v2(1, 0x11, &tls), from("203.0.113.9:49152", true)),
            (v2(1, 0x11, &plain), from("203.0.113.9:49152", false)),
            (v2(1, 0x11, &padded), from("203.0.113.9:49152", false)),
            (v2(0, 0x00, &[]), NOBODY),
            (v2(0, 0x11, &FOUR), NOBODY),
            (v2(1, 0x00, &[]), NOBODY),
            (v2(1, 0x00, &[7; 20]), NOBODY),
            (v2(0, 0x11, &[FOUR.as_slice(), &[7; 2]].concat()), NOBODY),
            (v2(1, 0x31, &[b'/'; 216]), NOBODY),
        ] {
            let bytes = [header.as_slice(), b"rest"].concat();
            let (found, left) = read(&bytes);
            assert_eq!(found, told, "{header:?}");
            assert!(found.is_err() || left == b"rest", "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY TCP4 {} 192.0.2.1 1 2\r\n", "1".repeat(100));
        let (short, no_command) = (v2(1, 0x11, &FOUR[..8]), v2(2, 0x11, &FOUR));
        let no_field = v2(1, 0x11, &[FOUR.as_slice(), &[0x20, 0, 9, 1]].concat());
        let cut = v2(1, 0x11, &FOUR)[..20].to_vec();
        let no_version = [SIGNATURE.as_slice(), &[0x11, 0x11, 0, 12], &FOUR].concat();
        let large = [SIGNATURE.as_slice(), &[0x21, 0x11, 0xff, 0xff], &[0; 65_535]].concat();
        let cases: [(&[u8], HeaderError); 21] = [
            (b"", HeaderError::Missing),
            (b"GET / HTTP/1.1\r\n\r\n", HeaderError::Missing),
            (b"POST / HTTP/1.1\r\n\r\n", HeaderError::Missing),
            (b"PROXY", HeaderError::Missing),
            (b"PROXY \r\n", HeaderError::Malformed),
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 80\n", HeaderError::Missing),
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 99999 80\r\n", HeaderError::Malformed),
            (b"PROXY TCP4 203.0.113.999 192.0.2.1 1 80\r\n", HeaderError::Malformed),
            (b"PROXY TCP4 2001:db8::7 192.0.2.1 1 80\r\n", HeaderError::Malformed),
            (b"PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n", HeaderError::Malformed),
            (b"PROXY UDP4 203.0.113.9 192.0.2.1 1 80\r\n", HeaderError::Malformed),
            (b"PROXYTCP4 203.0.113.9 192.0.2.1 1 80\r\n", HeaderError::Missing),
            (b"\x16\x03\x01", HeaderError::Missing),
            (b"\r\n\r\nGET", HeaderError::Missing),
            (long.as_bytes(), HeaderError::Malformed),
            (&short, HeaderError::Malformed),
            (&no_command, HeaderError::Malformed),
            (&no_field, HeaderError::Malformed),
            (&cut, HeaderError::Missing),
            (&no_version, HeaderError::Malformed),
            (&large, HeaderError::Malformed),
        ];
        for (bytes, error) in cases {
            assert_eq!(read(bytes).0, Err(error), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP6 ", SIGNATURE]), noise: Vec<u8>) {
            let bytes = [start, &noise].concat();
            let (_, left) = read(&bytes);
            prop_assert!(bytes.ends_with(&left));
        }
    }
}
