//! Listens and serves until the end.

use super::certificates::Certificates;
use super::connections::{BeforeTls, Connections, Entrance};
use super::lifecycle::{Beside, Reload, Stop};
use super::metrics_page::MetricsPage;
use super::sockets::{Sockets, Table};
use super::upgrade::Inherited;
use super::{App, StartError, Started, descriptors};
use crate::config::{Config, Listener};
use crate::proxy::{Door, Seats};
use pingora::apps::HttpServerOptions;
use pingora::apps::http_app::HttpServer;
use pingora::listeners::TcpSocketOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::prelude::{Server, background_service};
use pingora::protocols::TcpKeepalive;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::RunArgs;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;
use pingora::tls::ssl::SslVersion;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Idle HTTP/2 connections are closed after this.
const H2_IDLE: Duration = Duration::from_secs(120);
/// Requests at a time on one HTTP/2 connection.
const H2_STREAMS: u32 = 100;
/// Idle connections to origins that are kept, per thread.
const KEEPALIVE_POOL: usize = 512;
/// What a client's connection holds for as long as it is open, in bytes. pingora's 64 KiB for reading would be most of what an
/// idle one costs; headers are read into a buffer of their own, and bodies that are larger pass this one by.
const READ_BUFFER: usize = 2048;
const WRITE_BUFFER: usize = 1460;
/// pingora's drain, in seconds: longer than any of ours (`drain`), which ends the process.
const GRACE: u64 = 8 * 24 * 3600;

/// Adds a further service to the server.
pub type AddService = Box<dyn FnOnce(&mut Server) + Send>;

/// Serves until a signal ends it.
pub fn run(started: Started, reload: Reload, more: Vec<AddService>) -> Result<(), StartError> {
    let Started { app, inherited, place } = started;
    let config = app.live.pin();
    refuse_taken_addresses(&config, inherited.as_ref())?;
    let mut server = Server::new_with_opt_and_conf(None, conf(&config));
    server.bootstrap();
    let table = Table::default();
    let sockets = Sockets {
        app: Arc::clone(&app),
        addresses: addresses(&config).map(|address| address.to_string()).collect(),
        table: table.clone(),
        inherited,
        place: place.clone(),
    };
    let sockets = server.add_service(sockets);
    let gate = gate(&server, &app, &config)?;
    server.add_service(gate).add_dependency(&sockets);
    if let Some(address) = config.server.metrics_listen {
        let page = HttpServer::new_app(MetricsPage(Arc::clone(&app.metrics)));
        let mut service = Service::new("metrics".to_owned(), page);
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(service).add_dependency(&sockets);
    }
    let reload = tokio::sync::Mutex::new(reload);
    let beside = Beside { app: Arc::clone(&app), reload, place: place.clone() };
    server.add_service(background_service("rooms", beside));
    for add in more {
        add(&mut server);
    }
    tracing::info!(listen = ?config.server.listeners.iter().map(|listener| listener.addr).collect::<Vec<_>>(), "listening");
    server.run(RunArgs { shutdown_signal: Box::new(Stop { app, table, place }) });
    Ok(())
}

fn conf(config: &Config) -> ServerConf {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ServerConf {
        threads: config.server.threads.unwrap_or(cores),
        grace_period_seconds: Some(GRACE),
        graceful_shutdown_timeout_seconds: Some(1),
        upstream_keepalive_pool_size: KEEPALIVE_POOL,
        ..ServerConf::default()
    }
}

type Gate = Service<Connections<HttpProxy<Door>>>;

fn gate(server: &Server, app: &Arc<App>, config: &Config) -> Result<Gate, StartError> {
    let mut proxy = http_proxy(&server.configuration, app.door());
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(H2_IDLE);
    proxy.server_options = Some(options);
    proxy.h2_options = Some(h2_options(config));
    let affordable = descriptors::affordable();
    let connections = config.server.limits.connections;
    if u64::try_from(affordable).is_ok_and(|affordable| affordable < connections) {
        tracing::info!(affordable, connections, "fewer connections than configured: raise the limit of open files");
    }
    let entrance = Arc::new(Entrance { app: Arc::clone(app), seats: Arc::new(Seats::default()), affordable });
    let connections = Connections { inner: Arc::new(proxy), entrance: Arc::clone(&entrance) };
    let mut service = Service::new("gate".to_owned(), connections);
    service.endpoints().set_pre_tls_callback(Arc::new(BeforeTls(entrance)));
    for listener in &config.server.listeners {
        listen(&mut service, listener, &app.certificates, config.server.limits.tcp_keepalive_seconds)?;
    }
    Ok(service)
}

/// Bounded like HTTP/1 (pingora's defaults would be, `H2Options::default()` is not); a list may be as long as its header and
/// its target together, so that what is longer gets its 431 or 414.
fn h2_options(config: &Config) -> H2Options {
    let limits = &config.server.limits;
    let list = (limits.header_bytes + limits.target_bytes).saturating_mul(2).max(64 * 1024);
    let mut options = default_h2_options();
    options.max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX)).max_concurrent_streams(H2_STREAMS);
    options
}

fn addresses(config: &Config) -> impl Iterator<Item = SocketAddr> {
    config.server.listeners.iter().map(|listener| listener.addr).chain(config.server.metrics_listen)
}

fn listen<A>(
    service: &mut Service<A>,
    listener: &Listener,
    certificates: &Certificates,
    keepalive_seconds: u64,
) -> Result<(), StartError> {
    let address = listener.addr.to_string();
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = (keepalive_seconds > 0).then(|| keepalive(keepalive_seconds));
    let endpoint = ListenerConfig::tcp(&address).tcp_socket_options(options);
    let endpoint = endpoint.l4_buffer(L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER));
    if listener.tls.is_none() {
        service.add_listener(endpoint);
        return Ok(());
    }
    let failed = |error| StartError::one(format!("server.listeners: {address}: tls: {error}"));
    let presenter = Box::new(certificates.of(listener.addr));
    // Mozilla's intermediate list: TLS 1.2 and 1.3 alone, as is said once more for whoever changes the list.
    let mut settings = TlsSettings::with_callbacks(presenter).map_err(failed)?;
    settings.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(|error| StartError::one(error.to_string()))?;
    settings.enable_h2();
    service.add_listener(endpoint.tls(settings));
    Ok(())
}

/// Who doesn't answer three questions, 10 s apart, is gone. What was sent and not taken has its own deadline.
const fn keepalive(seconds: u64) -> TcpKeepalive {
    TcpKeepalive {
        idle: Duration::from_secs(seconds),
        interval: Duration::from_secs(10),
        count: 3,
        user_timeout: Duration::ZERO,
    }
}

/// pingora retries a taken address for half a minute and then goes on without it.
fn refuse_taken_addresses(config: &Config, inherited: Option<&Inherited>) -> Result<(), StartError> {
    let is_ours = |address: &SocketAddr| inherited.is_some_and(|it| it.listeners.get(&address.to_string()).is_some());
    let taken = |address: SocketAddr| {
        TcpListener::bind(address).err().map(|error| format!("can't listen on {address}: {error}"))
    };
    let errors: Vec<String> = addresses(config).filter(|address| !is_ours(address)).filter_map(taken).collect();
    if errors.is_empty() { Ok(()) } else { Err(StartError::new(errors)) }
}
