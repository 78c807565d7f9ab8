//! The command `gatekeeper crowd`: its options, and the rehearsal from beginning to end.

use super::engine::Engine;
use super::judge::Limit;
use super::report::{Expectations, Report, line};
use super::tally::Live;
use super::{Plan, Refusal, Site, site};
use crate::clock::SystemClock;
use clap::Args;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// A line is shown so often where nobody looks at a terminal.
const LINE_EVERY_S: u32 = 5;

/// The options. Times are written `500ms`, `30s`, `5m`, `1h`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The address that visitors open, with its path: https://shop.example/tickets
    address: String,
    /// How many come.
    #[arg(long, default_value_t = 1000)]
    visitors: u32,
    /// They come spread over this time.
    #[arg(long, default_value = "60s", value_parser = duration)]
    over: Duration,
    /// It ends after this time at the latest; without it, when everybody is gone. Ctrl-C ends it too, with the report.
    #[arg(long = "for", value_parser = duration)]
    at_most: Option<Duration>,
    /// Come by the API with this key of full scope, instead of as browsers.
    #[arg(long, env = "GATEKEEPER_CROWD_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Pages that each looks at inside.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pages: u16,
    /// From one page to the next, on average.
    #[arg(long, default_value = "5s", value_parser = duration)]
    think: Duration,
    /// Opened at the end, where the site ends the visitor's turn (by the API the turn is finished in any case).
    #[arg(long)]
    finish: Option<String>,
    /// Of a hundred, so many reload the page now and then while they wait.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    reload: u8,
    /// Of a hundred, so many give up while they wait.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    leave: u8,
    /// Of a hundred, so many are silent once, for --sleep-for.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    sleep: u8,
    #[arg(long, default_value = "60s", value_parser = duration)]
    sleep_for: Duration,
    /// Connections, and requests under way at once.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Each visitor says by X-Forwarded-For to come from an address of their own. Counts where the gate has this machine
    /// among its trusted_proxies; otherwise all share one address and its limits.
    #[arg(long)]
    forwarded_for: bool,
    /// Fail where more than so many were let in per window: 100/5s.
    #[arg(long, value_parser = limit)]
    expect_limit: Option<Limit>,
    /// Fail where anybody who was there all the time was overtaken.
    #[arg(long)]
    expect_order: bool,
    /// Fail where there were more errors.
    #[arg(long)]
    expect_errors: Option<u64>,
    /// Fail where one of a hundred waited longer.
    #[arg(long, value_parser = duration)]
    expect_wait: Option<Duration>,
    /// Fail where anybody who did not give up is not in at the end.
    #[arg(long)]
    expect_all_in: bool,
    /// The length of the window that admissions are counted by where no limit is expected.
    #[arg(long, default_value = "5s", value_parser = duration)]
    window: Duration,
    /// The report as one JSON object on stdout, and nothing else there.
    #[arg(long)]
    json: bool,
    /// Needed for an address that is neither this machine nor a private network: a crowd is an attack on somebody else's.
    #[arg(long)]
    yes_i_own_this_site: bool,
}

impl Options {
    /// The rehearsal. `true` where everything was as expected.
    ///
    /// # Errors
    /// It can't begin: a wrong address, one that isn't the caller's, too few open files.
    pub fn run(self) -> Result<bool, Refusal> {
        let site = Site::parse(&self.address)?;
        let shares = u32::from(self.reload) + u32::from(self.leave) + u32::from(self.sleep);
        if shares > 100 {
            return Err(Refusal::one(format!(
                "--reload, --leave and --sleep are {shares} of a hundred together; 100 is all"
            )));
        }
        if self.visitors == 0 {
            return Err(Refusal::one("--visitors: nobody comes; give 1 or more"));
        }
        site.check(self.yes_i_own_this_site)?;
        site::check_open_files(usize::from(self.connections))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Refusal::one(format!("no threads can be started: {error}")))?;
        let report = runtime.block_on(self.rehearse(&site))?;
        show(&if self.json { report.json() + "\n" } else { report.text() });
        Ok(report.violations.is_empty())
    }

    async fn rehearse(&self, site: &Site) -> Result<Report, Refusal> {
        let mut engine = Engine::new(&site.base, self.plan(site), Arc::new(SystemClock::new()))?;
        engine.come(self.visitors, self.over);
        let mut shown = Live::default();
        let is_terminal = std::io::stdout().is_terminal();
        let tell = |live: &Live| {
            let is_due = is_terminal || live.elapsed_ms / 1000 >= shown.elapsed_ms / 1000 + LINE_EVERY_S;
            if is_due && !self.json {
                let said = line(live, &shown);
                show(&if is_terminal { format!("\r\x1b[K{said}") } else { said + "\n" });
                shown = live.clone();
            }
            0
        };
        engine.run(tell, ended(self.at_most)).await;
        if is_terminal && !self.json {
            show("\n");
        }
        Ok(Report::of(&engine, millis(self.window), &self.expectations()))
    }

    fn plan(&self, site: &Site) -> Plan {
        let share = |of_hundred: u8| f64::from(of_hundred) / 100.0;
        Plan {
            path: site.path.clone(),
            key: self.key.clone(),
            pages: self.pages,
            think: self.think,
            finish: self.finish.clone(),
            reload: share(self.reload),
            leave: share(self.leave),
            sleep: share(self.sleep),
            sleep_for: self.sleep_for,
            connections: usize::from(self.connections),
            forwarded_for: self.forwarded_for,
        }
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            limit: self.expect_limit,
            order: self.expect_order,
            errors: self.expect_errors,
            wait_p99_ms: self.expect_wait.map(|wait| u32::try_from(millis(wait)).unwrap_or(u32::MAX)),
            all_in: self.expect_all_in,
        }
    }
}

/// Returns when the time is over, or at Ctrl-C.
async fn ended(at_most: Option<Duration>) {
    let time = async {
        match at_most {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => {}
        // Where the signal can't be had, the time ends it, or the signal ends the process.
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `500ms`, `30s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a number and its unit: 500ms, 30s, 5m, 1h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a number and its unit: 500ms, 30s, 5m, 1h".to_owned())?;
    number.checked_mul(ms).map(Duration::from_millis).ok_or_else(|| "that is longer than anybody waits".to_owned())
}

/// `100/5s`.
fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || "write people and window: 100/5s".to_owned();
    let (people, window) = text.split_once('/').ok_or_else(wrong)?;
    let (people, window_ms) = (people.parse().map_err(|_| wrong())?, millis(duration(window).map_err(|_| wrong())?));
    if people == 0 || window_ms == 0 { Err(wrong()) } else { Ok(Limit { people, window_ms }) }
}

fn show(text: &str) {
    let mut out = std::io::stdout();
    // Nobody is harmed where nobody reads.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_limits_are_written_with_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(limit("100/5s"), Ok(Limit { people: 100, window_ms: 5000 }));
        for wrong in ["5", "s", "5 s", "-1s", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["100", "100/5", "0/5s", "100/0s", "a/5s"] {
            assert!(limit(wrong).unwrap_err().contains("100/5s"), "{wrong}");
        }
    }
}
