//! The peers built on pingora: `peer bare|hello|page10k PORT [ORIGIN_PORT]`.
//!
//! - `bare` forwards and does nothing else: what a gate on pingora can't go below, unless it saves elsewhere;
//! - `hello` answers 85 bytes of JSON from `request_filter`: what any answer to a poll costs;
//! - `page10k` answers a fixed page of 10 KiB: what a waiting page of that size costs.
//!
//! One worker thread, pingora's own settings, the system's allocator.

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::prelude::HttpPeer;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// 85 bytes, as long as a short answer to a poll.
const HELLO: &str = r#"{"warning_msg":null,"position":3,"ready":false,"state":"waiting","waiting":128,"x":1}"#;
const PAGE_BYTES: usize = 10 * 1024;

/// Forwards everything to one origin.
struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// Answers everything with the same bytes.
struct Fixed {
    content_type: &'static str,
    body: Bytes,
}

#[async_trait]
impl ProxyHttp for Fixed {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let mut header = ResponseHeader::build(200, Some(2))?;
        header.insert_header("Content-Type", self.content_type)?;
        header.insert_header("Content-Length", self.body.len())?;
        session.write_response_header(Box::new(header), false).await?;
        session.write_response_body(Some(self.body.clone()), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        pingora::Error::err(pingora::ErrorType::InternalError) // never asked: everything is answered before
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let port = |place: usize| words.get(place).and_then(|word| word.parse::<u16>().ok());
    let (Some(kind), Some(listen)) = (words.first(), port(1)) else { usage() };
    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let address = format!("127.0.0.1:{listen}");
    let fixed = |content_type, body| Fixed { content_type, body };
    match (kind.as_str(), port(2)) {
        ("bare", Some(origin)) => {
            let bare = Bare(SocketAddr::from((Ipv4Addr::LOCALHOST, origin)));
            let mut service = http_proxy_service(&server.configuration, bare);
            service.add_tcp(&address);
            server.add_service(service);
        }
        ("hello", None) => {
            let body = Bytes::from_static(HELLO.as_bytes());
            let mut service = http_proxy_service(&Arc::clone(&server.configuration), fixed("application/json", body));
            service.add_tcp(&address);
            server.add_service(service);
        }
        ("page10k", None) => {
            let page = fixed("text/html; charset=utf-8", Bytes::from(vec![b'x'; PAGE_BYTES]));
            let mut service = http_proxy_service(&server.configuration, page);
            service.add_tcp(&address);
            server.add_service(service);
        }
        _ => usage(),
    }
    server.run_forever();
}

fn usage() -> ! {
    eprintln!("peer bare PORT ORIGIN_PORT | peer hello PORT | peer page10k PORT");
    std::process::exit(2)
}
