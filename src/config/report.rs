//! What was found wrong in a configuration, and where.
//!
//! Mistakes are collected, not thrown: who starts the program sees all of them at once. A mistake never repeats the
//! value it complains about, since that may be a secret.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::tree::Node;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file, where no line can be told.
    File(Arc<str>),
    /// A line of the file, counted from 1.
    Line(Arc<str>, usize),
    /// A variable of the environment.
    Variable(Arc<str>),
    /// Nowhere: a default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "{name}: "),
            Self::Line(name, line) => write!(f, "{name}:{line}: "),
            Self::Variable(name) => write!(f, "{name}: "),
            Self::Default => Ok(()),
        }
    }
}

/// One mistake (or one warning): `conf/x.toml:12: rooms[0].name: is missing`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place}{path}{}{message}", if path.is_empty() { "" } else { ": " })]
pub struct ConfigError {
    pub place: Place,
    /// Which setting, as in `sites[0].hosts[1]`; empty where the whole file is meant.
    pub path: String,
    /// What would be right. Holds no value that was given.
    pub message: String,
}

/// One step on the way to a setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The way to a setting, from the top of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub Vec<Step>);

impl At {
    pub fn key(&self, name: &str) -> Self {
        self.then(Step::Key(name.to_owned()))
    }

    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether this is `other` or something within it.
    fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The nearest thing that has a name: a list stands for its elements.
    pub fn named(&self) -> Self {
        let mut steps = self.0.clone();
        while matches!(steps.last(), Some(Step::Index(_))) {
            steps.pop();
        }
        Self(steps)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if nth == 0 => f.write_str(name)?,
                Step::Key(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The mistakes found so far in one document.
pub(super) struct Report<'a> {
    root: &'a Node,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
    /// What has been complained about already; nothing more is said about it.
    settled: Vec<At>,
}

impl<'a> Report<'a> {
    pub const fn new(root: &'a Node) -> Self {
        Self { root, errors: Vec::new(), warnings: Vec::new(), settled: Vec::new() }
    }

    pub fn error(&mut self, at: &At, message: impl Into<String>) {
        if self.settled.iter().any(|known| at.is_within(known)) {
            return;
        }
        self.errors.push(self.about(at, message));
        self.settled.push(at.clone());
    }

    /// A mistake after which the whole named setting is unusable, such as a wrong type in a list.
    pub fn unusable(&mut self, at: &At, message: impl Into<String>) {
        self.error(at, message);
        self.settled.push(at.named());
    }

    pub fn warn(&mut self, at: &At, message: impl Into<String>) {
        self.warnings.push(self.about(at, message));
    }

    fn about(&self, at: &At, message: impl Into<String>) -> ConfigError {
        ConfigError { place: self.root.place_of(at), path: at.to_string(), message: message.into() }
    }

    /// The value, or its error noted.
    pub fn take<T>(&mut self, at: &At, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|message| self.error(at, message)).ok()
    }

    /// Each element parsed; those that fail are noted and left out.
    pub fn each<T>(&mut self, at: &At, texts: &[String], parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let numbered = texts.iter().enumerate();
        numbered.filter_map(|(index, text)| self.take(&at.index(index), parse(text))).collect()
    }

    /// The number, or an error with the range noted.
    pub fn range(&mut self, at: &At, value: u64, range: RangeInclusive<u64>) -> u64 {
        if !range.contains(&value) {
            self.error(at, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        value
    }

    /// The file must be there and readable; what is in it, its user checks.
    pub fn readable(&mut self, at: &At, path: &std::path::Path) {
        let opened = std::fs::File::open(path).and_then(|file| file.metadata());
        match opened {
            Ok(found) if found.is_file() => {}
            Ok(_) => self.error(at, "must be a file"),
            Err(error) => self.error(at, format!("cannot be read: {error}")),
        }
    }

    /// Whether the value came from the environment, where everything is text.
    pub fn is_loose(&self, at: &At) -> bool {
        self.root.at(at).is_some_and(Node::is_loose)
    }

    /// Whether somebody wrote this, in the file or in the environment.
    pub fn is_written(&self, at: &At) -> bool {
        self.root.at(at).is_some_and(|node| node.place != Place::Default)
    }

    /// The warnings, if there is no error; else all errors, in the order of the file.
    pub fn finish(mut self) -> Result<Vec<ConfigError>, Vec<ConfigError>> {
        self.errors.sort();
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self.errors) }
    }
}
