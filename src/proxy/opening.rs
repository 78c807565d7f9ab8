//! How a connection begins where HTTP/1 and HTTP/2 share a port without TLS: the first bytes tell which it is.
//!
//! pingora can tell them apart too, but waits for 24 bytes without a deadline, which a short request never sends. Here the
//! first byte that differs from HTTP/2's preface settles it, and nobody may take longer than a request's header may.

use super::passed::passes_on;
use async_trait::async_trait;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{ALPN, Shutdown, Ssl, Stream};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What an HTTP/2 client that knows beforehand sends first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as far as it takes to tell HTTP/1 from HTTP/2 and gives the connection on, nothing of it consumed. `None` where it
/// ended, or said too little `within` that time.
pub async fn open(mut stream: Stream, within: Duration) -> Option<Stream> {
    let mut read = Vec::with_capacity(PREFACE.len());
    let told = async {
        let mut buffer = [0; PREFACE.len()];
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let missing = buffer.get_mut(..PREFACE.len() - read.len())?;
            match stream.read(missing).await {
                Ok(length @ 1..) => read.extend_from_slice(missing.get(..length)?),
                // What came so far is for HTTP/1 to judge.
                Ok(0) if !read.is_empty() => break,
                _ => return None,
            }
        }
        Some(read == PREFACE)
    };
    let is_http2 = tokio::time::timeout(within, told).await.ok()??;
    Some(Box::new(Opened { stream, read, is_http2 }))
}

/// A connection whose first bytes were looked at: they are read again first.
#[derive(Debug)]
struct Opened {
    stream: Stream,
    /// Looked at and not yet read again.
    read: Vec<u8>,
    is_http2: bool,
}

impl AsyncRead for Opened {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.read.len().min(buf.remaining());
        let again: Vec<u8> = self.read.drain(..length).collect();
        buf.put_slice(&again);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opened {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Ssl for Opened {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    /// pingora asks this which protocol to speak; TLS isn't needed for an answer.
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        if self.is_http2 { Some(ALPN::H2) } else { self.stream.selected_alpn_proto() }
    }
}

#[async_trait]
impl Shutdown for Opened {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.stream).await;
    }
}

passes_on!(Opened);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const SOON: Duration = Duration::from_secs(10);

    /// What a connection is taken for that brings these pieces and then ends, and what is read of it then.
    async fn opened(pieces: &[&[u8]]) -> Option<(bool, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(1024);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sent = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut stream = open(Box::new(server), SOON).await?;
        sent.await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        Some((stream.selected_alpn_proto() == Some(ALPN::H2), all))
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_stay() {
        let short = b"GET / HTTP/1.0\r\n\r\n";
        assert_eq!(opened(&[short]).await, Some((false, short.to_vec())));
        assert_eq!(
            opened(&[b"P", b"OST / HTTP/1.0\r\n\r\n"]).await,
            Some((false, b"POST / HTTP/1.0\r\n\r\n".to_vec()))
        );
        assert_eq!(opened(&[b"PRI"]).await, Some((false, b"PRI".to_vec())), "cut short");
        assert_eq!(opened(&[]).await, None);
        let whole = [PREFACE.as_slice(), b"frames"].concat();
        assert_eq!(opened(&[&whole]).await, Some((true, whole.clone())));
        let bytewise: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(opened(&bytewise).await, Some((true, whole.clone())));
    }

    #[tokio::test]
    async fn who_says_too_little_is_not_waited_for() {
        for said in ["", "PRI * HTTP/2.0\r\n"] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(said.as_bytes()).await.unwrap();
            assert!(open(Box::new(server), Duration::from_millis(50)).await.is_none(), "{said}");
        }
    }
}
