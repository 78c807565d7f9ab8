//! The end of a process that got its signal: it leaves as soon as nothing is in flight, or when its time is over.

use super::App;
use super::lifecycle::{Asked, Leaving, Signals};
use super::upgrade::Rendezvous;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often a draining process looks whether it is idle.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A connection that was accepted just before the listeners closed may still be on its way to where it is counted.
const SETTLE: Duration = Duration::from_secs(2);
/// So long the log's thread has for the last lines.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Waits for the end of what is in flight, no longer than the configuration allows, and ends the process.
///
/// pingora would sleep through the whole of its grace period and hear no signal meanwhile. Here a second SIGTERM shortens
/// an upgrade's long drain to the usual one, and SIGINT ends any.
pub async fn leave(app: Arc<App>, leaving: Leaving, mut signals: Signals, place: Option<Rendezvous>) {
    let server = app.live.pin().server.clone();
    // Gone by then, last words included.
    let stop = Duration::from_secs(server.shutdown_seconds).saturating_sub(LAST_WORDS * 2);
    let mut allowed = match leaving {
        Leaving::Stopped => stop,
        Leaving::Replaced => Duration::from_secs(server.upgrade_drain_seconds),
    };
    let mut idle = std::pin::pin!(idle(&app, leaving));
    let mut over = std::pin::pin!(sleep(allowed));
    loop {
        tokio::select! {
            () = &mut idle => break,
            () = &mut over => break,
            asked = signals.next() => match asked {
                Asked::End => break,
                Asked::Stop if allowed > stop => {
                    allowed = stop;
                    over.set(sleep(stop));
                }
                Asked::Stop | Asked::Upgrade => {}
            }
        }
    }
    let cut = u64::try_from(app.metrics.in_flight.now()).unwrap_or_default();
    if cut > 0 {
        tracing::warn!(cut, seconds = allowed.as_secs(), "the drain is over; what was still in flight is cut");
        app.metrics.cut.inc_by(cut);
        if let Some(place) = &place {
            place.tell_cut(cut);
        }
    } else {
        tracing::info!("drained");
    }
    sleep(LAST_WORDS).await;
    std::process::exit(0);
}

/// Returns when nothing is in flight any more.
async fn idle(app: &App, leaving: Leaving) {
    let metrics = &app.metrics;
    match leaving {
        // pingora closes idle connections at once.
        Leaving::Stopped => twice(|| metrics.in_flight.now() == 0).await,
        Leaving::Replaced => {
            sleep(SETTLE).await;
            tokio::select! {
                () = twice(|| metrics.in_flight.now() == 0 && metrics.connections.now() == 0) => {}
                () = async {
                    sleep(app.idle_patience()).await;
                    twice(|| metrics.in_flight.now() == 0).await;
                } => {}
            }
        }
    }
}

/// An answer that was just sent may still be on its way out: two looks in a row.
async fn twice(mut holds: impl FnMut() -> bool) {
    let mut looks = 0;
    while looks < 2 {
        sleep(LOOK_EVERY).await;
        looks = if holds() { looks + 1 } else { 0 };
    }
}
