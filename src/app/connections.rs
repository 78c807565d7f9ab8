//! What stands between a listener and the proxy: every connection passes here first, and is counted while it lives.
//!
//! pingora gives a connection to a [`ServerApp`]; this one wraps the proxy's own. What has to happen before the first
//! request of a connection, whatever it speaks, belongs here: a deadline, a cap, a header that a balancer puts first.

use super::App;
use super::lifecycle::Leaving;
use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The proxy, with its connections counted.
pub struct Connections<A> {
    pub inner: Arc<A>,
    pub app: Arc<App>,
    /// Where HTTP/2 is spoken without TLS, beside HTTP/1.
    pub h2c: Vec<SocketAddr>,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = self.app.metrics.connections.enter();
        let stream = if self.is_h2c(&stream) {
            let within = Duration::from_secs(self.app.live.pin().server.limits.header_seconds);
            crate::proxy::open(stream, within).await?
        } else {
            stream
        };
        self.inner.process_new(stream, shutdown).await
    }

    /// Called when the listeners are closed; the proxy then drops what is idle. A client that writes into a connection
    /// at that very moment gets no answer, so where there is time, each idle connection gets the chance to bring one
    /// more request, whose answer tells it to close, or to run out by itself.
    async fn cleanup(&self) {
        if self.app.state.leaving() == Some(Leaving::Replaced) {
            tokio::time::sleep(self.app.idle_patience()).await;
        }
        self.inner.cleanup().await;
    }
}

impl<A> Connections<A> {
    fn is_h2c(&self, stream: &Stream) -> bool {
        if self.h2c.is_empty() {
            return false;
        }
        let Some(digest) = stream.get_socket_digest() else { return false };
        let Some(local) = digest.local_addr().and_then(|address| address.as_inet()) else { return false };
        self.h2c.iter().any(|listener| {
            listener.port() == local.port() && (listener.ip().is_unspecified() || listener.ip() == local.ip())
        })
    }
}
