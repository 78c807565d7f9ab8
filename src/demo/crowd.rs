//! The crowd of the demonstration: people with browsers, through the front door. And the line of text that tells what is
//! happening.

use crate::rooms::Rooms;
use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The crowd keeps the line at about this length.
pub const LINE: usize = 18;
/// So many waiting make a line: some fifteen seconds for who comes next.
const STANDS: u64 = 10;
/// How long a simulated visitor stays inside.
const STAY: Duration = Duration::from_secs(12);
/// One request takes at most this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers are read up to here.
const MOST: u64 = 256 * 1024;

/// The crowd.
pub struct Crowd {
    pub rooms: Arc<Rooms>,
    pub gate: SocketAddr,
}

#[async_trait]
impl BackgroundService for Crowd {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        say("\n  A line is forming …\n");
        let outside = Arc::new(AtomicUsize::new(0));
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut stands = false;
        loop {
            tokio::select! {
                _ = second.tick() => {}
                _ = shutdown.changed() => return,
            }
            // The address is told when there is a line to stand in: all come at once until then, and afterwards one or two
            // a second, as people do.
            if !stands && self.waiting() >= STANDS {
                stands = true;
                say(&format!("\n  Open  http://{}/  and stand in line. Ctrl-C ends it.\n\n", self.gate));
            }
            for _ in 0..if stands { 2 } else { LINE } {
                if outside.load(Ordering::Relaxed) < LINE {
                    outside.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(visit(self.gate, Arc::clone(&outside)));
                }
            }
            if stands {
                self.tell();
            }
        }
    }
}

impl Crowd {
    fn waiting(&self) -> u64 {
        self.rooms.find("demo").map_or(0, |room| room.view().waiting())
    }

    fn tell(&self) {
        let Some(room) = self.rooms.find("demo") else { return };
        let view = room.view();
        let wait = view.estimate(view.waiting() + 1);
        let wait = wait
            .map_or_else(|| "unknown".to_owned(), |range| format!("{} to {} s", range.low_seconds, range.high_seconds));
        let (waiting, ready, admitted) = (view.waiting(), view.snapshot.ready, view.snapshot.admitted);
        let line = format!(
            "  {waiting:>3} waiting   {ready:>3} inside   {admitted:>5} admitted so far   a newcomer waits {wait}"
        );
        if std::io::stdout().is_terminal() {
            say(&format!("\r\x1b[K{line}"));
        } else {
            say(&format!("{line}\n"));
        }
    }
}

/// One person: opens the shop, waits as the page does, looks around, leaves.
async fn visit(gate: SocketAddr, outside: Arc<AtomicUsize>) {
    let mut cookie = String::new();
    loop {
        let Some(answer) = open(gate, "/", &mut cookie).await else { break };
        if answer.status == 200 {
            break;
        }
        wait_for_turn(gate, &mut cookie).await;
    }
    outside.fetch_sub(1, Ordering::Relaxed);
    tokio::time::sleep(STAY).await;
    let _ = open(gate, "/leave", &mut cookie).await; // somebody who is cut off leaves all the same
}

async fn wait_for_turn(gate: SocketAddr, cookie: &mut String) {
    let mut pause = 1000;
    loop {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let Some(answer) = open(gate, "/.gatekeeper/queue/status?room=demo", cookie).await else { return };
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if !matches!(told.get("state").and_then(Value::as_str), Some("waiting" | "paused")) {
            return;
        }
        pause = told.get("poll_after_ms").and_then(Value::as_u64).unwrap_or(5000);
    }
}

struct Answer {
    status: u16,
    body: String,
}

/// One request on a connection of its own, and the cookie kept: all of a browser that this needs.
async fn open(gate: SocketAddr, target: &str, cookie: &mut String) -> Option<Answer> {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {gate}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\
         Cookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(gate).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = Vec::new();
        stream.take(MOST).read_to_end(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = tokio::time::timeout(PATIENCE, exchange).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let set =
        head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    if let Some((_, value)) = set {
        *cookie = value.split(';').next().unwrap_or_default().to_owned();
    }
    Some(Answer { status, body: body.to_owned() })
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    // Nobody is harmed where nobody reads.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
