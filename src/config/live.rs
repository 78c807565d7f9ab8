//! The configuration that counts now: replaced whole or not at all.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Config, Place};

/// One configuration at a time. A request pins it once, at its start, and sees no other.
#[derive(Debug)]
pub struct Live(ArcSwap<Config>);

impl Live {
    pub fn new(config: Config) -> Self {
        Self(ArcSwap::from_pointee(config))
    }

    /// The configuration of this moment, for as long as it is held.
    pub fn pin(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// Puts a new one in place and says what changed, as [`changes`] does.
    pub fn replace(&self, config: Config) -> Vec<String> {
        let new = Arc::new(config);
        let old = self.0.swap(Arc::clone(&new));
        changes(&old, &new)
    }
}

/// What differs, for the log: `changed rooms[checkout].settings.admission_limit`. Paths only, no values, since some are
/// secrets; the list is empty where nothing differs.
pub fn changes(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (&old.leaves, &new.leaves);
    let altered = new.iter().filter_map(|(path, value)| match old.get(path) {
        None => Some(format!("added {path}")),
        Some(before) if !before.is_like(value) => Some(format!("changed {path}")),
        Some(_) => None,
    });
    let removed = old.keys().filter(|path| !new.contains_key(*path)).map(|path| format!("removed {path}"));
    altered.chain(removed).collect()
}

/// What differs below these paths: where it is written in the new one, and its path.
pub fn differing(old: &Config, new: &Config, below: &[&str]) -> Vec<(Place, String)> {
    let (old, new) = (&old.leaves, &new.leaves);
    let altered = new.iter().filter(|(path, leaf)| !old.get(*path).is_some_and(|before| before.is_like(leaf)));
    let removed = old.iter().filter(|(path, _)| !new.contains_key(*path));
    let all =
        altered.map(|(path, leaf)| (leaf.place.clone(), path)).chain(removed.map(|(path, _)| (Place::Default, path)));
    let is_below = |path: &str| below.iter().any(|prefix| path.starts_with(prefix));
    all.filter(|(_, path)| is_below(path)).map(|(place, path)| (place, path.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(text: &str) -> Config {
        Config::parse(text, "x.toml", &Environment::new()).unwrap()
    }

    #[test]
    fn who_holds_the_old_one_keeps_it() {
        let live = Live::new(config("[[rooms]]\nname = 'a'"));
        let pinned = live.pin();
        live.replace(config("[[rooms]]\nname = 'b'"));
        assert_eq!(pinned.rooms[0].name, "a");
        assert_eq!(live.pin().rooms[0].name, "b");
    }

    #[test]
    fn a_difference_names_paths_and_no_values() {
        let old = config("[[rooms]]\nname = 'a'\nkeys = [{ key = 'sesame' }]\nsettings = { admission_limit = 1 }");
        let new =
            config("[server]\nthreads = 3\n[[rooms]]\nname = 'b'\n[[rooms]]\nname = 'a'\nkeys = [{ key = 'sesam2' }]");
        let changes = changes(&old, &new);
        assert_eq!(
            changes,
            [
                "changed rooms[a].keys[0].key",
                "added rooms[b].name",
                "added server.threads",
                "removed rooms[a].settings.admission_limit",
            ]
        );
        assert!(super::changes(&new, &new).is_empty());
        let place = Place::Line("x.toml".into(), 2);
        assert_eq!(differing(&old, &new, &["server.listen", "server.threads"]), [(place, "server.threads".to_owned())]);
        assert_eq!(differing(&new, &old, &["server.threads"]), [(Place::Default, "server.threads".to_owned())]);
    }
}
