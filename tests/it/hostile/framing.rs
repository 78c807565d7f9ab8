//! Where a request ends (A1 to A7): the corpus in `tests/corpus/framing.txt` against the real binary, with an origin that
//! notices every octet that is not as it should be.

use super::strict_origin::{Request, StrictOrigin};
use crate::support::chance::Chance;
use crate::support::client::{Api, Browser, raw, send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, Setup};
use crate::support::raw_origin::RawOrigin;
use crate::support::{SOON, eventually};
use futures_util::StreamExt;
use http::Method;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CORPUS: &str = include_str!("../../corpus/framing.txt");
/// Cases at a time.
const AT_ONCE: usize = 16;
/// So long nothing comes where something is missing.
const QUIET: Duration = Duration::from_millis(300);
/// One gets in an hour.
const BUSY: &str = "admission_limit = 1, admission_frequency = 3600";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Refused,
    Passed(Vec<u8>),
    Open,
}

#[derive(Clone, Debug)]
struct Case {
    name: &'static str,
    expected: Expected,
    written: &'static str,
}

impl Case {
    /// The bytes, for the path `{under}/{name}`.
    fn bytes(&self, under: &str) -> Vec<u8> {
        unescape(self.written, &format!("{under}/{}", self.name))
    }

    fn is_head(&self) -> bool {
        self.written.starts_with("HEAD")
    }
}

fn corpus() -> Vec<Case> {
    let lines = CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let [name, expected, written] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
            let expected = match expected.trim().split_once(' ').unwrap_or((expected.trim(), "")) {
                ("refused", "") => Expected::Refused,
                ("open", "") => Expected::Open,
                ("passed", body) => Expected::Passed(unescape(body, "")),
                other => panic!("{name}: {other:?}"),
            };
            Case { name: name.trim(), expected, written }
        })
        .collect()
}

/// `$`, `@`, `{N*text}` and escapes, as the corpus says.
fn unescape(written: &str, path: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), written);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let (bytes, behind) = match c {
            '$' => (b"\r\n".to_vec(), after),
            '@' => (path.as_bytes().to_vec(), after),
            '{' => {
                let (repeated, behind) = after.split_once('}').unwrap();
                let (count, text) = repeated.split_once('*').unwrap();
                (unescape(text, path).repeat(count.parse().unwrap()), behind)
            }
            '\\' => match after.as_bytes()[0] {
                b'r' => (vec![b'\r'], &after[1..]),
                b'n' => (vec![b'\n'], &after[1..]),
                b't' => (vec![b'\t'], &after[1..]),
                b'0' => (vec![0], &after[1..]),
                b'\\' => (vec![b'\\'], &after[1..]),
                b'x' => (vec![u8::from_str_radix(&after[1..3], 16).unwrap()], &after[3..]),
                other => panic!("\\{} in {written}", char::from(other)),
            },
            other => (other.to_string().into_bytes(), after),
        };
        out.extend(bytes);
        rest = behind;
    }
    out
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    closes: bool,
    body: String,
}

/// A connection whose answers are read one by one.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    async fn say(&mut self, bytes: &[u8]) {
        let _closed_already = self.stream.write_all(bytes).await;
    }

    /// The next answer; `None`: the connection ended before.
    async fn answer(&mut self, is_head: bool) -> Option<Answer> {
        timeout(SOON, self.next(is_head)).await.expect("an answer, or the end")
    }

    async fn next(&mut self, is_head: bool) -> Option<Answer> {
        loop {
            while let Some((answer, end)) = parse_answer(&self.read, is_head) {
                self.read.drain(..end);
                if answer.status >= 200 || answer.status == 101 {
                    return Some(answer);
                }
            }
            let mut buffer = vec![0; 16 * 1024];
            match self.stream.read(&mut buffer).await {
                Ok(length @ 1..) => self.read.extend_from_slice(&buffer[..length]),
                _ => {
                    assert!(self.read.is_empty(), "half an answer: {}", self.read.escape_ascii());
                    return None;
                }
            }
        }
    }
}

