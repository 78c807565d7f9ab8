//! The law of the house, held over `src/`: who may import whom, which crate may be named where, who reads the clock, and
//! how long a file or a function may grow.
//!
//! A breach is reported as `src/file.rs:line: why`. To add a module: give it a line in [`LAYERS`]; what stands on its line
//! is what it may import, and every import stands on a line above, so that no rings can form.

mod rust;

use rust::{Code, Named, Token, at, close_of};
use std::fs;
use std::path::Path;

/// A module of ours, and the modules of ours that it may name beside itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("queue", &[]),
    ("clock", &["queue"]),
    ("random", &[]),
    ("telemetry", &[]),
    ("token", &["queue"]),
    ("limit", &["queue"]),
    ("config", &["queue"]),
    ("store", &["queue", "clock"]),
    ("rooms", &["store", "token", "queue", "clock", "telemetry"]),
    ("gate", &["rooms", "token", "limit", "queue", "config", "telemetry", "random"]),
    ("page", &["queue", "config"]),
    ("api", &["gate", "rooms", "page", "token", "limit", "queue", "config", "telemetry", "random"]),
    ("proxy", BELOW_PROXY),
    ("app", BELOW_APP),
    ("crowd", &["clock", "random"]),
    ("demo", BELOW_DEMO),
    ("preview", &["config", "page", "app"]),
    ("main", EVERYTHING),
    ("cli", EVERYTHING),
];

const BELOW_PROXY: &[&str] =
    &["clock", "queue", "random", "telemetry", "token", "limit", "config", "store", "rooms", "gate", "page", "api"];
const BELOW_APP: &[&str] = &[
    "clock",
    "queue",
    "random",
    "telemetry",
    "token",
    "limit",
    "config",
    "store",
    "rooms",
    "gate",
    "page",
    "api",
    "proxy",
];
const BELOW_DEMO: &[&str] = &[
    "clock",
    "queue",
    "random",
    "telemetry",
    "token",
    "limit",
    "config",
    "store",
    "rooms",
    "gate",
    "page",
    "api",
    "proxy",
    "app",
    "crowd",
];
const EVERYTHING: &[&str] = &[
    "clock",
    "queue",
    "random",
    "telemetry",
    "token",
    "limit",
    "config",
    "store",
    "rooms",
    "gate",
    "page",
    "api",
    "proxy",
    "app",
    "crowd",
    "demo",
    "preview",
    "cli",
    "main",
];

/// A crate (with those whose names go on with `_`), and the modules that may name it.
const CRATES: &[(&str, &[&str])] =
    &[("pingora", &["proxy", "app", "main", "cli", "demo", "preview"]), ("redis", &["store"])];
/// What the rules of the line may not know of.
const NOT_IN_QUEUE: &[&str] = &["tokio", "redis", "pingora", "http"];

/// How the time of day is read; only `src/clock.rs` may.
const CLOCK_READS: &[[&str; 2]] = &[
    ["SystemTime", "now"],
    ["Instant", "now"],
    ["Utc", "now"],
    ["Local", "now"],
    ["OffsetDateTime", "now_utc"],
    ["OffsetDateTime", "now_local"],
];

/// Stands for an inline module in a module's path.
const INLINE: &str = "{}";

const FILE_LINES: usize = 350;
const FUNCTION_LINES: usize = 60;

/// A file under `src/`, its path relative to it, with `/`.
struct Source {
    path: String,
    text: String,
}

#[test]
fn the_house_keeps_its_law() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.iter().any(|source| source.path == "lib.rs"), "src/ was not found at {}", root.display());
    let found = breaches(&sources);
    assert!(found.is_empty(), "{} breaches of the law of the house:\n{}", found.len(), found.join("\n"));
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text });
        }
    }
}

