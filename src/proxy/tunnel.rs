//! The connection on which an origin is asked to switch protocols (WebSocket).
//!
//! pingora hands the end of the request's empty body to the half that talks to the origin by a channel. Where the origin's
//! 101 is there first, it takes that end for the end of the WebSocket, and closes what has just begun: with an origin on
//! the same machine that happens once in some dozen times. Here the first look for an answer after something was sent finds
//! none yet, so that the end of the body is always seen before the 101. It costs one turn of the scheduler.
//!
//! Remove it when pingora orders the two (`proxy_handle_upstream`); `no_websocket_ends_as_it_begins` in
//! `tests/it/gating.rs` tells.

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects to origins.
#[derive(Debug)]
pub struct Tunnel {
    /// How long an origin may take to accept.
    pub within: Duration,
}

#[async_trait]
impl Connect for Tunnel {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "no address of the internet");
        };
        let error = match timeout(self.within, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                return Ok(VirtualSocketStream::new(Box::new(Socket { socket, was_sent: false })).into());
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            Ok(Err(_)) => ErrorType::ConnectError,
            Err(_) => ErrorType::ConnectTimedout,
        };
        Error::e_explain(error, "the origin took no connection")
    }
}

#[derive(Debug)]
struct Socket<S> {
    socket: S,
    /// Something was sent, and nobody has looked for an answer since.
    was_sent: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.was_sent) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.was_sent = true;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl VirtualSocket for Socket<TcpStream> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.socket.set_nodelay(true),
            _ => Ok(()), // none is configured for origins
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn an_answer_is_seen_at_the_second_look() {
        let (mut origin, socket) = tokio::io::duplex(64);
        let mut socket = Socket { socket, was_sent: false };
        socket.write_all(b"ask").await.unwrap();
        origin.write_all(b"answer").await.unwrap();
        let mut buffer = [0; 6];
        let first_look = tokio::select! {
            biased;
            _ = socket.read(&mut buffer) => "the answer",
            () = std::future::ready(()) => "what else was ready",
        };
        assert_eq!(first_look, "what else was ready");
        socket.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"answer");
    }
}
