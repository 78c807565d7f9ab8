//! Listens and serves until the end.

use super::lifecycle::{Beside, Reload, Stop};
use super::metrics_page::MetricsPage;
use super::{App, StartError};
use crate::config::{Config, Listener};
use pingora::apps::http_app::HttpServer;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::{Server, background_service};
use pingora::proxy::http_proxy_service_with_name;
use pingora::server::RunArgs;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Idle HTTP/2 connections are closed after this.
const H2_IDLE: Duration = Duration::from_secs(120);
/// Idle connections to origins that are kept, per thread.
const KEEPALIVE_POOL: usize = 512;
/// What is left of runtimes after the drain is cut.
const CUT: u64 = 1;

/// Adds a further service to the server.
pub type AddService = Box<dyn FnOnce(&mut Server) + Send>;

/// Serves until a signal ends it.
pub fn run(app: &Arc<App>, reload: Reload, more: Vec<AddService>) -> Result<(), StartError> {
    let config = app.live.pin();
    refuse_taken_addresses(&config)?;
    let mut server = Server::new_with_opt_and_conf(None, conf(&config));
    server.bootstrap();
    add_proxy(&mut server, app, &config)?;
    if let Some(address) = config.server.metrics_listen {
        let page = HttpServer::new_app(MetricsPage(Arc::clone(&app.metrics)));
        let mut service = Service::new("metrics".to_owned(), page);
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(service);
    }
    let phase = std::sync::Mutex::new(Some(server.watch_execution_phase()));
    server.add_service(background_service("rooms", Beside { app: Arc::clone(app), phase, reload }));
    for add in more {
        add(&mut server);
    }
    let delay = Duration::from_secs(config.server.shutdown_delay_seconds);
    let stop = Stop { state: Arc::clone(&app.state), delay };
    tracing::info!(listen = ?config.server.listeners.iter().map(|listener| listener.addr).collect::<Vec<_>>(), "listening");
    server.run(RunArgs { shutdown_signal: Box::new(stop) });
    Ok(())
}

fn conf(config: &Config) -> ServerConf {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut conf = ServerConf {
        threads: config.server.threads.unwrap_or(cores),
        grace_period_seconds: Some(config.server.shutdown_seconds.saturating_sub(CUT)),
        graceful_shutdown_timeout_seconds: Some(CUT),
        upstream_keepalive_pool_size: KEEPALIVE_POOL,
        ..ServerConf::default()
    };
    if let Some(directory) = &config.server.state_dir {
        conf.upgrade_sock = directory.join("upgrade.sock").to_string_lossy().into_owned();
        conf.pid_file = directory.join("gatekeeper.pid").to_string_lossy().into_owned();
    }
    conf
}

fn add_proxy(server: &mut Server, app: &App, config: &Config) -> Result<(), StartError> {
    let mut service = http_proxy_service_with_name(&server.configuration, app.door(), "gate");
    for listener in &config.server.listeners {
        listen(&mut service, listener)?;
    }
    if let Some(proxy) = service.app_logic_mut() {
        let mut options = pingora::apps::HttpServerOptions::default();
        options.h2_idle_timeout = Some(H2_IDLE);
        proxy.server_options = Some(options);
    }
    server.add_service(service);
    Ok(())
}

fn listen<A>(service: &mut Service<A>, listener: &Listener) -> Result<(), StartError> {
    let address = listener.addr.to_string();
    if listener.h2c {
        // pingora waits for the first 24 bytes without a deadline: a guard around that has to come first.
        return Err(StartError::one(format!(
            "server.listeners: {address}: h2c is not served yet; use tls, or HTTP/1.1"
        )));
    }
    let Some(files) = &listener.tls else {
        service.add_tcp(&address);
        return Ok(());
    };
    let failed = |error| StartError::one(format!("server.listeners: {address}: tls: {error}"));
    let (cert, key) = (files.cert.to_string_lossy(), files.key.to_string_lossy());
    let mut settings = TlsSettings::intermediate(&cert, &key).map_err(failed)?;
    settings.enable_h2();
    service.add_tls_with_settings(&address, None, settings);
    Ok(())
}

/// pingora retries a taken address for half a minute and then goes on without it.
fn refuse_taken_addresses(config: &Config) -> Result<(), StartError> {
    let addresses = config.server.listeners.iter().map(|listener| listener.addr).chain(config.server.metrics_listen);
    let taken = |address: SocketAddr| {
        TcpListener::bind(address).err().map(|error| format!("can't listen on {address}: {error}"))
    };
    let errors: Vec<String> = addresses.filter_map(taken).collect();
    if errors.is_empty() { Ok(()) } else { Err(StartError::new(errors)) }
}
