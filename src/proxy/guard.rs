//! What is looked at of all that a connection brings: the last door before pingora.
//!
//! [`Framing`] sees every octet of HTTP/1 before pingora does, and [`Frames`] counts along on HTTP/2.

use super::frames::{self, Frames};
use super::framing::{Framing, Passed};
use super::head::Fault;
use super::passed::passes_on;
use async_trait::async_trait;
use pingora::Error;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{ALPN, Shutdown, Ssl, Stream};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

/// Of what needs a look so much is read at a time.
const PIECE: usize = 4096;
/// So long, and so much, is listened to who still sends when the connection ends.
const FAREWELL: Duration = Duration::from_millis(500);
const FAREWELL_BYTES: usize = 64 * 1024;

/// Gives a connection on under guard. A request's head may be `max_head` octets long.
pub fn guard(stream: Stream, max_head: usize) -> Stream {
    let guard = if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
        let mut windows = interval(frames::WINDOW);
        windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Guard::Http2 { frames: Frames::new(), windows }
    } else {
        Guard::Http1(Requests { framing: Framing::new(max_head), ready: Vec::new(), given: 0, end: None })
    };
    Box::new(Guarded { stream, guard, farewell: Farewell::default() })
}

/// Whether an error of pingora's is a body that [`Framing`] stopped.
pub fn is_faulty(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.and_then(|cause| cause.downcast_ref::<Faulty>()).is_some()
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Faulty(Fault);

/// A connection under guard.
#[derive(Debug)]
struct Guarded {
    stream: Stream,
    guard: Guard,
    farewell: Farewell,
}

/// The end of a connection: what a client still sends when its answer says that it closes is read for a while, since a
/// close on top of unread octets would take back the answer.
#[derive(Debug, Default)]
struct Farewell {
    said: bool,
    patience: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl Farewell {
    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(FAREWELL)));
        while self.read <= FAREWELL_BYTES && patience.as_mut().poll(cx).is_pending() {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => self.read += piece.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

#[derive(Debug)]
enum Guard {
    Http1(Requests),
    Http2 { frames: Frames, windows: Interval },
}

#[derive(Debug)]
struct Requests {
    framing: Framing,
    /// What may be handed on, and how much of it was.
    ready: Vec<u8>,
    given: usize,
    /// Nothing is read any more.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Last,
    Broken(Fault),
}

impl Requests {
    /// Whether the client may still be sending something that nobody reads.
    const fn is_interrupted(&self) -> bool {
        self.end.is_some() || !self.ready.is_empty() || self.framing.is_within()
    }

    fn poll_read(&mut self, stream: &mut Stream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(rest) = self.ready.get(self.given..).filter(|rest| !rest.is_empty()) {
                let now = rest.get(..buf.remaining()).unwrap_or(rest);
                buf.put_slice(now);
                self.given += now.len();
                if self.given == self.ready.len() {
                    (self.ready, self.given) = (Vec::new(), 0); // who is idle holds nothing
                }
                return Poll::Ready(Ok(()));
            }
            match self.end {
                Some(End::Last) => return Poll::Ready(Ok(())),
                Some(End::Broken(fault)) => return Poll::Ready(Err(io::Error::other(Faulty(fault)))),
                None => {}
            }
            let unwatched = usize::try_from(self.framing.unwatched()).unwrap_or(usize::MAX).min(buf.remaining());
            if unwatched > 0 {
                let mut straight = ReadBuf::new(buf.initialize_unfilled_to(unwatched));
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut straight))?;
                let count = straight.filled().len();
                buf.advance(count);
                self.framing.skip(count as u64);
                return Poll::Ready(Ok(()));
            }
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(())); // a head that was cut short is none
            }
            self.end = match self.framing.pass(piece.filled(), &mut self.ready) {
                Passed::All => None,
                Passed::Ended => Some(End::Last),
                Passed::Broken(fault) => Some(End::Broken(fault)),
            };
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, guard, .. } = &mut *self;
        match guard {
            Guard::Http1(requests) => requests.poll_read(stream, cx, buf),
            Guard::Http2 { frames, windows } => {
                let before = buf.filled().len();
                ready!(Pin::new(stream).poll_read(cx, buf))?;
                let was_idle = frames.pass(buf.filled().get(before..).unwrap_or_default());
                if frames.is_flood() {
                    buf.set_filled(before);
                    return Poll::Ready(Err(io::Error::other("a flood of idle frames")));
                }
                if was_idle && windows.poll_tick(cx).is_ready() {
                    frames.begin_window();
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Guarded {
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
        let Self { stream, guard, farewell } = &mut *self;
        if !farewell.said {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            farewell.said = true;
        }
        match guard {
            Guard::Http1(requests) if requests.is_interrupted() => farewell.poll(stream, cx).map(Ok),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Ssl for Guarded {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.stream).await;
    }
}

passes_on!(Guarded);

#[cfg(test)]
mod tests {
    use super::super::opening::open;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// What is read of a connection that brings these pieces and then ends.
    async fn read(pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
        let (mut client, server) = tokio::io::duplex(1024);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sent = tokio::spawn(async move {
            for piece in pieces {
                let _refused = client.write_all(&piece).await;
                tokio::task::yield_now().await;
            }
        });
        let mut stream = guard(open(Box::new(server), Duration::from_secs(10)).await.unwrap(), 1000);
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).await.map(|_| all);
        drop(stream);
        sent.await.unwrap();
        end
    }

    #[tokio::test]
    async fn what_is_right_is_read_as_it_came() {
        let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_vec();
        let bytewise: Vec<&[u8]> = post.chunks(1).collect();
        assert_eq!(read(&bytewise).await.unwrap(), post);
        assert_eq!(read(&[&post, &post]).await.unwrap(), [post.as_slice(), &post].concat());
        assert_eq!(read(&[b"GET / HT"]).await.unwrap(), b"", "a head that was cut short is none");
    }

    #[tokio::test]
    async fn what_is_faulty_never_reaches_the_other_side() {
        let head = read(&[b"GET / HTTP/1.1\nHost: a\n\n", b"more"]).await.unwrap();
        assert!(head.starts_with(b"GET /# "), "what stands for it");
        let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\n";
        let error = read(&[chunked]).await.unwrap_err();
        let error = Error::because(pingora::ErrorType::ReadError, "when reading body", error);
        assert!(is_faulty(&error), "{error}");
        let other = Error::because(pingora::ErrorType::ReadError, "when reading body", io::Error::other("torn"));
        assert!(!is_faulty(&other) && !is_faulty(&Error::new(pingora::ErrorType::ReadError)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_idle_frames_ends_the_connection_and_a_few_do_not() {
        let pings = |count: usize| [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(count);
        let few = [PREFACE, &pings(900)].concat();
        assert_eq!(read(&[&few]).await.unwrap(), few);
        let many = [PREFACE, &pings(3000)].concat();
        assert!(read(&[&many]).await.is_err());
    }
}
