//! How many files the process may open, and how many connections that is good for.

use std::fs;

/// Kept for the store, the log, the listeners and what else the house needs.
const RESERVE: usize = 64;

/// As many clients as there are files for: each may need a second one, towards an origin.
pub fn affordable() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&limits).map_or(usize::MAX, clients)
}

fn clients(files: usize) -> usize {
    (files.saturating_sub(RESERVE.min(files / 2)) / 2).max(1)
}

/// The soft limit; `None` where there is none, or it can't be told.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_left_is_for_clients() {
        let table =
            |soft: &str| format!("Limit  Soft Limit  Hard Limit  Units\nMax open files  {soft}  20000  files\n");
        assert_eq!(open_files(&table("1024")).map(clients), Some(480));
        assert_eq!(open_files(&table("64")).map(clients), Some(16));
        assert_eq!(open_files(&table("1")).map(clients), Some(1));
        assert_eq!(open_files(&table("unlimited")), None);
        assert_eq!(open_files(""), None);
    }
}
