//! The shop behind the demonstration's gate: three small pages.

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

/// The origin.
pub struct Shop;

#[async_trait]
impl ServeHttp for Shop {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let path = session.req_header().uri.path().to_owned();
        let (status, title, text) = match path.as_str() {
            "/" => (
                StatusCode::OK,
                "You are in",
                "Take your time: each page you open starts your minute anew. <a href=\"/checkout\">Buy a ticket</a> or <a href=\"/leave\">leave</a>, which frees your place for the next.",
            ),
            "/checkout" => (
                StatusCode::OK,
                "One ticket, row C, seat 14",
                "Nothing is sold here. <a href=\"/leave\">Pay and leave</a>",
            ),
            "/leave" => (
                StatusCode::OK,
                "Good-bye",
                "Your turn is over, the next one is called. <a href=\"/\">Come again</a>: you'll stand in line.",
            ),
            _ => (StatusCode::NOT_FOUND, "No such page", "<a href=\"/\">To the shop</a>"),
        };
        let mut response = Response::new(page(title, text).into_bytes());
        *response.status_mut() = status;
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if path == "/leave" {
            headers.insert("gatekeeper-command", HeaderValue::from_static("finish"));
        }
        response
    }
}

fn page(title: &str, text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} – Harbour Hall</title>\
         <style>:root{{color-scheme:light dark;font:1.1rem/1.6 system-ui,sans-serif}}\
         main{{max-width:34rem;margin:12vh auto;padding:0 1.25rem}}h1{{font-size:2rem;line-height:1.2}}\
         small{{opacity:.7}}</style><main><small>Harbour Hall Tickets</small><h1>{title}</h1><p>{text}</p></main></html>"
    )
}
