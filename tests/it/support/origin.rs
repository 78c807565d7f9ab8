//! The site behind the gate: it writes down every request that reached it and answers as the test says.
//!
//! HTTP/1.1 and HTTP/2 (cleartext with prior knowledge, or TLS with ALPN) on one port.

mod answer;

pub use answer::Answer;

use super::pki::TestCa;
use super::ports::free_port;
use super::{SOON, eventually};
use answer::{Body, Ending, switching};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{handshake::derive_accept_key, protocol::Role};

/// So much of a body is kept.
const KEPT: usize = 64 * 1024;
const ATTEMPTS: usize = 20;

/// A request that reached the origin.
#[derive(Clone, Debug)]
pub struct Hit {
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    /// The first 64 KiB.
    pub body: Bytes,
    /// Bytes that have arrived.
    pub body_length: usize,
    pub trailers: Option<HeaderMap>,
    /// The body has come to its proper end.
    pub complete: bool,
    pub peer: SocketAddr,
    /// When its head arrived.
    pub at: Instant,
    number: usize,
}

impl Hit {
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The header's value as text; `None` where it is absent.
    ///
    /// # Panics
    /// When it came more than once, which is never what a test of a single value expects.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} came more than once: {:?}", self.headers);
        first
    }
}

type Handler = Arc<dyn Fn(&Hit) -> Answer + Send + Sync>;

/// A running origin. It needs the runtime of the test that started it.
pub struct Origin {
    address: SocketAddr,
    site: Arc<Site>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Site {
    hits: Mutex<Vec<Hit>>,
    routes: Mutex<Vec<(String, Handler)>>,
    /// How many there were, forgotten ones included.
    requests: AtomicUsize,
    connections: AtomicUsize,
    tls: Option<TlsAcceptor>,
}

impl Origin {
    /// Answers everything with 200, `text/html`, `origin: METHOD path`, until [`Origin::on`] says otherwise.
    pub async fn start() -> Self {
        Self::launch(None).await
    }

    /// The same over TLS.
    pub async fn start_tls(ca: &TestCa) -> Self {
        Self::launch(Some(acceptor(ca))).await
    }

    async fn launch(tls: Option<TlsAcceptor>) -> Self {
        let site = Arc::new(Site { tls, ..Site::default() });
        for _ in 0..ATTEMPTS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
            if let Ok(listener) = TcpListener::bind(address).await {
                let accepting = Some(tokio::spawn(accept(listener, Arc::clone(&site))));
                return Self { address, site, accepting };
            }
        }
        panic!("no free port for the origin in {ATTEMPTS} attempts");
    }

    /// From now on, requests for exactly this path (`*`: any) are answered so. The newest that fits counts.
    pub fn on(&self, path: &str, handler: impl Fn(&Hit) -> Answer + Send + Sync + 'static) {
        self.site.routes.lock().unwrap().push((path.to_owned(), Arc::new(handler)));
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.site.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Every request so far, by arrival.
    pub fn hits(&self) -> Vec<Hit> {
        self.site.hits.lock().unwrap().clone()
    }

    pub fn last(&self) -> Option<Hit> {
        self.site.hits.lock().unwrap().last().cloned()
    }

    /// Waits for a request to that path which has arrived completely.
    #[track_caller]
    pub fn await_hit(&self, path: &str) -> impl Future<Output = Hit> {
        eventually(SOON, async move || self.hits().into_iter().rfind(|hit| hit.complete && hit.path() == path))
    }

    pub fn forget_hits(&self) {
        self.site.hits.lock().unwrap().clear();
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.site.connections.load(Ordering::Relaxed)
    }

    /// Cuts every connection; the port refuses.
    pub async fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _cancelled = accepting.await;
        }
    }

    /// Serves again, on the same port.
    pub async fn reopen(&mut self) {
        self.close().await;
        let listener = TcpListener::bind(self.address).await.expect("the origin's port is still free");
        self.accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.site))));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

/// Takes connections until it is aborted, which ends them too.
async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        site.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(secure(stream, peer, Arc::clone(&site)));
        while connections.try_join_next().is_some() {}
    }
}

async fn secure(stream: TcpStream, peer: SocketAddr, site: Arc<Site>) {
    let _no_delay = stream.set_nodelay(true);
    match site.tls.clone() {
        None => serve(stream, peer, site).await,
        Some(tls) => {
            // It fails where the client does not trust us, or speaks no TLS.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, peer, site).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr, site: Arc<Site>) {
    let answer = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { site.answer(request, peer).await }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let _ended = server.serve_connection_with_upgrades(TokioIo::new(stream), answer).await;
}

/// hyper closes the connection when the service fails.
#[derive(Debug, thiserror::Error)]
#[error("the test told the origin to hang up")]
struct HungUp;

impl Site {
    async fn answer(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Body>, HungUp> {
        let number = self.record(&request, peer);
        let upgrade = hyper::upgrade::on(&mut request);
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
        let hit = self.read_body(number, request.into_body()).await?;
        let answer = self.route(hit.path())(&hit);
        tokio::time::sleep(answer.delay).await;
        match (answer.ending, key) {
            (Ending::Response, _) => Ok(answer.response),
            (Ending::WebSocket, Some(key)) => {
                tokio::spawn(echo(upgrade));
                Ok(switching(&derive_accept_key(key.as_bytes())))
            }
            (Ending::WebSocket, None) => Ok(Answer::status(426).response),
            (Ending::HangUp, _) => Err(HungUp),
        }
    }

    /// Writes the head down at once: a body may never end.
    fn record(&self, request: &Request<Incoming>, peer: SocketAddr) -> usize {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.hits.lock().unwrap().push(Hit {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
            body: Bytes::new(),
            body_length: 0,
            trailers: None,
            complete: false,
            peer,
            at: Instant::now(),
            number,
        });
        number
    }

    async fn read_body(&self, number: usize, mut body: Incoming) -> Result<Hit, HungUp> {
        loop {
            let frame = body.frame().await.transpose().map_err(|_| HungUp)?;
            let mut hits = self.hits.lock().unwrap();
            let Some(hit) = hits.iter_mut().rfind(|hit| hit.number == number) else { return Err(HungUp) };
            match frame.map(Frame::into_data) {
                None => {
                    hit.complete = true;
                    return Ok(hit.clone());
                }
                Some(Ok(data)) => hit.add(&data),
                Some(Err(frame)) => hit.trailers = frame.into_trailers().ok(),
            }
        }
    }

    fn route(&self, path: &str) -> Handler {
        let routes = self.routes.lock().unwrap();
        let fits = |route: &&(String, Handler)| route.0 == path || route.0 == "*";
        routes.iter().rfind(fits).map_or_else(|| Arc::new(greet) as Handler, |(_, handler)| Arc::clone(handler))
    }
}

impl Hit {
    fn add(&mut self, data: &Bytes) {
        self.body_length += data.len();
        let room = KEPT - self.body.len();
        if room > 0 && !data.is_empty() {
            self.body = [&self.body, &data[..room.min(data.len())]].concat().into();
        }
    }
}

fn greet(hit: &Hit) -> Answer {
    Answer::html(format!("origin: {} {}", hit.method, hit.path()))
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}

fn acceptor(ca: &TestCa) -> TlsAcceptor {
    let certificates = CertificateDer::pem_file_iter(ca.certificate()).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(AsRef::<Path>::as_ref(&ca.key())).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
