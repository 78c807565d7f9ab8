//! What a Redis wrote into its append-only file: every change, in the order in which it happened.
//!
//! A script's effects stand in one transaction. A file that was cut off in the middle of a command (its server was killed)
//! counts up to there.

use std::fs;
use std::path::{Path, PathBuf};

/// For [`Redis::start_with`](super::redis::Redis::start_with): every change is kept, none is ever summed up.
pub const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];

/// A command with its arguments.
pub type Command = Vec<Vec<u8>>;

/// All transactions in the files of a server that keeps its data in `directory`. A command outside of one is its own.
///
/// # Panics
/// When there is no such file: a log that isn't there proves nothing.
pub fn read(directory: &Path) -> Vec<Vec<Command>> {
    let files = files(directory);
    assert!(!files.is_empty(), "no append-only file in {}", directory.display());
    files.iter().flat_map(|file| transactions(&fs::read(file).unwrap())).collect()
}

/// Redis 7 numbers its files in a directory of their own, older ones have a single one.
fn files(directory: &Path) -> Vec<PathBuf> {
    let single = directory.join("appendonly.aof");
    if single.is_file() {
        return vec![single];
    }
    let Ok(entries) = fs::read_dir(directory.join("appendonlydir")) else { return Vec::new() };
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(".incr.aof")?;
        name.rsplit_once('.')?.1.parse::<u64>().ok()
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|p| number(p).is_some()).collect();
    files.sort_by_key(number);
    files
}

/// The transactions of one file.
pub fn transactions(mut text: &[u8]) -> Vec<Vec<Command>> {
    let (mut all, mut open): (Vec<Vec<Command>>, Option<Vec<Command>>) = (Vec::new(), None);
    while let Some(command) = command(&mut text) {
        match (command[0].to_ascii_uppercase().as_slice(), &mut open) {
            (b"MULTI", _) => open = Some(Vec::new()),
            (b"EXEC", _) => all.extend(open.take()),
            (_, Some(open)) => open.push(command),
            (_, None) => all.push(vec![command]),
        }
    }
    all
}

/// The next whole command; annotations (`#TS:…`) are passed over.
fn command(text: &mut &[u8]) -> Option<Command> {
    while text.first() == Some(&b'#') {
        line(text)?;
    }
    let count: usize = number(line(text)?, b'*')?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let length: usize = number(line(text)?, b'$')?;
        words.push(text.get(..length)?.to_vec());
        *text = text.get(length + 2..)?;
    }
    (!words.is_empty()).then_some(words)
}

fn line<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = text.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &text[..end];
    *text = &text[end + 2..];
    Some(line)
}

fn number(line: &[u8], sign: u8) -> Option<usize> {
    let digits = line.strip_prefix(&[sign])?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_transactions_are_read_and_a_torn_end_is_left_out() {
        let text = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#TS:1\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nexec\r\n*2\r\n$3\r\nDE";
        let told = transactions(text);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], [[b"SELECT".to_vec(), b"0".to_vec()]]);
        assert_eq!(told[1], [[b"DEL".to_vec(), b"a\r\nb".to_vec()]]);
    }
}
