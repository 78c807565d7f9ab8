//! A client's connection, with its deadlines: nobody may hold one by being slow.
//!
//! pingora's timers begin anew with every byte, so that one byte a second holds a connection for ever. This stream stands
//! between it and the socket (below it all of TLS) and knows from the connection's [`Seat`] whether a request is on its way:
//!
//! | the client | until | then |
//! |---|---|---|
//! | has not sent a whole header | `header_seconds` after the connection began, or after the header's first byte | 408, closed |
//! | sent more header than may be | a read beyond `header_bytes` and `target_bytes` | 431, closed |
//! | lies idle | `keepalive_seconds` | closed |
//! | sends a body too slowly | less than `body_rate` a second over `header_seconds` of waiting for it | closed |
//! | doesn't read | `write_seconds` without a byte taken | closed |
//!
//! Where the origin is what is slow, the client's time stands still: a period is judged only while the client is waited for.
//! On HTTP/2 the first request has `header_seconds`, and a connection that owes a body must bring anything within
//! `body_idle_seconds`; pingora closes one without requests. A WebSocket has no deadline here.

use super::pace::{Deadlines, Timer};
use super::passed::passes_on;
use super::seats::Seat;
use crate::config::Limits;
use crate::telemetry::closings::Closings;
use crate::telemetry::words::Closing;
use async_trait::async_trait;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{ALPN, Shutdown, Ssl, Stream};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a refused client has sent already is read up to here, so that the answer isn't lost in a reset.
const DISCARDED: usize = 256 * 1024;

/// Answered where pingora can't: it has no whole header.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n";
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n";

/// What the client is doing, as far as reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing since the last answer.
    Idle,
    /// A header, of which so much has come.
    Head(u64),
    /// A request is on its way; so much of its body has come in this period.
    Work(u64),
    /// Told that it is refused: so much of that is sent.
    Refused(&'static [u8], usize),
}

/// The stream that pingora reads and writes.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    seat: Arc<Seat>,
    deadlines: Deadlines,
    is_http2: bool,
    phase: Phase,
    /// How many requests there were at the last look.
    requests: u32,
    reading: Timer,
    /// Whether the last look for bytes found none: only such a wait is the client's.
    has_waited: bool,
    writing: Timer,
    closings: Closings,
    is_counted: bool,
}

impl Connection {
    /// Takes over a connection that has its seat.
    pub fn new(stream: Stream, seat: Arc<Seat>, limits: &Limits, closings: Closings) -> Self {
        let deadlines = Deadlines::of(limits);
        let is_http2 = stream.selected_alpn_proto() == Some(ALPN::H2);
        let mut reading = Timer::default();
        reading.start(deadlines.header);
        Self {
            stream,
            seat,
            deadlines,
            is_http2,
            phase: Phase::Head(0),
            requests: 0,
            reading,
            has_waited: false,
            writing: Timer::default(),
            closings,
            is_counted: false,
        }
    }

    /// Brings the phase up to date with what became of the request.
    fn look_up(&mut self) {
        let requests = self.seat.requests();
        if std::mem::replace(&mut self.requests, requests) != requests {
            self.phase = Phase::Work(0); // and maybe done with it since
            self.reading.stop();
        }
        if matches!(self.phase, Phase::Work(_)) && self.seat.is_idle() {
            self.phase = Phase::Idle;
            // On HTTP/2 pingora closes what has no request.
            if self.is_http2 { self.reading.stop() } else { self.reading.start(self.deadlines.idle) }
        }
    }

    fn has_read(&mut self, length: u64) {
        self.has_waited = false;
        match self.phase {
            Phase::Idle if !self.is_http2 && length > 0 => {
                self.phase = Phase::Head(length);
                self.reading.start(self.deadlines.header);
            }
            Phase::Head(read) => self.phase = Phase::Head(read + length),
            Phase::Work(_) if self.is_http2 => self.reading.stop(),
            Phase::Work(read) => self.phase = Phase::Work(read + length),
            Phase::Idle | Phase::Refused(..) => {}
        }
    }