fn parse_answer(bytes: &[u8], is_head: bool) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap_or_else(|_| panic!("no answer: {head}"));
    let field = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!(field("transfer-encoding:"), None, "{head}");
    let length = field("content-length:").map_or(0, |length| length.parse().unwrap());
    let length = if is_head || status < 200 { 0 } else { length };
    let body = String::from_utf8_lossy(bytes.get(end..end + length)?).into_owned();
    Some((Answer { status, closes: field("connection:") == Some("close"), body }, end + length))
}

#[test]
fn the_corpus_is_large_and_names_each_case_once() {
    let cases = corpus();
    assert!(cases.len() >= 150, "{}", cases.len());
    let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')));
    let passed = cases.iter().filter(|case| matches!(case.expected, Expected::Passed(_))).count();
    assert!(passed >= 40 && cases.len() - passed >= 100, "{passed} of {} pass", cases.len());
}

/// Each case twice: followed by another request when its answer is there, and with that one right behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a01_no_message_of_the_corpus_reaches_the_origin_in_two_readings() {
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings("ip_enqueue_limit = 1000000")).await;
    let wrong: Vec<String> = futures_util::stream::iter(corpus())
        .map(|case| {
            let (gate, origin) = (gate.addr(), &origin);
            async move {
                let one = check_alone(&case, gate, origin).await;
                let behind = check_with_one_behind(&case, gate, origin).await;
                one.and(behind).err().map(|why| format!("{}: {why}", case.name))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(origin.faults(), [""; 0]);
    let smuggled: Vec<Request> =
        origin.requests().into_iter().filter(|request| request.target.contains("/smuggled")).collect();
    assert_eq!(smuggled, [], "what was never a request of its own");
    let answer = gate.get("/after").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "origin: GET /after"));
}

type Checked = Result<(), String>;

macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

