//! From the tree to the written form: a serde deserializer that says what would be right, and where.
//!
//! serde stops at the first mistake. [`read`] takes the offending setting out, notes it, and tries again, so that all
//! mistakes are found. Text from the environment is taken for a number, a flag or a list where one is asked for.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::report::{At, Report, Step};
use super::tree::{Node, Value};

/// The written form of a tree; what doesn't fit is reported and left at its type's default.
pub(super) fn read<T: DeserializeOwned + Default>(root: &Node, report: &mut Report<'_>) -> T {
    let mut tree = root.clone();
    loop {
        let problem = match T::deserialize(&tree) {
            Ok(written) => return written,
            Err(problem) => problem,
        };
        let at = problem.at();
        report.unusable(&at, problem.message);
        if !tree.remove(&at.named()) {
            return T::default();
        }
    }
}

/// A mistake on its way out of the tree.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    /// The innermost step first.
    steps: Vec<Step>,
}

impl Problem {
    fn must(message: &str) -> Self {
        Self { message: format!("must be {message}"), steps: Vec::new() }
    }

    fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn at(&self) -> At {
        At(self.steps.iter().rev().cloned().collect())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// None of these repeats what was given.
impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), steps: Vec::new() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::must(&expected.to_string())
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::must(&expected.to_string())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::must(&format!("one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("is unknown here; known are {}", expected.join(", ")))
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => visitor.visit_str(text),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Foreign => visitor.visit_unit(),
            Value::Table(_) => self.deserialize_map(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let flag = match &self.value {
            Value::Bool(flag) => Some(*flag),
            Value::Loose(text) => text.parse().ok(),
            _ => None,
        };
        visitor.visit_bool(flag.ok_or_else(|| Problem::must("true or false"))?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let number = match &self.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Loose(text) => text.parse().ok(),
            _ => None,
        };
        visitor.visit_u64(number.ok_or_else(|| Problem::must("a whole number, not negative"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => visitor.visit_str(text),
            _ => Err(Problem::must("text in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => visitor.visit_enum(plain(text)),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Array(elements) => visitor.visit_seq(Elements { rest: elements.iter().enumerate() }),
            Value::Loose(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                visitor.visit_seq(de::value::SeqDeserializer::new(parts.map(plain)))
            }
            _ => Err(Problem::must("a list in [ ]")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Entries { rest: table.iter(), current: None }),
            _ => Err(Problem::must("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct identifier ignored_any
    }
}

fn plain(text: &str) -> StrDeserializer<'_, Problem> {
    text.into_deserializer()
}

struct Elements<'de> {
    rest: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|problem| problem.under(Step::Index(index)))
    }
}

struct Entries<'de> {
    rest: std::collections::btree_map::Iter<'de, String, Node>,
    current: Option<(&'de String, &'de Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.current = self.rest.next();
        let Some((name, _)) = self.current else { return Ok(None) };
        seed.deserialize(plain(name)).map(Some).map_err(|problem| problem.under(Step::Key(name.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some((name, node)) = self.current else { return Err(Problem::must("a table")) };
        seed.deserialize(node).map_err(|problem| problem.under(Step::Key(name.clone())))
    }
}
