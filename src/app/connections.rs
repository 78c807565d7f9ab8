//! What stands between a listener and the proxy: every connection passes here first, and is counted while it lives.
//!
//! pingora gives a connection to a [`ServerApp`]; this one wraps the proxy's own. What has to happen before the first
//! request of a connection, whatever it speaks, happens here: a balancer's PROXY header is read, a seat is taken, and the
//! stream gets its deadlines. With TLS the first two come before the handshake ([`BeforeTls`]), so that who has no seat
//! costs none.

use super::App;
use super::lifecycle::Leaving;
use crate::config::{Config, Listener};
use crate::limit::address_key;
use crate::proxy::{
    Bounds, Connection, Full, HeaderError, Seat, Seats, Whose, carried, guard, is_trusted, read_header, seat_of,
};
use crate::telemetry::words::Closing;
use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::l4::socket::SocketAddr as Address;
use pingora::protocols::{IO, SocketDigest, Stream, l4};
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorType, Result};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// So long a newcomer who gets no seat may take to take the answer.
const GOODBYE: Duration = Duration::from_millis(100);
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 5\r\nCache-Control: no-store\r\n\r\n";

/// Octets of a head beyond its limits: who reads it first refuses it at them, and this is for what that one has read by then.
const BEYOND_LIMITS: u64 = 16 * 1024;

/// The proxy, with its connections counted.
pub struct Connections<A> {
    pub inner: Arc<A>,
    pub entrance: Arc<Entrance>,
}

/// What lets connections in.
pub struct Entrance {
    pub app: Arc<App>,
    pub seats: Arc<Seats>,
    /// As many as there are files for.
    pub affordable: usize,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let app = &self.entrance.app;
        let _open = app.metrics.connections.enter();
        let config = app.live.pin();
        let listener = listener_of(&config, &*stream);
        let seat = match stream.get_proxy_digest().and_then(|digest| seat_of(&digest)) {
            Some(seat) => seat,
            None => match self.entrance.admit(&config, listener, &mut *stream).await {
                Ok(seat) => seat,
                Err(why) => {
                    if matches!(why, Closing::Full | Closing::AddressFull) {
                        // Whoever has no seat may wait for nothing.
                        let said = async { stream.write_all(FULL).await.is_ok() && stream.flush().await.is_ok() };
                        let _left = timeout(GOODBYE, said).await;
                    }
                    return None;
                }
            },
        };
        let limits = &config.server.limits;
        let stream = if listener.is_some_and(|listener| listener.h2c) {
            let within = Duration::from_secs(limits.header_seconds);
            let Some(opened) = crate::proxy::open(stream, within).await else {
                app.metrics.closings.count(Closing::Silent);
                return None;
            };
            opened
        } else {
            stream
        };
        let connection = Connection::new(stream, seat, limits, app.metrics.closings.clone());
        let longest = limits.header_bytes.saturating_add(limits.target_bytes).saturating_add(BEYOND_LIMITS);
        drop(config);
        let guarded = guard(Box::new(connection), usize::try_from(longest).unwrap_or(usize::MAX));
        self.inner.process_new(guarded, shutdown).await
    }

    /// Called when the listeners are closed; the proxy then drops what is idle. A client that writes into a connection
    /// at that very moment gets no answer, so where there is time, each idle connection gets the chance to bring one
    /// more request, whose answer tells it to close, or to run out by itself.
    async fn cleanup(&self) {
        let app = &self.entrance.app;
        if app.state.leaving() == Some(Leaving::Replaced) {
            tokio::time::sleep(app.idle_patience()).await;
        }
        self.inner.cleanup().await;
    }
}

impl Entrance {
    /// Finds out who comes and gives a seat, which then lives as long as the connection; or says, counted, why not.
    async fn admit(
        &self,
        config: &Config,
        listener: Option<&Listener>,
        stream: &mut dyn IO,
    ) -> Result<Arc<Seat>, Closing> {
        let admitted = self.seated(config, listener, stream).await;
        if let Err(why) = admitted {
            self.app.metrics.closings.count(why);
        }
        admitted
    }

    async fn seated(
        &self,
        config: &Config,
        listener: Option<&Listener>,
        stream: &mut dyn IO,
    ) -> Result<Arc<Seat>, Closing> {
        let server = &config.server;
        let trusts = |ip: &IpAddr| is_trusted(&server.trusted_proxies, ip);
        let mut ip = peer_of(stream).map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
        let mut tls_in_front = false;
        if listener.is_some_and(|listener| listener.proxy_protocol) {
            if !trusts(&ip) {
                return Err(Closing::UntrustedProxy);
            }
            let within = Duration::from_secs(server.limits.header_seconds);
            let header = timeout(within, read_header(stream)).await.unwrap_or(Err(HeaderError::Missing));
            let header = header.map_err(|error| match error {
                HeaderError::Missing => Closing::NoProxyHeader,
                HeaderError::Malformed => Closing::BadProxyHeader,
            })?;
            tls_in_front = header.tls;
            if let Some(source) = header.source {
                ip = source.ip();
                // From here on it is the peer, for everybody who asks.
                let digest = SocketDigest::from_raw_fd(stream.id());
                let _first = digest.peer_addr.set(Some(Address::Inet(source)));
                stream.set_socket_digest(digest);
            }
        }
        let whose = if trusts(&ip) { Whose::Proxy } else { Whose::Address(address_key(ip)) };
        let (seat, made_room) =
            self.seats.take(whose, self.bounds(config), tls_in_front).map_err(|full| match full {
                Full::House => Closing::Full,
                Full::Address => Closing::AddressFull,
            })?;
        if made_room {
            self.app.metrics.closings.count(Closing::MadeRoom);
        }
        stream.set_proxy_digest(carried(&seat).map_err(|_| Closing::Full)?);
        Ok(seat)
    }

    fn bounds(&self, config: &Config) -> Bounds {
        let limits = &config.server.limits;
        let count = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Bounds { house: count(limits.connections).min(self.affordable), address: count(limits.connections_per_address) }
    }
}

/// Looks at connections with TLS before their handshake.
pub struct BeforeTls(pub Arc<Entrance>);

#[async_trait]
impl PreTlsProcess for BeforeTls {
    async fn process(&self, stream: &mut l4::stream::Stream) -> Result<()> {
        let entrance = &self.0;
        let config = entrance.app.live.pin();
        let listener = listener_of(&config, stream);
        let closed = |why: Closing| Error::explain(ErrorType::ConnectionClosed, why.name());
        let _seat = entrance.admit(&config, listener, stream).await.map_err(closed)?;
        // pingora gives a handshake a minute, also to who never begins one.
        let mut first = [0];
        let within = Duration::from_secs(config.server.limits.header_seconds);
        if !matches!(timeout(within, stream.read(&mut first)).await, Ok(Ok(1))) {
            entrance.app.metrics.closings.count(Closing::Silent);
            return Err(closed(Closing::Silent));
        }
        stream.rewind(&first);
        Ok(())
    }
}

fn peer_of(stream: &dyn IO) -> Option<SocketAddr> {
    stream.get_socket_digest()?.peer_addr()?.as_inet().copied()
}

/// Where it came in.
fn listener_of<'c>(config: &'c Config, stream: &dyn IO) -> Option<&'c Listener> {
    let digest = stream.get_socket_digest()?;
    let local = digest.local_addr()?.as_inet()?;
    let (ip, port) = (local.ip().to_canonical(), local.port());
    config.server.listeners.iter().find(|listener| {
        let on = listener.addr;
        on.port() == port && (on.ip().is_unspecified() || on.ip().to_canonical() == ip)
    })
}