async fn check_alone(case: &Case, gate: SocketAddr, origin: &StrictOrigin) -> Checked {
    let (path, mut line) = (format!("/{}", case.name), Line::to(gate).await);
    line.say(&case.bytes("")).await;
    if case.expected == Expected::Open {
        let came = timeout(QUIET, line.next(false)).await;
        must!(came.is_err(), "answered: {came:?}");
        drop(line);
        must!(origin.requests_for(&path).is_empty(), "half a request reached the origin as a whole one");
        return Ok(());
    }
    let first = line.answer(case.is_head()).await;
    let Expected::Passed(body) = &case.expected else {
        must!(first.as_ref().is_none_or(|answer| (400..600).contains(&answer.status)), "not refused: {first:?}");
        let more = line.answer(false).await;
        must!(more.is_none(), "the connection went on: {more:?}");
        let seen = origin.requests_for(&path);
        must!(seen.is_empty(), "reached the origin: {seen:?}");
        return Ok(());
    };
    let Some(first) = first else { return Err("closed without an answer".to_owned()) };
    must!(first.status == 200, "not passed: {first:?}");
    let seen = origin.requests_for(&path);
    let [request] = &seen[..] else { return Err(format!("reached the origin {} times", seen.len())) };
    must!(request.body == *body, "another body: {}", request.body.escape_ascii());
    let expected = if case.is_head() { String::new() } else { format!("origin: {} {path}", request.method) };
    must!(first.body == expected, "another's answer: {first:?}");
    let marker = format!("{path}-next");
    line.say(format!("GET {marker} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
    let next = line.answer(false).await;
    match next {
        Some(next) => must!(next.body == format!("origin: GET {marker}"), "the next one's answer is {next:?}"),
        None => must!(first.closes || origin.requests_for(&marker).is_empty(), "the next request was swallowed"),
    }
    Ok(())
}

async fn check_with_one_behind(case: &Case, gate: SocketAddr, origin: &StrictOrigin) -> Checked {
    if case.expected == Expected::Open {
        return Ok(()); // what comes behind belongs to it
    }
    let (path, marker) = (format!("/behind/{}", case.name), format!("/behind/{}-marker", case.name));
    let mut line = Line::to(gate).await;
    let bytes = [case.bytes("/behind"), format!("GET {marker} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()].concat();
    line.say(&bytes).await;
    let first = line.answer(case.is_head()).await;
    if case.expected == Expected::Refused {
        must!(first.as_ref().is_none_or(|answer| (400..600).contains(&answer.status)), "not refused: {first:?}");
        let seen = [origin.requests_for(&path), origin.requests_for(&marker)].concat();
        must!(seen.is_empty(), "reached the origin: {seen:?}");
        let more = line.answer(false).await;
        must!(more.is_none(), "the connection went on: {more:?}");
        return Ok(());
    }
    let Some(first) = first else { return Ok(()) };
    let is_served = first.status == 200 && (case.is_head() || first.body.ends_with(&format!(" {path}")));
    must!(is_served || (400..500).contains(&first.status), "another's answer: {first:?}");
    must!(origin.requests_for(&path).len() <= 1, "reached the origin twice");
    match line.answer(false).await {
        Some(second) => must!(second.body == format!("origin: GET {marker}"), "the second answer: {second:?}"),
        None => must!(origin.requests_for(&marker).is_empty(), "the one behind went through and has no answer"),
    }
    Ok(())
}

/// The corpus against what the gate answers by itself: the waiting page's JSON, and its API.
#[tokio::test(flavor = "multi_thread")]
async fn a02_a_request_that_the_gate_answers_has_one_answer_and_ends_where_it_should() {
    let origin = StrictOrigin::start().await;
    let gate = busy(&origin, "").await;
    let before = origin.requests().len();
    let wrong: Vec<String> = futures_util::stream::iter(
        corpus().into_iter().flat_map(|case| ["", "/.gatekeeper"].map(|under| (case.clone(), under))),
    )
    .filter(|(case, _)| std::future::ready(case.expected != Expected::Open))
    .map(|(case, under)| {
        let gate = gate.addr();
        async move { check_own(&case, under, gate).await.err().map(|why| format!("{under} {}: {why}", case.name)) }
    })
    .buffer_unordered(AT_ONCE)
    .filter_map(async |wrong| wrong)
    .collect()
    .await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((origin.requests().len(), origin.faults()), (before, vec![]), "nothing was forwarded");
}

async fn busy(origin: &StrictOrigin, server: &str) -> Gatekeeper {
    let setup = Setup { server: server.to_owned(), ..Setup::before(origin.addr()).settings(BUSY) };
    let gate = Gatekeeper::start(setup).await;
    assert_eq!(Browser::new(&gate.url("")).open("/first").await.status, 200);
    let stranger = Browser::new(&gate.url(""));
    eventually(SOON, async || (stranger.fetch(Method::GET, "/full").await.status == 503).then_some(())).await;
    gate
}

async fn check_own(case: &Case, under: &str, gate: SocketAddr) -> Checked {
    let mut line = Line::to(gate).await;
    line.say(&case.bytes(under)).await;
    let first = line.answer(case.is_head()).await;
    must!(first.as_ref().is_none_or(|answer| (400..600).contains(&answer.status)), "{first:?}");
    line.say(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let second = line.answer(false).await;
    let must_end = case.expected == Expected::Refused || first.as_ref().is_none_or(|answer| answer.closes);
    // What came behind a request before its answer is dropped with the connection.
    let may_end = must_end || ["behind", "no-length"].iter().any(|word| case.name.contains(word));
    match second {
        Some(second) => must!(!must_end && second.body.contains("healthy"), "the second answer: {second:?}"),
        None => must!(may_end, "the next request was swallowed"),
    }
    let third = timeout(Duration::from_millis(50), line.next(false)).await;
    must!(!matches!(third, Ok(Some(_))), "one answer too many: {third:?}");
    Ok(())
}

#[tokio::test]
async fn a03_an_unread_body_is_never_read_as_a_request() {
    let origin = StrictOrigin::start().await;
    let gate = busy(&origin, "").await;
    let before = origin.requests().len();
    let inner = "DELETE /queue/finish HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let body = inner.repeat(1_000_000 / inner.len());
    let head = format!("POST /order HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    // Nothing of the body is there, all of it is, or it comes for as long as the gate listens.
    for sent in [0, 60_000, body.len()] {
        let mut line = Line::to(gate.addr()).await;
        line.say(head.as_bytes()).await;
        line.say(&body.as_bytes()[..sent]).await;
        let answer = line.answer(false).await.expect("an answer");
        assert!(answer.status == 503 && answer.closes, "{answer:?}");
        assert!(line.answer(false).await.is_none(), "one answer and the end");
    }
    let chunked = "POST /order HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut line = Line::to(gate.addr()).await;
    line.say(format!("{chunked}{:x}\r\n{}", body.len(), &body[..100_000]).as_bytes()).await;
    let answer = line.answer(false).await.expect("an answer");
    assert!(answer.status == 503 && answer.closes && line.answer(false).await.is_none(), "{answer:?}");
    // Too long a body of a call is refused before it is asked for.
    let mut line = Line::to(gate.addr()).await;
    let call = format!("POST /config HTTP/1.1\r\nHost: a\r\nbusiness_id: {FULL_KEY}\r\nExpect: 100-continue\r\n");
    line.say(format!("{call}Content-Length: 70000\r\n\r\n").as_bytes()).await;
    let answer = line.answer(false).await.expect("an answer");
    assert!(answer.status == 413 && answer.closes && line.answer(false).await.is_none(), "{answer:?}");
    assert_eq!((origin.requests().len(), origin.faults()), (before, vec![]));
}

#[tokio::test]
async fn a04_what_comes_behind_an_upgrade_is_no_request_before_the_origin_switches() {
    const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    // An origin that does not switch.
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let upgrade =
        |kind: &str| format!("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {kind}\r\n\r\n{BEHIND}");
    for kind in ["websocket", "foo", "h2c", "websocket, h2c"] {
        let answers = raw(gate.addr(), upgrade(kind).as_bytes(), SOON).await;
        let answers = String::from_utf8(answers).unwrap();
        assert!(answers.matches("HTTP/1.1 ").count() == 1 && !answers.contains("smuggled"), "{kind}: {answers}");
    }
    assert_eq!((origin.requests_for("/smuggled"), origin.faults()), (vec![], vec![]));
    let chats = origin.requests_for("/chat");
    assert!(chats.iter().all(|chat| chat.field("upgrade").is_none_or(|kind| kind == "websocket")), "{chats:?}");
    // One that says nothing yet: nothing from behind the head may be on its way to it.
    let silent = RawOrigin::start("").await;
    let gate = Gatekeeper::start(Setup::before(silent.addr())).await;
    let mut line = Line::to(gate.addr()).await;
    line.say(upgrade("websocket").as_bytes()).await;
    let sent = silent.await_bytes(b"GET /chat").await;
    assert!(timeout(QUIET, line.next(false)).await.is_err(), "nothing was answered yet");
    assert!(!String::from_utf8_lossy(&sent).contains("smuggled"));
    assert!(silent.received().iter().all(|sent| !String::from_utf8_lossy(sent).contains("smuggled")));
    // And one that is asked by nobody while the room is full.
    let origin = StrictOrigin::start().await;
    let gate = busy(&origin, "").await;
    let before = origin.requests().len();
    let answers = String::from_utf8(raw(gate.addr(), upgrade("websocket").as_bytes(), SOON).await).unwrap();
    assert!(answers.starts_with("HTTP/1.1 503") && answers.matches("HTTP/1.1 ").count() == 1, "{answers}");
    assert_eq!(origin.requests().len(), before);
}

#[tokio::test]
async fn a05_http_1_0_has_bodies_by_length_alone() {
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let say = async |rest: &str| {
        let request = format!("POST /old HTTP/1.0\r\nHost: a\r\n{rest}");
        String::from_utf8(raw(gate.addr(), request.as_bytes(), SOON).await).unwrap()
    };
    let refused = say("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert!(refused.contains(" 400 ") && origin.requests_for("/old").is_empty(), "{refused}");
    assert!(say("Content-Length: 5\r\n\r\nhello").await.ends_with("origin: POST /old"));
    assert!(say("\r\nGET /smuggled HTTP/1.0\r\nHost: a\r\n\r\n").await.ends_with("origin: POST /old"));
    let bodies: Vec<_> = origin.requests_for("/old").into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"hello".to_vec(), vec![]]);
    assert_eq!((origin.requests_for("/smuggled"), origin.faults()), (vec![], vec![]));
}

#[tokio::test]
async fn a06_a_length_and_a_coding_together_are_refused_and_named_in_no_way() {
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let both = "POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = String::from_utf8(raw(gate.addr(), both.as_bytes(), SOON).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("\"code\":\"bad_request\""), "{answer}");
    assert!(!answer.to_lowercase().contains("pingora") && !answer.contains("transfer"), "{answer}");
    assert_eq!(origin.requests().len(), 0);
    let refused = async || gate.metrics().await.sum("gatekeeper_refused_total", &[("reason", "bad_request")]);
    assert!(refused().await >= 1.0, "it is counted");
}

/// An origin that answers before it has read the body: what is left of the body is neither its next request nor ours.
#[tokio::test]
async fn a06_an_early_answer_of_the_origin_leaves_no_half_body_behind() {
    let early = RawOrigin::start("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await;
    let gate = Gatekeeper::start(Setup::before(early.addr())).await;
    let mut line = Line::to(gate.addr()).await;
    let inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    line.say(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", inner.len()).as_bytes()).await;
    let answer = line.answer(false).await.expect("an answer");
    assert!(answer.status == 200 && answer.closes, "{answer:?}");
    line.say(&inner.as_bytes()[..inner.len() / 2]).await;
    line.stream.shutdown().await.unwrap();
    assert!(line.answer(false).await.is_none(), "the body was taken for a request");
    let _next = raw(gate.addr(), b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", SOON).await;
    let received = early.received();
    let first = received.iter().find(|sent| sent.starts_with(b"POST /up")).unwrap();
    assert!(!String::from_utf8_lossy(first).contains("/next"), "a connection with half a body was used again");
}

/// How `smuggler.py` varies `Transfer-Encoding` (its default, doubles and exhaustive sets, after their idea): an octet
/// before and after the name, the colon and the value, and pairs of fields, each with a length beside it and without.
fn mutations() -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let te =
        |parts: [&[u8]; 4]| [parts[0], b"Transfer-Encoding", parts[1], b":", parts[2], b"chunked", parts[3]].concat();
    for byte in (0..=255_u8).filter(|byte| *byte != b'\n') {
        let one = [byte];
        fields.extend([te([&one, b"", b" ", b""]), te([b"", &one, b" ", b""])]);
        fields.extend([te([b"", b"", &one, b""]), te([b"", b"", b" ", &one])]);
        fields.push([b"X: y\r".as_slice(), &one, b"Transfer-Encoding: chunked"].concat());
        fields.push([b"X: y".as_slice(), &one, b"\nTransfer-Encoding: chunked"].concat());
        fields.push([b"Transfer".as_slice(), &one, b"Encoding: chunked"].concat());
    }
    let all = fields.into_iter().enumerate();
    all.map(|(nth, field)| (format!("/m{nth}"), field)).collect()
}

/// The length says that the body holds another request, the coding that there is none.
#[tokio::test(flavor = "multi_thread")]
async fn a07_no_spelling_of_a_transfer_coding_hides_it() {
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    let all = mutations();
    assert!(all.len() >= 1768, "{}", all.len());
    let inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("0\r\n\r\n{inner}");
    let wrong: Vec<String> = futures_util::stream::iter(&all)
        .map(|(path, field)| {
            let (gate, origin, body) = (gate.addr(), &origin, &body);
            async move {
                let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", body.len());
                let bytes = [head.as_bytes(), field, b"\r\n\r\n", body.as_bytes()].concat();
                let mut line = Line::to(gate).await;
                line.say(&bytes).await;
                let answer = line.answer(false).await;
                let seen = origin.requests_for(path);
                let is_right = match answer.as_ref().map(|answer| answer.status) {
                    None | Some(400..600) => seen.is_empty(),
                    // The field meant nothing, and the length alone counted.
                    Some(200) => {
                        seen.len() == 1
                            && seen[0].body == body.as_bytes()
                            && seen[0].field("transfer-encoding").is_none()
                    }
                    _ => false,
                };
                (!is_right).then(|| format!("{}: {answer:?}, {seen:?}", field.escape_ascii()))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert_eq!((origin.requests_for("/smuggled"), origin.faults()), (vec![], vec![]));
}

#[tokio::test]
async fn a14_too_large_a_head_has_its_own_answers_at_once() {
    let origin = StrictOrigin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr())).await;
    for (what, target, fields, status) in [
        ("a long field", "/a".to_owned(), format!("X: {}\r\n", "x".repeat(33_000)), 431),
        ("an endless field", "/a".to_owned(), format!("X: {}", "x".repeat(200_000)), 431),
        ("101 fields", "/a".to_owned(), "X: y\r\n".repeat(101), 431),
        ("a long target", format!("/{}", "a".repeat(8200)), String::new(), 414),
    ] {
        let begun = std::time::Instant::now();
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut line = Line::to(gate.addr()).await;
        line.say(request.as_bytes()).await;
        let answer = line.answer(false).await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(answer.status == status && answer.closes, "{what}: {answer:?}");
        assert!(line.answer(false).await.is_none() && begun.elapsed() < SOON / 2, "{what}");
    }
    assert_eq!(origin.requests().len(), 0);
}

/// Garbage, a lot of it: no panic (the gate's end checks that), and the next one is served.
#[tokio::test(flavor = "multi_thread")]
async fn a20_garbage_is_refused() {
    let origin = StrictOrigin::start().await;
    let setup = Setup { listener: "h2c = true".to_owned(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let mut chance = Chance::of(20, 0, 1);
    let seeds: Vec<Vec<u8>> = corpus().iter().map(|case| case.bytes("")).filter(|bytes| bytes.len() < 2000).collect();
    let all: Vec<Vec<u8>> = (0..2000).map(|_| mutated(&seeds, &mut chance)).collect();
    futures_util::stream::iter(all)
        .for_each_concurrent(AT_ONCE, |bytes| {
            let gate = gate.addr();
            async move {
                let mut line = TcpStream::connect(gate).await.unwrap();
                let _closed = line.write_all(&bytes).await;
                let mut answer = vec![0; 1000];
                let _end = timeout(Duration::from_millis(20), line.read(&mut answer)).await;
            }
        })
        .await;
    assert_eq!(origin.faults(), [""; 0]);
    assert_eq!(send(Api::new(&gate.url(""), FULL_KEY).bare(Method::GET, "/health")).await.status, 200);
}

fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seeds[chance.index(seeds.len())].clone();
    for _ in 0..=chance.index(6) {
        let at = chance.index(bytes.len());
        match chance.index(3) {
            0 => bytes[at] = u8::try_from(chance.within(0, 255)).unwrap(),
            1 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, chance.pick(b"\r\n :;,0\0\t")),
        }
    }
    bytes
}
