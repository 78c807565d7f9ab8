//! `/metrics`, on a listener of its own: nothing else is served there, and it isn't served anywhere else.

use crate::telemetry::metrics::Metrics;
use async_trait::async_trait;
use http::{Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use std::sync::Arc;

/// The page.
pub struct MetricsPage(pub Arc<Metrics>);

#[async_trait]
impl ServeHttp for MetricsPage {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let is_metrics = session.req_header().uri.path() == "/metrics";
        let (status, body) =
            if is_metrics { (StatusCode::OK, self.0.render()) } else { (StatusCode::NOT_FOUND, String::new()) };
        let mut response = Response::new(body.into_bytes());
        *response.status_mut() = status;
        let length = http::HeaderValue::from(response.body().len());
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        let kind = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        response
    }
}
