//! What an origin may answer. To add a kind: one constructor of [`Answer`].

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::time::Duration;

pub(super) type Body = BoxBody<Bytes, Infallible>;

const CHUNK: usize = 64 * 1024;

/// What the origin answers.
#[derive(Debug)]
pub struct Answer {
    pub(super) response: Response<Body>,
    pub(super) delay: Duration,
    pub(super) ending: Ending,
}

/// How an answer ends.
#[derive(Debug)]
pub(super) enum Ending {
    Response,
    /// The connection is closed instead of an answer.
    HangUp,
    WebSocket,
}

impl Answer {
    /// 200, `text/html`.
    pub fn html(text: impl Into<Bytes>) -> Self {
        Self::with_body(Full::new(text.into()).boxed()).header("content-type", "text/html")
    }

    /// That status, with its name as the text.
    pub fn status(status: u16) -> Self {
        let mut answer = Self::html(format!("origin: {status}"));
        *answer.response.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
    }

    /// 200 with so many bytes, in chunks of 64 KiB and without a length.
    pub fn big(length: usize) -> Self {
        let chunk = move |from: usize| Bytes::from(vec![b'x'; CHUNK.min(length - from)]);
        Self::streaming(stream::iter((0..length).step_by(CHUNK).map(chunk)))
    }

    /// Server-sent events `data: 0`, `data: 1`, … one each `every`; `count` of them.
    pub fn events(count: usize, every: Duration) -> Self {
        let events = stream::unfold(0, move |number| async move {
            if number > 0 {
                tokio::time::sleep(every).await;
            }
            (number < count).then(|| (Bytes::from(format!("data: {number}\n\n")), number + 1))
        });
        Self::streaming(events).header("content-type", "text/event-stream")
    }

    /// 200 with these chunks, as they come.
    pub fn streaming(chunks: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Self {
        Self::with_body(BodyExt::boxed(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk))))))
    }

    /// Accepts the WebSocket and sends every message back.
    pub fn websocket() -> Self {
        Self { ending: Ending::WebSocket, ..Self::html("") }
    }

    /// 200 that tells the gate to end the visitor's ready state.
    pub fn finish() -> Self {
        Self::html("origin: thank you").header("gatekeeper-command", "finish")
    }

    /// Closes the connection without a word.
    pub fn hang_up() -> Self {
        Self { ending: Ending::HangUp, ..Self::html("") }
    }

    /// Sets the header, in place of one of that name.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.response.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Adds the header, beside those of that name.
    #[must_use]
    pub fn more(mut self, name: &'static str, value: &str) -> Self {
        self.response.headers_mut().append(name, value.parse().unwrap());
        self
    }

    /// Answers so long after the request is complete.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn with_body(body: Body) -> Self {
        Self { response: Response::new(body), delay: Duration::ZERO, ending: Ending::Response }
    }
}

/// The answer to a WebSocket's key.
pub(super) fn switching(accept: &str) -> Response<Body> {
    let mut response = Answer::html("").header("sec-websocket-accept", accept).response;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
    response.headers_mut().insert(header::UPGRADE, "websocket".parse().unwrap());
    response
}
