//! What is told of a rehearsal: a line while it runs, the figures at its end, and what was expected of them.

use super::engine::Engine;
use super::judge::{self, Admissions, Limit};
use super::record::Record;
use super::tally::Live;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What must hold, or the rehearsal failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expectations {
    pub limit: Option<Limit>,
    /// Nobody who was there all the time is overtaken.
    pub order: bool,
    /// At most so many errors.
    pub errors: Option<u64>,
    /// 99 of 100 wait at most so long, ms.
    pub wait_p99_ms: Option<u32>,
    /// Everybody who didn't give up got in.
    pub all_in: bool,
}

/// The figures of a rehearsal. Times in seconds; `null` where there is nothing to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub seconds: f64,
    pub requests: u64,
    pub requests_per_second: f64,
    pub coming: u64,
    pub waiting: u64,
    pub inside: u64,
    pub gone: u64,
    pub admitted: u64,
    pub wait_p50: Option<f64>,
    pub wait_p90: Option<f64>,
    pub wait_p99: Option<f64>,
    /// Of those who were there all the time, so many were certainly passed over.
    pub overtaken: u64,
    pub window_seconds: f64,
    /// The most whose turn was heard of in one window; a turn is heard of up to a poll later than it comes.
    pub most_heard_in_a_window: u64,
    /// So many were certainly let in beyond the limit that was expected.
    pub above_limit: u64,
    /// Estimates that were shown to somebody who then went in, and how many of them came true.
    pub estimates: u64,
    pub estimates_right: u64,
    /// Answers took at most so long, ms, as upper ends of coarse ranges.
    pub answer_ms_p50: Option<u32>,
    pub answer_ms_p99: Option<u32>,
    pub errors: BTreeMap<String, u64>,
    /// The most that this machine began a request after it was due, ms.
    pub behind_ms: u32,
    /// What the crowd itself held in memory per visitor, connections not counted.
    pub bytes_per_visitor: u64,
    /// What was expected and isn't so, one line each.
    pub violations: Vec<String>,
}

impl Report {
    /// Judges a crowd. `window_ms`: what admissions are counted by where no limit is expected.
    pub fn of(engine: &Engine, window_ms: u64, expected: &Expectations) -> Self {
        let records: Vec<Record> = engine.records().copied().collect();
        let offset = judge::clock_offset(records.iter()).unwrap_or(0);
        let window_ms = expected.limit.map_or(window_ms, |limit| limit.window_ms);
        let admissions = judge::admissions(records.iter(), window_ms, expected.limit, offset);
        let mut report = Self::figures(&engine.tally(), &records, admissions);
        report.window_seconds = window_ms as f64 / 1000.0;
        report.bytes_per_visitor = (engine.bytes() / records.len().max(1)) as u64;
        report.violations = report.judged(expected);
        report
    }

    fn figures(live: &Live, records: &[Record], admissions: Admissions) -> Self {
        let waits = judge::waits(records.iter());
        let seconds = f64::from(live.elapsed_ms) / 1000.0;
        let wait = |share| judge::quantile(&waits, share).map(|ms| f64::from(ms) / 1000.0);
        let (estimates, estimates_right) = judge::estimates(records.iter());
        Self {
            seconds,
            requests: live.requests,
            requests_per_second: live.requests as f64 / seconds.max(0.001),
            coming: live.coming,
            waiting: live.waiting,
            inside: live.inside,
            gone: live.gone,
            admitted: live.admitted,
            wait_p50: wait(0.5),
            wait_p90: wait(0.9),
            wait_p99: wait(0.99),
            overtaken: judge::overtaken(records.iter()),
            window_seconds: 0.0,
            most_heard_in_a_window: admissions.most_heard,
            above_limit: admissions.above_limit,
            estimates,
            estimates_right,
            answer_ms_p50: live.answer_ms(0.5),
            answer_ms_p99: live.answer_ms(0.99),
            errors: live.mishaps.iter().map(|(mishap, count)| (mishap.to_string(), *count)).collect(),
            behind_ms: live.late_ms,
            bytes_per_visitor: 0,
            violations: Vec::new(),
        }
    }

