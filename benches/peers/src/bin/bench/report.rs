//! What was measured, as tables between the markers of docs/performance.md.

use crate::rounds::{Sample, Samples, median, range};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// A row of the table of targets.
pub struct Target {
    pub row: &'static str,
    pub what: &'static str,
    /// Whose figure is divided by whose.
    pub ours: &'static str,
    pub theirs: &'static str,
    pub of: fn(&Sample) -> f64,
    pub target: f64,
    pub least: f64,
}

pub fn cpu(sample: &Sample) -> f64 {
    sample.cpu_us
}

pub fn p50(sample: &Sample) -> f64 {
    sample.p50_us
}

/// What each subject cost.
pub fn costs(samples: &Samples, with_times: bool) -> String {
    let mut text =
        String::from("| what | CPU, µs per request: median (least to most) | requests/s | bytes of an answer |");
    text.push_str(if with_times {
        " p50, µs | p99, µs |\n|---|---|---|---|---|---|\n"
    } else {
        "\n|---|---|---|---|\n"
    });
    for (name, samples) in &samples.0 {
        let all = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
        let cpu = all(cpu);
        let (low, high) = range(&cpu);
        let per_second = median(&all(|sample| sample.per_second));
        let bytes = samples.last().map_or(0, |sample| sample.bytes);
        let _ = write!(text, "| {name} | {:.1} ({low:.1} to {high:.1}) | {per_second:.0} | {bytes} |", median(&cpu));
        if with_times {
            let _ = write!(text, " {:.0} | {:.0} |", median(&all(p50)), median(&all(|sample| sample.p99_us)));
        }
        text.push('\n');
    }
    text
}

/// How the targets stand, by the median of the rounds' ratios.
pub fn targets(samples: &Samples, targets: &[Target]) -> String {
    let mut text = String::from("| # | what | target | least | measured: median of the ratios (least to most) | |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for Target { row, what, ours, theirs, of, target, least } in targets {
        let _ = match samples.ratios(ours, theirs, of) {
            None => writeln!(text, "| {row} | {what} | {target:.2} | {least:.2} | not measured | |"),
            Some(ratios) => {
                let (middle, (low, high)) = (median(&ratios), range(&ratios));
                let verdict = verdict(middle, *target, *least);
                writeln!(
                    text,
                    "| {row} | {what} | {target:.2} | {least:.2} | {middle:.2} ({low:.2} to {high:.2}) | {verdict} |"
                )
            }
        };
    }
    text
}

pub fn verdict(measured: f64, target: f64, least: f64) -> &'static str {
    // As it is shown: to the hundredth.
    let shown = (measured * 100.0).round() / 100.0;
    if shown <= target {
        "met"
    } else if shown <= least {
        "acceptable"
    } else {
        "missed"
    }
}

/// Puts a section's text between its markers.
pub fn put(document: &Path, section: &str, text: &str) -> io::Result<()> {
    let whole = fs::read_to_string(document)?;
    let (begin, end) = (format!("<!-- bench:{section} -->"), format!("<!-- /bench:{section} -->"));
    let missing = || io::Error::other(format!("{}: no marker {begin} … {end}", document.display()));
    let (before, rest) = whole.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(document, format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}
