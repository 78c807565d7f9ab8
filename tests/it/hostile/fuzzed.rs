//! The functions that are fuzzed (`fuzz/src/lib.rs`), over the kept inputs and some thousands of changed ones: what a long
//! run found stays found, and a broken promise shows without one. `FUZZED_SECONDS=120 FUZZED_SEED=7` makes a longer run of
//! it; it is not steered by coverage, as `dev/fuzz` is.

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use crate::support::chance::Chance;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Changed inputs of each parser in one run of the tests.
const CHANGED: u64 = 3000;
/// What breaks parsers, put in at random.
const PIECES: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "%",
    "%00",
    "%2e",
    "%2F",
    "..",
    "/",
    "//",
    "\\",
    ";",
    "?",
    "#",
    "\"",
    "'",
    "<",
    "</script>",
    "{{",
    "{%",
    "]]",
    "[[",
    "=",
    "${A}",
    "\u{fe0f}",
    "\u{2028}",
    "\u{ff0e}",
    ".",
    "eyJ",
    "0",
    "-1",
    "1e99",
    "18446744073709551616",
    "::ffff:",
    ", ",
];

/// Runs a parser over what is kept for it, as it is and changed.
fn drive(name: &str, parser: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let inputs: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!inputs.is_empty(), "nothing is kept for {name}");
    inputs.iter().for_each(|input| parser(input));
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let mut chance = Chance::of(number("FUZZED_SEED").unwrap_or(7), 1, 0x9E37_79B9);
    let (begun, seconds) = (Instant::now(), number("FUZZED_SECONDS").map(Duration::from_secs));
    let mut done = 0;
    while seconds.map_or(done < CHANGED, |seconds| begun.elapsed() < seconds) {
        done += 1;
        let mut input = inputs[chance.index(inputs.len())].clone();
        for _ in 0..chance.within(1, 6) {
            change(&mut input, &inputs, &mut chance);
        }
        parser(&input);
    }
    println!("{name}: {done} inputs in {:.0?}", begun.elapsed());
}

fn change(input: &mut Vec<u8>, others: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.index(input.len() + 1);
    match chance.index(6) {
        0 => input.truncate(at),
        1 => drop(input.splice(at..at, chance.pick(PIECES).bytes())),
        2 if at < input.len() => input[at] ^= 1 << chance.index(8),
        3 if at < input.len() => drop(input.remove(at)),
        4 => {
            let other = &others[chance.index(others.len())];
            input.truncate(at);
            input.extend_from_slice(&other[chance.index(other.len() + 1)..]);
        }
        _ => input.insert(at, u8::try_from(chance.index(256)).unwrap()),
    }
}

#[test]
fn any_header_tells_one_client() {
    drive("client", targets::client);
}

#[test]
fn any_path_has_one_meaning_or_none() {
    drive("path", targets::path);
}

#[test]
fn no_bytes_are_a_token_that_nobody_signed() {
    drive("token", targets::token);
}

#[test]
fn any_text_stays_text_in_the_page() {
    drive("template", targets::template);
}

#[test]
fn any_file_is_a_configuration_or_refused() {
    drive("config", targets::config);
}
