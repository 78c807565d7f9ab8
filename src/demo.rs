//! `gatekeeper demo`: a small shop behind a tight gate, with a crowd in front of it. Whoever opens the printed address
//! stands in line for some half a minute and gets in.
//!
//! Everything is real: the shop is an origin of its own, and the crowd comes through the front door like anybody else.

mod crowd;
mod shop;

use crate::app::{self, AddService, App, Reload, StartError, Watch};
use crate::config::{Config, Environment};
use pingora::apps::http_app::HttpServer;
use pingora::prelude::{Server, background_service};
use pingora::services::listening::Service;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Three people every five seconds, and a line that the crowd keeps at [`crowd::LINE`]: about half a minute of waiting.
fn config(listen: SocketAddr, shop: SocketAddr) -> String {
    let secret = crate::random::secret(); // made here: that places end with a demonstration is nobody's worry
    format!(
        r#"
[server]
listen = ["{listen}"]
[tokens]
secrets = ["{secret}"]
[[rooms]]
name = "demo"
title = "Harbour Hall Tickets"
keys = [{{ key = "demo-key", scope = "full" }}]
[rooms.settings]
admission_limit = 3
admission_frequency = 5
max_active = 20
ready_ttl_seconds = 60
ip_enqueue_limit = 1000000
ip_status_polling_limit = 1000000
message = "This is a demonstration: most of the people ahead of you are simulated."
[[sites]]
hosts = ["*"]
origins = ["{shop}"]
room = "demo"
[log]
access = false
level = "warn"
"#
    )
}

/// Runs the demonstration until Ctrl-C.
pub fn run(listen: SocketAddr) -> Result<(), StartError> {
    let taken = |error| StartError::new(vec![format!("can't listen on {listen}: {error}; choose another by --listen")]);
    drop(TcpListener::bind(listen).map_err(taken)?);
    let shop = free_address()?;
    let text = config(listen, shop);
    let config = Config::parse(&text, "demo", &Environment::new())
        .map_err(|errors| StartError::new(errors.iter().map(ToString::to_string).collect()))?;
    let started = app::start(config, false)?;
    let more: Vec<AddService> = vec![add_shop(shop), add_crowd(&started.app, listen)];
    let nothing = || Err(StartError::new(vec!["the demonstration has no file to reload".to_owned()]));
    app::run(started, Reload { load: Box::new(nothing), watch: Watch::of(None) }, more)
}

fn free_address() -> Result<SocketAddr, StartError> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map_err(|error| StartError::new(vec![format!("no free port for the shop: {error}")]))
}

fn add_shop(address: SocketAddr) -> AddService {
    Box::new(move |server: &mut Server| {
        let mut service = Service::new("shop".to_owned(), HttpServer::new_app(shop::Shop));
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(service);
    })
}

fn add_crowd(app: &Arc<App>, gate: SocketAddr) -> AddService {
    let crowd = crowd::Crowd { rooms: Arc::clone(&app.rooms), gate };
    Box::new(move |server: &mut Server| {
        server.add_service(background_service("crowd", crowd));
    })
}
