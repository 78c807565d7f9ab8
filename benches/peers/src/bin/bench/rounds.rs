//! Rounds: every subject has its turn in each (A B C A B C …), so that what disturbs the machine disturbs all alike, and a
//! ratio is taken within a round.

use crate::load::{self, Plan};
use crate::process::Server;
use std::io;
use std::time::Duration;

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(300);

/// Makes the requests of a round, one per connection.
pub type Requests<'a> = Box<dyn FnMut() -> io::Result<Vec<Vec<u8>>> + 'a>;

/// Something that is measured.
pub struct Subject<'a> {
    pub name: &'static str,
    pub server: &'a Server,
    pub port: u16,
    pub requests: Requests<'a>,
    pub status: u16,
}

/// What one subject did in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub bytes: usize,
}

/// How long, how often.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub seconds: f64,
}

/// The samples of each subject, one per round.
pub struct Samples(pub Vec<(&'static str, Vec<Sample>)>);

/// Measures everybody; `rate`: requests per second, or as fast as they go.
pub fn measure(effort: Effort, subjects: &mut [Subject<'_>], rate: Option<u32>) -> io::Result<Samples> {
    let mut all: Vec<(&'static str, Vec<Sample>)> = subjects.iter().map(|it| (it.name, Vec::new())).collect();
    for round in 1..=effort.rounds {
        for (subject, (_, samples)) in subjects.iter_mut().zip(&mut all) {
            let requests = (subject.requests)()?;
            let plan = Plan {
                port: subject.port,
                requests: &requests,
                connections: CONNECTIONS,
                warm_up: WARM_UP,
                measured: Duration::from_secs_f64(effort.seconds),
                rate,
                status: subject.status,
            };
            let outcome = load::run(&plan, &|| subject.server.cpu_ns())
                .map_err(|error| io::Error::other(format!("{}: {error}", subject.name)))?;
            samples.push(Sample {
                cpu_us: outcome.cpu_us(),
                per_second: outcome.requests as f64 / outcome.seconds,
                p50_us: outcome.percentile(0.5),
                p99_us: outcome.percentile(0.99),
                bytes: outcome.bytes,
            });
        }
        let line = all.iter().filter_map(|(name, samples)| Some(format!("{name} {:.1}", samples.last()?.cpu_us)));
        println!("round {round}/{}: {}", effort.rounds, line.collect::<Vec<_>>().join("  "));
    }
    Ok(Samples(all))
}

impl Samples {
    pub fn of(&self, name: &str) -> Option<&[Sample]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, samples)| samples.as_slice())
    }

    /// The ratio of one to another within each round.
    pub fn ratios(&self, one: &str, other: &str, of: impl Fn(&Sample) -> f64) -> Option<Vec<f64>> {
        Some(self.of(one)?.iter().zip(self.of(other)?).map(|(a, b)| of(a) / of(b)).collect())
    }
}

/// The middle of some numbers.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

/// The least and the greatest.
pub fn range(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| (low.min(*n), high.max(*n)))
}
