//! A configuration as a tree of values, each knowing where it was written.
//!
//! File, environment and defaults meet here, before anything is given a type: [`parse`] makes a tree of TOML,
//! [`Node::fill`] adds defaults where nothing was said, [`Node::leaves`] lists what stands where.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{At, ConfigError, Place, Step};
use super::secret::Secret;

/// A value and its place. Has no `Debug`: there are secrets in it.
#[derive(Clone)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

/// A value that has no parts, as text.
#[derive(Clone)]
pub(super) struct Leaf {
    pub value: Secret,
    pub place: Place,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f) // says that there is one, and no more
    }
}

impl Leaf {
    /// Whether the values are the same; where they stand doesn't matter.
    pub fn is_like(&self, other: &Self) -> bool {
        self.value.expose() == other.value.expose()
    }
}

#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    /// Text from the environment: becomes whatever type is asked for.
    Loose(String),
    Int(i64),
    Bool(bool),
    /// A kind of value that no setting takes (a fraction, a date).
    Foreign,
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
}

/// Reads TOML; `file` is the name to give in places, `None` for the compiled-in defaults.
///
/// # Errors
/// Every mistake in the syntax that could be told apart.
pub(super) fn parse(text: &str, file: Option<&str>) -> Result<Node, Vec<ConfigError>> {
    let source = Source { text, file: file.map(Arc::from) };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { value: source.table(table.get_ref()), place: source.place(None) });
    }
    Err(errors.iter().map(|error| source.complaint(error)).collect())
}

struct Source<'a> {
    text: &'a str,
    file: Option<Arc<str>>,
}

impl Source<'_> {
    fn complaint(&self, error: &toml::de::Error) -> ConfigError {
        let place = self.place(error.span().map(|span| span.start));
        ConfigError { place, path: String::new(), message: error.message().to_owned() }
    }

    fn place(&self, offset: Option<usize>) -> Place {
        let Some(file) = &self.file else { return Place::Default };
        let Some(before) = offset.and_then(|end| self.text.as_bytes().get(..end)) else {
            return Place::File(Arc::clone(file));
        };
        Place::Line(Arc::clone(file), 1 + before.iter().filter(|byte| **byte == b'\n').count())
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let entries = table.iter().map(|(key, value)| {
            let node = Node { value: self.value(value.get_ref()), place: self.place(Some(key.span().start)) };
            (key.get_ref().clone().into_owned(), node)
        });
        Value::Table(entries.collect())
    }

    fn element(&self, value: &Spanned<DeValue<'_>>) -> Node {
        Node { value: self.value(value.get_ref()), place: self.place(Some(value.span().start)) }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Foreign, Value::Int)
            }
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Float(_) | DeValue::Datetime(_) => Value::Foreign,
            DeValue::Array(elements) => Value::Array(elements.iter().map(|value| self.element(value)).collect()),
            DeValue::Table(table) => self.table(table),
        }
    }
}

impl Node {
    /// An empty table that nobody wrote.
    pub const fn empty() -> Self {
        Self { value: Value::Table(BTreeMap::new()), place: Place::Default }
    }

    pub fn is_loose(&self) -> bool {
        matches!(self.value, Value::Loose(_))
    }

    /// What stands there.
    pub fn at(&self, at: &At) -> Option<&Self> {
        at.0.iter().try_fold(self, Self::child)
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(name)) => table.get(name),
            (Value::Array(elements), Step::Index(index)) => elements.get(*index),
            _ => None,
        }
    }

    /// Where it was written; where it wasn't, what it would belong to.
    pub fn place_of(&self, at: &At) -> Place {
        let mut node = self;
        for step in &at.0 {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.place.clone()
    }

    /// Takes a named thing out; false if it isn't there.
    pub fn remove(&mut self, at: &At) -> bool {
        let Some((Step::Key(last), parents)) = at.0.split_last() else { return false };
        let mut node = self;
        for step in parents {
            let child = match (&mut node.value, step) {
                (Value::Table(table), Step::Key(name)) => table.get_mut(name),
                (Value::Array(elements), Step::Index(index)) => elements.get_mut(*index),
                _ => None,
            };
            let Some(child) = child else { return false };
            node = child;
        }
        node.table_mut().is_some_and(|table| table.remove(last).is_some())
    }

    pub const fn table_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Adds what `defaults` name and this doesn't, tables within tables too; lists are taken whole.
    pub fn fill(&mut self, defaults: &Self) {
        let (Value::Table(table), Value::Table(defaults)) = (&mut self.value, &defaults.value) else { return };
        for (name, default) in defaults {
            match table.get_mut(name) {
                Some(node) => node.fill(default),
                None => _ = table.insert(name.clone(), default.clone()),
            }
        }
    }

    /// Every value that has no parts, by its path; elements of a list go by their name or first host where they have
    /// one, so that an insertion moves nothing.
    pub fn leaves(&self) -> BTreeMap<String, Leaf> {
        let mut leaves = BTreeMap::new();
        self.add_leaves("", &mut leaves);
        leaves
    }

    fn add_leaves(&self, path: &str, leaves: &mut BTreeMap<String, Leaf>) {
        match &self.value {
            Value::Table(table) => {
                for (name, node) in table {
                    let dot = if path.is_empty() { "" } else { "." };
                    node.add_leaves(&format!("{path}{dot}{name}"), leaves);
                }
            }
            Value::Array(elements) => {
                for (index, node) in elements.iter().enumerate() {
                    let label = node.label().unwrap_or_else(|| index.to_string());
                    node.add_leaves(&format!("{path}[{label}]"), leaves);
                }
            }
            _ => {
                _ = {
                    let leaf = Leaf { value: Secret::new(self.plain()), place: self.place.clone() };
                    leaves.insert(path.to_owned(), leaf)
                }
            }
        }
    }

    fn label(&self) -> Option<String> {
        let Value::Table(table) = &self.value else { return None };
        let named = table.get("name").or_else(|| match &table.get("hosts")?.value {
            Value::Array(hosts) => hosts.first(),
            _ => table.get("hosts"),
        })?;
        Some(named.plain())
    }

    fn plain(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Foreign | Value::Table(_) | Value::Array(_) => String::new(),
        }
    }
}