/// Every breach, by file and line.
fn breaches(sources: &[Source]) -> Vec<String> {
    let read: Vec<_> = sources.iter().map(|source| (source, rust::read(&source.text))).collect();
    let tests: Vec<String> = read
        .iter()
        .filter_map(|(source, code)| Some((source, code.as_ref().ok()?)))
        .flat_map(|(source, code)| test_files(&source.path, code))
        .collect();
    let mut found = Vec::new();
    for (source, code) in &read {
        let is_test = tests
            .iter()
            .any(|stem| source.path == format!("{stem}.rs") || source.path.starts_with(&format!("{stem}/")));
        match code {
            Ok(code) if !is_test && !code.only_tests => File::new(source, code).check(&mut found),
            Ok(_) => {}
            Err(error) => found.push((source.path.clone(), 1, format!("does not parse: {error}"))),
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|(path, line, why)| format!("src/{path}:{line}: {why}")).collect()
}

/// The path, without `.rs`, of every `#[cfg(test)] mod name;`.
fn test_files(path: &str, code: &Code) -> Vec<String> {
    let mut directory = module_path(path).join("/");
    if !directory.is_empty() {
        directory.push('/');
    }
    code.test_modules.iter().map(|name| format!("{directory}{name}")).collect()
}

/// `a/b.rs` and `a/b/mod.rs` are `[a, b]`; the crate's roots are `[]`.
fn module_path(path: &str) -> Vec<&str> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let mut parts: Vec<&str> = stem.split('/').collect();
    if parts.last() == Some(&"mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

type Breach = (String, usize, String);

struct File<'a> {
    source: &'a Source,
    code: &'a Code,
    /// The module of ours to which it belongs: `lib`, `main`, or the first part of its path.
    owner: &'a str,
}

impl<'a> File<'a> {
    fn new(source: &'a Source, code: &'a Code) -> Self {
        let first = source.path.split('/').next().unwrap_or_default();
        Self { source, code, owner: first.strip_suffix(".rs").unwrap_or(first) }
    }

    fn check(&self, found: &mut Vec<Breach>) {
        let mut breaches: Vec<(usize, String)> = Vec::new();
        if self.owner == "lib" {
            breaches.extend(self.more_than_modules());
        } else if self.may_import().is_none() {
            breaches.push((1, format!("`{}` has no line in the table of layers", self.owner)));
        }
        for named in rust::paths(&self.code.tokens) {
            let why = self.import(&named).or_else(|| self.foreign(&named)).or_else(|| self.clock_read(&named));
            breaches.extend(why.map(|why| (named.line, why)));
        }
        breaches.extend(self.too_long());
        breaches.extend(long_functions(&self.code.tokens));
        found.extend(breaches.into_iter().map(|(line, why)| (self.source.path.clone(), line, why)));
    }

    fn may_import(&self) -> Option<&'static [&'static str]> {
        LAYERS.iter().find(|(module, _)| *module == self.owner).map(|(_, imports)| *imports)
    }

    /// A module of ours that this one may not name.
    fn import(&self, named: &Named) -> Option<String> {
        let target = self.ours(named)?;
        let allowed = self.may_import()?;
        let fine = target == self.owner || allowed.contains(&target.as_str());
        (!fine).then(|| format!("`{}` may not name `{target}`", self.owner))
    }

    /// The module of ours to which a path leads; `the crate's root` where it leads no further.
    fn ours(&self, named: &Named) -> Option<String> {
        let mut here = module_path(&self.source.path);
        here.extend(std::iter::repeat_n(INLINE, named.depth));
        let (first, mut rest) = named.segments.split_first()?;
        match first.as_str() {
            "crate" | "gatekeeper" => here.clear(),
            "super" => _ = here.pop(),
            "self" => {}
            _ => return None,
        }
        while let Some((_, further)) = rest.split_first().filter(|(segment, _)| *segment == "super") {
            here.pop();
            rest = further;
        }
        if rest.is_empty() && !named.imported {
            return None; // a value called `self`, a visibility
        }
        match here.first() {
            Some(&INLINE) => None, // within main.rs or lib.rs
            Some(&module) => Some(module.to_owned()),
            None => Some(rest.first().filter(|segment| *segment != "*").map_or("the crate's root", |it| it).to_owned()),
        }
    }

    /// A crate that this module may not name.
    fn foreign(&self, named: &Named) -> Option<String> {
        let root = named.segments.first().filter(|_| named.imported || named.segments.len() > 1)?;
        let is = |name: &str| root == name || root.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        let in_queue = self.owner == "queue" && NOT_IN_QUEUE.iter().any(|name| is(name));
        let elsewhere = CRATES.iter().any(|(name, homes)| is(name) && !homes.contains(&self.owner));
        (in_queue || elsewhere).then(|| format!("`{}` may not name the crate `{root}`", self.owner))
    }

    fn clock_read(&self, named: &Named) -> Option<String> {
        let reads = CLOCK_READS.iter().any(|read| named.segments.ends_with(&read.map(str::to_owned)));
        let path = named.segments.join("::");
        (reads && self.source.path != "clock.rs").then(|| format!("`{path}` reads the time; only src/clock.rs may"))
    }

    fn too_long(&self) -> Option<(usize, String)> {
        let lines = self.code.tests_begin.map_or_else(|| self.source.text.lines().count(), |line| line - 1);
        (lines > FILE_LINES)
            .then(|| (FILE_LINES + 1, format!("{lines} lines before the tests; {FILE_LINES} are the limit")))
    }

    /// `lib.rs` is the map of the house, nothing else.
    fn more_than_modules(&self) -> Option<(usize, String)> {
        let tokens = &self.code.tokens;
        let mut index = 0;
        while index < tokens.len() {
            let start = index;
            match at(tokens, index) {
                "#" => index = close_of(tokens, index + 1 + usize::from(at(tokens, index + 1) == "!")) + 1,
                "pub" if at(tokens, index + 1) == "(" => index = close_of(tokens, index + 1) + 1,
                "pub" => index += 1,
                "mod" if at(tokens, index + 2) == ";" => index += 3,
                _ => return Some((tokens[start].line, "lib.rs only declares modules".to_owned())),
            }
        }
        None
    }
}

fn long_functions(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for start in (0..tokens.len()).filter(|&index| at(tokens, index) == "fn" && at(tokens, index + 1) != "(") {
        let Some(body) = body_of(tokens, start) else { continue };
        let lines = tokens[close_of(tokens, body)].line - tokens[start].line + 1;
        if lines > FUNCTION_LINES {
            let name = at(tokens, start + 1);
            found.push((tokens[start].line, format!("`fn {name}` has {lines} lines; {FUNCTION_LINES} are the limit")));
        }
    }
    found
}

/// The brace that opens the body of the function whose `fn` is at `start`; `None` where it has none.
fn body_of(tokens: &[Token], start: usize) -> Option<usize> {
    let mut index = start;
    loop {
        match tokens.get(index)?.text.as_str() {
            "{" => return Some(index),
            ";" | "}" | ")" => return None,
            "(" | "[" => index = close_of(tokens, index) + 1,
            _ => index += 1,
        }
    }
}

#[cfg(test)]
mod tests;
