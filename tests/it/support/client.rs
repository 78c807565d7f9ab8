//! Who calls: a browser, a site's backend, and clients that speak bytes, TLS, HTTP/2 or WebSocket.

use super::SOON;
use super::pki::TestCa;
use http::{HeaderMap, Method, Version};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Url, redirect};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http::HeaderValue};

const DOCUMENT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const FORM: &str = "application/x-www-form-urlencoded";

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Where it came from, after redirects.
    pub url: Url,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body isn't JSON; the message shows it.
    pub fn json(&self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}), status {}: {text}", self.status))
    }

    /// The header's value; `None` where it is absent, the first where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Every `Set-Cookie`, whole.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// Sends a request and reads the whole answer.
///
/// # Panics
/// When no answer comes.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.expect("an answer")
}

/// As [`send`], where a refused or cut connection is among what may happen.
pub async fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, version, url) = (response.status().as_u16(), response.version(), response.url().clone());
    let headers = response.headers().clone();
    Ok(Answer { status, version, headers, url, body: response.bytes().await?.to_vec() })
}

/// A client without cookies or redirects, bounded in time; the base of those below.
pub fn plain() -> ClientBuilder {
    Client::builder().no_proxy().timeout(SOON * 3).connect_timeout(SOON).redirect(redirect::Policy::none())
}

/// Speaks HTTP/2 on a cleartext port, with prior knowledge.
pub fn h2c() -> Client {
    plain().http2_prior_knowledge().build().unwrap()
}

/// Trusts the test's authority alone; HTTP/2 or 1.1, as ALPN settles it. `hosts` are resolved to these addresses.
pub fn tls(ca: &TestCa, hosts: &[(&str, SocketAddr)]) -> Client {
    let root = Certificate::from_pem(&fs::read(ca.root()).unwrap()).unwrap();
    let client = plain().tls_certs_only([root]);
    hosts.iter().fold(client, |client, (host, address)| client.resolve(host, *address)).build().unwrap()
}

/// One visitor with a browser: cookies kept, redirects followed, an address of its own, the headers that browsers send.
#[derive(Clone, Debug)]
pub struct Browser {
    pub address: IpAddr,
    client: Client,
    cookies: Arc<Jar>,
    base: Url,
}

impl Browser {
    /// A new visitor of `base` (`http://127.0.0.1:PORT`), from an address that nobody else has.
    pub fn new(base: &str) -> Self {
        Self::at(base, next_address())
    }

    /// From a given loopback address.
    pub fn at(base: &str, address: IpAddr) -> Self {
        Self::with(base, address, |client| client)
    }

    /// With a changed client: no redirects, another certificate, a resolved host …
    pub fn with(base: &str, address: IpAddr, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = plain().redirect(redirect::Policy::limited(10)).local_address(address);
        let client = change(client.cookie_provider(Arc::clone(&cookies))).build().unwrap();
        Self { address, client, cookies, base: base.parse().unwrap() }
    }

    /// Types the address, or reloads.
    pub async fn open(&self, path: &str) -> Answer {
        send(self.navigation(Method::GET, path, "none")).await
    }

    /// Sends a form of the site.
    pub async fn submit(&self, path: &str, form: &str) -> Answer {
        let request = self.navigation(Method::POST, path, "same-origin").header("content-type", FORM);
        send(request.body(form.to_owned())).await
    }

    /// Comes back by a form of another site (a card check); cookies as the jar has them.
    pub async fn submit_cross_site(&self, path: &str, form: &str) -> Answer {
        let request = self.navigation(Method::POST, path, "cross-site").header("content-type", FORM);
        send(request.header("origin", "https://bank.test").body(form.to_owned())).await
    }

    /// What a script of the page fetches.
    pub async fn fetch(&self, method: Method, path: &str) -> Answer {
        send(self.script(method, path)).await
    }

    /// A navigation to which the test adds. `site` is `Sec-Fetch-Site`.
    pub fn navigation(&self, method: Method, path: &str, site: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(path)).header("accept", DOCUMENT);
        let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        request.header("sec-fetch-site", site).header("sec-fetch-user", "?1").header("upgrade-insecure-requests", "1")
    }

    /// A fetch to which the test adds.
    pub fn script(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(path)).header("accept", "*/*");
        let request = request.header("sec-fetch-mode", "cors").header("sec-fetch-dest", "empty");
        request.header("sec-fetch-site", "same-origin")
    }

    /// The value of one of its cookies.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let all = self.cookies.cookies(&self.base)?;
        let mut pairs = all.to_str().unwrap().split("; ").filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    /// Puts a cookie into the jar, as a `Set-Cookie` line.
    pub fn set_cookie(&self, line: &str) {
        self.cookies.add_cookie_str(line, &self.base);
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }
}

/// 127.1.0.1, 127.1.0.2, …
pub fn next_address() -> IpAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    IpAddr::V4(Ipv4Addr::from(first + GIVEN.fetch_add(1, Ordering::Relaxed)))
}

/// A site's backend, or a page's script, with an API key.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    /// Calls `base` (`http://127.0.0.1:PORT`, maybe with a prefix) with this key, from an address of its own.
    pub fn new(base: &str, key: &str) -> Self {
        let client = plain().local_address(next_address()).build().unwrap();
        Self { client, base: base.to_owned(), key: key.to_owned() }
    }

    /// The same caller, from the same address, with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub async fn enqueue(&self, user: &str) -> Answer {
        send(self.call(Method::POST, "/queue/enqueue").header("user_id", user)).await
    }

    pub async fn status(&self, jwt: &str) -> Answer {
        send(self.call(Method::GET, "/queue/status").header("jwt", jwt)).await
    }

    pub async fn verify(&self, jwt: &str) -> Answer {
        send(self.call(Method::GET, "/queue/verify").header("jwt", jwt)).await
    }

    pub async fn finish(&self, jwt: &str) -> Answer {
        send(self.call(Method::DELETE, "/queue/finish").header("jwt", jwt)).await
    }

    pub async fn config(&self) -> Answer {
        send(self.call(Method::GET, "/config")).await
    }

    pub async fn set_config(&self, change: serde_json::Value) -> Answer {
        send(self.call(Method::POST, "/config").json(&change)).await
    }

    /// Any call, with the key, to which the test adds.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("business_id", &self.key)
    }

    /// Any call, without the key.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }
}

/// Writes these bytes and reads until the other side closes or `within` is over; what came until then.
pub async fn raw(address: SocketAddr, bytes: &[u8], within: Duration) -> Vec<u8> {
    let deadline = Instant::now() + within;
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let mut answer = Vec::new();
    let _refused_early = timeout_at(deadline, stream.write_all(bytes)).await;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(Ok(length @ 1..)) = timeout_at(deadline, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..length]);
    }
    answer
}

/// Opens a WebSocket at `path`; the error holds the answer where the upgrade was refused.
pub async fn websocket(
    address: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value)?);
    }
    let stream = TcpStream::connect(address).await?;
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}