    /// Nothing is there to be read: whether the client's time is over.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let had_waited = std::mem::replace(&mut self.has_waited, true);
        if matches!(self.phase, Phase::Work(_)) {
            if !self.seat.is_owed() {
                self.reading.stop();
                return Poll::Pending;
            }
            if !self.reading.is_running() || !had_waited && self.reading.is_over(cx) {
                self.phase = Phase::Work(0);
                self.reading.start(if self.is_http2 { self.deadlines.body_idle } else { self.deadlines.header });
            }
        }
        if !self.reading.is_running() || !self.reading.is_over(cx) {
            return Poll::Pending;
        }
        match self.phase {
            Phase::Idle => self.end(Closing::Idle),
            Phase::Head(0) => self.end(Closing::Silent),
            Phase::Head(_) if self.is_http2 => self.end(Closing::SlowHeader),
            Phase::Head(_) => self.refuse(Closing::SlowHeader, TOO_SLOW, cx),
            Phase::Work(read) if self.is_http2 || read < self.deadlines.body => {
                self.count(Closing::SlowBody);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the body comes too slowly")))
            }
            Phase::Work(_) => {
                self.phase = Phase::Work(0);
                self.reading.start(self.deadlines.header);
                let _just_begun = self.reading.is_over(cx); // asked, it wakes us
                Poll::Pending
            }
            Phase::Refused(..) => Poll::Pending,
        }
    }

    /// Counts why it is closed: one reason for each connection.
    fn count(&mut self, why: Closing) {
        if !std::mem::replace(&mut self.is_counted, true) {
            self.closings.count(why);
        }
    }

    /// To pingora it is as if the client had left.
    fn end(&mut self, why: Closing) -> Poll<io::Result<()>> {
        self.count(why);
        Poll::Ready(Ok(()))
    }

    fn refuse(&mut self, why: Closing, answer: &'static [u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count(why);
        self.phase = Phase::Refused(answer, 0);
        self.say(answer, 0, cx)
    }

    fn say(&mut self, answer: &'static [u8], mut sent: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = answer.get(sent..).filter(|rest| !rest.is_empty()) {
            let length = ready!(Pin::new(&mut *self).poll_write(cx, rest))?;
            if length == 0 {
                break;
            }
            sent += length;
            self.phase = Phase::Refused(answer, sent);
        }
        ready!(Pin::new(&mut *self).poll_flush(cx))?;
        let mut discarded = 0;
        let mut buffer = [0; 4096];
        while discarded < DISCARDED {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => discarded += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "refused before its header was there")))
    }

    /// Whether the client has taken nothing for too long.
    fn written<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.stop();
            return written;
        }
        if !self.writing.is_running() {
            self.writing.start(self.deadlines.write);
        }
        if self.writing.is_over(cx) {
            self.count(Closing::SlowReader);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client doesn't read")));
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Phase::Refused(answer, sent) = this.phase {
            return this.say(answer, sent, cx);
        }
        this.look_up();
        if this.seat.is_idle() && this.seat.is_lost() {
            return Poll::Ready(Ok(()));
        }
        if let Phase::Head(read) = this.phase
            && !this.is_http2
            && read > this.deadlines.head_bytes
        {
            // pingora has looked at all of it and found no end.
            return this.refuse(Closing::LargeHeader, TOO_LARGE, cx);
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.has_read((buf.filled().len() - before) as u64);
                Poll::Ready(result)
            }
            Poll::Pending => {
                this.seat.wake_on_change(cx.waker());
                this.wait(cx)
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.written(shut, cx)
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // It sends what is left, which a client that doesn't read never takes.
        let _late = tokio::time::timeout(self.deadlines.write, Shutdown::shutdown(&mut *self.stream)).await;
    }
}

