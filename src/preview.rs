//! `gatekeeper page --preview`: every state of every waiting page, in every language, to be looked at before visitors do.
//!
//! The pages are made anew for each request, so that an operator changes a template, a text or a colour and reloads; what
//! is wrong with it then shows instead. They are sent with their own policy and neither poll nor reload.

use crate::app::StartError;
use crate::app::pages;
use crate::config::{Config, HostPattern};
use crate::page::{Page, PageContext};
use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::apps::http_app::{HttpServer, ServeHttp};
use pingora::prelude::Server;
use pingora::protocols::http::ServerSession;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Reads the configuration as it is now.
pub type Load = Box<dyn Fn() -> Result<Config, StartError> + Send + Sync>;

/// What is asked for: `/<site>/<language>/<case>`.
struct Preview(Load);

/// Serves the preview until it is stopped.
///
/// # Errors
/// A configuration that can't be read now, or an address that is taken.
pub fn run(listen: SocketAddr, load: Load) -> Result<(), StartError> {
    load()?;
    let taken =
        |error| StartError::new(vec![format!("can't listen on {listen}: {error}; choose another by --preview")]);
    drop(TcpListener::bind(listen).map_err(taken)?);
    let conf = ServerConf {
        threads: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = Service::new("preview".to_owned(), HttpServer::new_app(Preview(load)));
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    say(&format!("Open  http://{listen}/   (Ctrl-C ends it)"));
    server.run_forever();
}

#[async_trait]
impl ServeHttp for Preview {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let path = session.req_header().uri.path().to_owned();
        let made = (self.0)().and_then(|config| Ok((pages::load(&config)?, config)));
        let (pages, config) = match made {
            Ok(made) => made,
            Err(error) => return answer(StatusCode::INTERNAL_SERVER_ERROR, OWN_POLICY, &failure(&error)),
        };
        if path == "/" {
            return answer(StatusCode::OK, OWN_POLICY, &contents(&config, &pages));
        }
        match shown(&config, &pages, &path) {
            Some((html, policy)) => answer(StatusCode::OK, &policy, &html),
            None => answer(StatusCode::NOT_FOUND, OWN_POLICY, &frame("No such page", "<p><a href=\"/\">All pages</a>")),
        }
    }
}

/// Of the pages that are only the preview's.
const OWN_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page of an address, with its policy.
fn shown(config: &Config, pages: &[Arc<Page>], path: &str) -> Option<(String, String)> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (site, language, case) = (parts.next()?.parse::<usize>().ok()?, parts.next()?, parts.next()?);
    let page = pages.get(site)?;
    let spoken = page.speak(language);
    let (_, context) = PageContext::samples().into_iter().find(|(name, _)| *name == case)?;
    let room = config.sites.get(site)?.room.as_deref().and_then(|room| config.room(room));
    let title = room.and_then(|room| room.title.clone()).unwrap_or_else(|| context.title.clone());
    let html = spoken.render(&PageContext { title, preview: true, ..context }).ok()?;
    Some((html, page.csp().to_owned()))
}

/// Links to all of them.
fn contents(config: &Config, pages: &[Arc<Page>]) -> String {
    let mut body = String::from("<p>These pages neither poll nor reload. A changed file shows when you reload one.");
    for (nth, (site, page)) in config.sites.iter().zip(pages).enumerate() {
        let hosts: Vec<&str> = site.hosts.iter().map(name).collect();
        let _ = write!(body, "<h2>Site {nth}: {}</h2><table>", escaped(&hosts.join(", ")));
        let languages = page.languages();
        for (case, _) in PageContext::samples() {
            let _ = write!(body, "<tr><th>{case}<td>");
            for tag in &languages {
                let tag = escaped(tag);
                let _ = write!(body, "<a href=\"/{nth}/{tag}/{case}\">{tag}</a> ");
            }
        }
        body.push_str("</table>");
    }
    frame("The waiting page in every state and language", &body)
}

fn name(host: &HostPattern) -> &str {
    match host {
        HostPattern::Any => "*",
        HostPattern::Exact(host) => host,
    }
}

fn failure(error: &StartError) -> String {
    let lines: Vec<String> = error.lines.iter().map(|line| format!("<li>{}", escaped(line))).collect();
    frame("This can't be shown", &format!("<ul>{}</ul><p>A running gate keeps its last good page.", lines.concat()))
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>:root{{color-scheme:light dark;font:1rem/1.6 system-ui,sans-serif}}\
         main{{max-width:60rem;margin:2rem auto;padding:0 1rem}}th{{text-align:start;padding-inline-end:1rem}}\
         </style><main><h1>{title}</h1>{body}</main></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn answer(status: StatusCode, policy: &str, html: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(html.as_bytes().to_vec());
    *response.status_mut() = status;
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[expect(clippy::print_stdout, reason = "a command talks to the terminal")]
fn say(line: &str) {
    println!("{line}");
}