    fn judged(&self, expected: &Expectations) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(limit) = expected.limit.filter(|_| self.above_limit > 0) {
            let (people, window) = (limit.people, limit.window_ms as f64 / 1000.0);
            found.push(format!("{} people were let in beyond {people} in {window} s", self.above_limit));
        }
        if expected.order && self.overtaken > 0 {
            found.push(format!("{} people who were there all the time were overtaken", self.overtaken));
        }
        let errors: u64 = self.errors.values().sum();
        if let Some(most) = expected.errors.filter(|most| errors > *most) {
            found.push(format!("{errors} errors, {most} at most were expected"));
        }
        let p99 = self.wait_p99.unwrap_or(0.0);
        if let Some(most) = expected.wait_p99_ms.map(|ms| f64::from(ms) / 1000.0).filter(|most| p99 > *most) {
            found.push(format!("one of a hundred waited {p99:.1} s or longer, {most:.1} s were expected"));
        }
        if expected.all_in && self.coming + self.waiting > 0 {
            found.push(format!("{} people did not get in", self.coming + self.waiting));
        }
        if self.admitted == 0 && (expected.limit.is_some() || expected.order) {
            found.push("nobody was given a turn, so neither limit nor order were put to the test".to_owned());
        }
        found
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let seconds = |wait: Option<f64>| wait.map_or_else(|| "-".to_owned(), |wait| format!("{wait:.1} s"));
        let answers = |ms: Option<u32>| match ms {
            None => "-".to_owned(),
            Some(u32::MAX) => "over 5000 ms".to_owned(),
            Some(ms) => format!("{ms} ms"),
        };
        let Self { coming, waiting, inside, gone, admitted, .. } = self;
        let mut line = |name: &str, said: String| _ = writeln!(text, "  {name:<12}{said}");
        line(
            "people",
            format!("{waiting} waiting, {inside} inside, {gone} gone, {coming} on their way; {admitted} turns"),
        );
        line(
            "waits",
            format!("p50 {}, p90 {}, p99 {}", seconds(self.wait_p50), seconds(self.wait_p90), seconds(self.wait_p99)),
        );
        line("order", format!("{} overtaken among those always present", self.overtaken));
        line(
            "admissions",
            format!(
                "at most {} heard of in a window of {} s; {} certainly beyond the limit",
                self.most_heard_in_a_window, self.window_seconds, self.above_limit
            ),
        );
        if self.estimates > 0 {
            let share = self.estimates_right as f64 * 100.0 / self.estimates as f64;
            line("estimates", format!("{share:.0} % of {} waits fell into the range first shown", self.estimates));
        }
        line(
            "requests",
            format!(
                "{} in {:.0} s, {:.0} a second; half of them within {}, 99 of 100 within {}",
                self.requests,
                self.seconds,
                self.requests_per_second,
                answers(self.answer_ms_p50),
                answers(self.answer_ms_p99)
            ),
        );
        for (kind, count) in &self.errors {
            line("error", format!("{count} x {kind}"));
        }
        if self.behind_ms > 1000 {
            line(
                "slow",
                format!(
                    "this machine began requests up to {:.1} s late: give it more --connections or fewer --visitors",
                    f64::from(self.behind_ms) / 1000.0
                ),
            );
        }
        for violation in &self.violations {
            line("VIOLATED", violation.clone());
        }
        text
    }

    /// For programs: one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The line that is shown while it runs. `before`: how things stood when it was shown last.
pub fn line(live: &Live, before: &Live) -> String {
    let ms = live.elapsed_ms.saturating_sub(before.elapsed_ms).max(1);
    let rate = live.requests.saturating_sub(before.requests) * 1000 / u64::from(ms);
    let Live { coming, waiting, inside, gone, .. } = live;
    format!(
        "{:>5} s  {coming:>7} coming {waiting:>7} waiting {inside:>7} inside {gone:>7} gone  {rate:>6} requests/s  {} errors",
        live.elapsed_ms / 1000,
        live.errors()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let live = Live { elapsed_ms: 2000, requests: 50, waiting: 3, admitted: 1, ..Live::default() };
        Report::figures(&live, &[], Admissions { turns: 1, most_heard: 1, above_limit: 2 })
    }

    #[test]
    fn what_was_expected_and_is_not_so_is_said_and_nothing_else() {
        let strict = Expectations {
            limit: Some(Limit { people: 5, window_ms: 2000 }),
            order: true,
            errors: Some(0),
            wait_p99_ms: Some(1000),
            all_in: true,
        };
        let bad =
            Report { overtaken: 4, wait_p99: Some(9.0), errors: [("status 500".to_owned(), 6)].into(), ..report() };
        let said = bad.judged(&strict).join("\n");
        for part in [
            "2 people were let in beyond 5 in 2 s",
            "4 people who",
            "6 errors, 0 at most",
            "9.0 s or longer",
            "3 people did not",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(bad.judged(&Expectations::default()), Vec::<String>::new());
        let none = Report { admitted: 0, above_limit: 0, ..report() };
        assert!(none.judged(&Expectations { order: true, ..Expectations::default() })[0].contains("put to the test"));
    }

    #[test]
    fn the_figures_are_told_for_people_and_for_programs() {
        let report = Report { violations: vec!["so it is".to_owned()], ..report() };
        assert!(report.text().contains("VIOLATED") && report.text().contains("25 a second"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((json["waiting"].as_u64(), json["wait_p50"].is_null()), (Some(3), true));
    }
}
