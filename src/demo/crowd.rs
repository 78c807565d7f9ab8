//! The crowd of the demonstration: people with browsers, through the front door (`crate::crowd`). And the line of text
//! that tells what is happening.

use crate::clock::SystemClock;
use crate::crowd::{Engine, Live, Plan};
use crate::rooms::Rooms;
use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The crowd keeps the line at about this length.
pub const LINE: u32 = 18;
/// So many waiting make a line: some fifteen seconds for who comes next.
const STANDS: u64 = 10;
/// How long a simulated visitor stays inside, about.
const STAY: Duration = Duration::from_secs(12);

/// The crowd.
pub struct Crowd {
    pub rooms: Arc<Rooms>,
    pub gate: SocketAddr,
}

#[async_trait]
impl BackgroundService for Crowd {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        say("\n  A line is forming …\n");
        let plan =
            Plan { pages: 1, think: STAY, finish: Some("/leave".to_owned()), connections: 64, ..Plan::default() };
        let mut engine = match Engine::new(&format!("http://{}", self.gate), plan, Arc::new(SystemClock::new())) {
            Ok(engine) => engine,
            Err(refusal) => return say(&format!("  Nobody comes: {refusal}\n")),
        };
        engine.forget_gone();
        let mut stands = false;
        let more = |live: &Live| {
            // The address is told when there is a line to stand in: all come at once until then, and afterwards one or two
            // a second, as people do.
            if !stands && self.waiting() >= STANDS {
                stands = true;
                say(&format!("\n  Open  http://{}/  and stand in line. Ctrl-C ends it.\n\n", self.gate));
            }
            if stands {
                self.tell();
            }
            let missing = LINE.saturating_sub(u32::try_from(live.outside()).unwrap_or(LINE));
            missing.min(if stands { 2 } else { LINE })
        };
        engine.run(more, async { _ = shutdown.changed().await }).await;
    }
}

impl Crowd {
    fn waiting(&self) -> u64 {
        self.rooms.find("demo").map_or(0, |room| room.view().waiting())
    }

    fn tell(&self) {
        let Some(room) = self.rooms.find("demo") else { return };
        let view = room.view();
        let wait = view.estimate(view.waiting() + 1, true);
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

fn say(text: &str) {
    let mut out = std::io::stdout();
    // Nobody is harmed where nobody reads.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
