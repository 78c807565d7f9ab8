//! What the parts cost, in time and in instructions.
//!
//! - `cargo bench` times them (criterion); `cargo bench -- token` some of them.
//! - `dev/instructions` counts the instructions of those in [`counted::ALL`] and compares with `benches/instructions.tsv`:
//!   seconds are noise on a shared machine, instructions are not.
//!
//! One binary, since each further one would link pingora again. To time something else: a function here, beside its kind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that can't go on should stop loudly"
)]

mod counted;
mod decision;
mod line;
mod stores;
mod tokens;

use criterion::Criterion;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, flag, name, times, ..] = words.as_slice()
        && flag == "--count"
    {
        return counted::run(name, times.parse().expect("--count NAME TIMES"));
    }
    let mut criterion = Criterion::default().configure_from_args();
    line::bench(&mut criterion);
    tokens::bench(&mut criterion);
    decision::bench(&mut criterion);
    stores::bench(&mut criterion);
    criterion.final_summary();
}