passes_on!(Connection);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Bounds, Seats, Whose};
    use crate::telemetry::metrics::Metrics;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{Instant, sleep, timeout};

    const LIMITS: Limits = Limits {
        header_bytes: 1000,
        target_bytes: 500,
        body_bytes: 0,
        header_seconds: 10,
        body_idle_seconds: 60,
        body_rate: 100,
        write_seconds: 30,
        keepalive_seconds: 60,
        tcp_keepalive_seconds: 0,
        connections: 10,
        connections_per_address: 0,
    };

    struct House {
        connection: Connection,
        client: DuplexStream,
        seat: Arc<Seat>,
        metrics: Metrics,
    }

    fn house() -> House {
        let (client, server) = tokio::io::duplex(1024);
        let bounds = Bounds { house: 10, address: 0 };
        let (seat, _) = Arc::new(Seats::default()).take(Whose::Proxy, bounds, false).unwrap();
        let metrics = Metrics::new("0").unwrap();
        let connection = Connection::new(Box::new(server), Arc::clone(&seat), &LIMITS, metrics.closings.clone());
        House { connection, client, seat, metrics }
    }

    impl House {
        /// What a read of the connection gives, and after how many seconds; `None`: nothing for an hour.
        async fn read(&mut self) -> (Option<io::Result<usize>>, u64) {
            let (begin, mut buffer) = (now(), [0; 4096]);
            let read = timeout(Duration::from_secs(3600), self.connection.read(&mut buffer)).await.ok();
            (read, (now() - begin).as_secs())
        }

        fn was_closed_for(&self, why: &str) -> bool {
            self.metrics.render().contains(&format!("connections_closed_total{{reason=\"{why}\"}} 1\n"))
        }
    }

    /// The time of the test, which stands still but when all wait.
    fn now() -> Instant {
        sleep(Duration::ZERO).deadline()
    }

    async fn pass(seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time_from_the_beginning_or_from_its_first_byte() {
        let mut house = house();
        assert!(matches!(house.read().await, (Some(Ok(0)), 10)));
        assert!(house.was_closed_for("silent"));

        let mut house = self::house();
        drop(house.seat.work());
        pass(50).await;
        house.client.write_all(b"G").await.unwrap();
        assert!(matches!(house.read().await, (Some(Ok(1)), 0)));
        pass(4).await;
        house.client.write_all(b"E").await.unwrap();
        assert!(matches!(house.read().await, (Some(Ok(1)), 0)));
        assert!(matches!(house.read().await, (Some(Err(_)), 6)));
        assert!(house.was_closed_for("slow_header"));
        let mut said = vec![0; TOO_SLOW.len()];
        house.client.read_exact(&mut said).await.unwrap();
        assert_eq!(said, TOO_SLOW);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_it_may_lie_idle_for_a_while() {
        let mut house = house();
        drop(house.seat.work());
        assert!(matches!(house.read().await, (Some(Ok(0)), 60)));
        assert!(house.was_closed_for("idle"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_must_come_at_some_pace_and_time_in_which_nobody_waits_for_it_does_not_count() {
        let mut house = house();
        let mut work = house.seat.work();
        assert!(matches!(house.read().await, (None, 3600)), "no body is owed: the origin is waited for");
        work.has_body(false);
        pass(100).await; // the origin takes nothing
        {
            let House { connection, client, .. } = &mut house;
            let mut buffer = [0; 4096];
            let late = async {
                pass(9).await;
                client.write_all(&[0; 1000]).await.unwrap();
            };
            tokio::select! {
                read = connection.read(&mut buffer) => panic!("{read:?}"),
                () = late => {}
            }
        }
        assert!(matches!(house.read().await, (Some(Ok(1000)), 0)));
        pass(100).await;
        assert!(matches!(house.read().await, (Some(Err(_)), 10)), "a period of which nothing came");
        assert!(house.was_closed_for("slow_body"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_once() {
        let mut house = house();
        let begin = now();
        let error = house.connection.write_all(&[0; 5000]).await.unwrap_err();
        assert_eq!((error.kind(), (now() - begin).as_secs()), (io::ErrorKind::TimedOut, 30));
        assert!(house.connection.write_all(b"x").await.is_err());
        assert!(house.was_closed_for("slow_reader"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_without_an_end_is_refused() {
        let mut house = house();
        for _ in 0..3 {
            house.client.write_all(&[b'x'; 1000]).await.unwrap();
            assert!(matches!(house.read().await, (Some(Ok(1000)), 0)));
        }
        house.client.write_all(&[b'x'; 1000]).await.unwrap();
        assert!(matches!(house.read().await, (Some(Err(_)), 0)));
        assert!(house.was_closed_for("large_header"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_lost_the_seat_is_closed_when_idle() {
        let bounds = Bounds { house: 1, address: 0 };
        let (mut client, server) = tokio::io::duplex(1024);
        let seats = Arc::new(Seats::default());
        let address = |n| Whose::Address(crate::queue::AddressKey(n));
        let (seat, _) = seats.take(address(1), bounds, false).unwrap();
        let metrics = Metrics::new("0").unwrap();
        let mut connection = Connection::new(Box::new(server), Arc::clone(&seat), &LIMITS, metrics.closings);
        let closed = tokio::spawn(async move {
            let mut buffer = [0; 10];
            connection.read(&mut buffer).await.unwrap()
        });
        tokio::task::yield_now().await;
        let (_newcomer, made_room) = seats.take(address(2), bounds, false).unwrap();
        assert!(made_room);
        let begin = now();
        assert_eq!((closed.await.unwrap(), now() - begin), (0, Duration::ZERO));
        assert_eq!(client.read(&mut [0; 10]).await.unwrap(), 0);
    }
}
