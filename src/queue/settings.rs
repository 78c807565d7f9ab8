//! What an operator may set for a room while it runs: ranges, defaults, partial change.
//!
//! Impossible values don't construct: a [`Change`] holds only checked values, and [`Settings`] are made from defaults and
//! changes alone. To add a setting: one line in the table at the bottom of the type definitions; `/config`, the file, the
//! OpenAPI document and both stores read [`FIELDS`].

use std::collections::BTreeMap;
use std::fmt;

/// What the gate of a room does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Let people wait when there are too many.
    #[default]
    Auto,
    /// Forward everything.
    Off,
    /// Admit nobody, keep the line.
    Pause,
    /// Take nobody.
    Closed,
    /// Forward everything and count what would have waited.
    Observe,
}

impl Mode {
    /// Every mode with its name in the API.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::Auto, "auto"),
        (Self::Off, "off"),
        (Self::Pause, "pause"),
        (Self::Closed, "closed"),
        (Self::Observe, "observe"),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(mode, _)| *mode == self).map_or("auto", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }

    /// Whether turns are given out.
    pub const fn admits(self) -> bool {
        !matches!(self, Self::Pause | Self::Closed)
    }
}

/// A setting's value, as it came in or goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(u64),
    Bool(bool),
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number, both ends included.
    Int {
        min: u64,
        max: u64,
    },
    Bool,
    /// One of [`Mode::NAMES`].
    Mode,
    /// Plain text of at most so many characters.
    Text {
        max: usize,
    },
}

/// One setting of a room.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// One line for the documentation, with the unit.
    pub about: &'static str,
}

/// Why a value was refused: the field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl Field {
    /// The field of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name)
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (Kind::Int { min, max }, Value::Int(number)) if (min..=max).contains(number) => Ok(()),
            (Kind::Int { min, max }, _) => Err(format!("must be a whole number from {min} to {max}")),
            (Kind::Bool, Value::Bool(_)) => Ok(()),
            (Kind::Bool, _) => Err("must be true or false".to_owned()),
            (Kind::Mode, Value::Text(name)) if Mode::from_name(name).is_some() => Ok(()),
            (Kind::Mode, _) => Err("must be one of auto, off, pause, closed, observe".to_owned()),
            (Kind::Text { max }, Value::Text(text)) if is_plain_text(text, max) => Ok(()),
            (Kind::Text { max }, _) => Err(format!("must be plain text of at most {max} characters")),
        }
    }

    /// Reads the form that a store keeps; `None` where it isn't a value of this field.
    fn read(&self, stored: &str) -> Option<Value> {
        let value = match self.kind {
            Kind::Int { .. } => Value::Int(stored.parse().ok()?),
            Kind::Bool => Value::Bool(stored.parse().ok()?),
            Kind::Mode | Kind::Text { .. } => Value::Text(stored.to_owned()),
        };
        self.check(&value).ok().map(|()| value)
    }
}

/// Line breaks are welcome in a message to visitors, other control characters are not.
fn is_plain_text(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// A checked, partial change: what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change(BTreeMap<&'static str, Value>);

impl Change {
    /// Adds one field.
    ///
    /// # Errors
    /// An unknown field, a wrong type or a value out of range; the change stays as it was.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), FieldError> {
        let error = |message| FieldError { field: name.to_owned(), message };
        let field = Field::named(name).ok_or_else(|| error("is not a setting of a room".to_owned()))?;
        field.check(&value).map_err(error)?;
        self.0.insert(field.name, value);
        Ok(())
    }

    /// Adds a field in the form that a store keeps. What this version does not know, or what is out of its ranges, is
    /// left out: a store shared with a newer version must not stop an older one.
    pub fn set_stored(&mut self, name: &str, stored: &str) {
        if let Some(field) = Field::named(name)
            && let Some(value) = field.read(stored)
        {
            self.0.insert(field.name, value);
        }
    }

    /// The named fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over every field that `newer` names.
    pub fn merge(&mut self, newer: &Self) {
        self.0.extend(newer.iter().map(|(name, value)| (name, value.clone())));
    }
}

/// How a field's type meets [`Value`]; values come checked from a [`Change`].
trait Typed {
    fn to_value(&self) -> Value;
    fn take(&mut self, value: &Value);
}

impl Typed for u64 {
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }
    fn take(&mut self, value: &Value) {
        if let Value::Int(number) = value {
            *self = *number;
        }
    }
}

impl Typed for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn take(&mut self, value: &Value) {
        if let Value::Bool(flag) = value {
            *self = *flag;
        }
    }
}

impl Typed for Mode {
    fn to_value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }
    fn take(&mut self, value: &Value) {
        if let Value::Text(name) = value {
            *self = Self::from_name(name).unwrap_or_default();
        }
    }
}

impl Typed for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn take(&mut self, value: &Value) {
        if let Value::Text(text) = value {
            self.clone_from(text);
        }
    }
}

/// One line per setting: name, type, default, kind, what it means.
macro_rules! settings {
    ($( $name:ident: $type:ty = $default:expr, $kind:expr, $about:literal; )*) => {
        /// A room's settings as the rules use them.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $( #[doc = $about] pub $name: $type, )* }

        impl Default for Settings {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        /// Every setting there is, in the order of the documentation.
        pub const FIELDS: &[Field] = &[$( Field { name: stringify!($name), kind: $kind, about: $about }, )*];

        impl Settings {
            /// Every field with its value, in the order of [`FIELDS`].
            pub fn values(&self) -> Vec<(&'static str, Value)> {
                vec![$( (stringify!($name), self.$name.to_value()), )*]
            }

            /// Takes over what the change names.
            pub fn apply(&mut self, change: &Change) {
                for (name, value) in change.iter() {
                    match name {
                        $( stringify!($name) => self.$name.take(value), )*
                        _ => {}
                    }
                }
            }
        }
    };
}

const fn int(min: u64, max: u64) -> Kind {
    Kind::Int { min, max }
}

settings! {
    admission_limit: u64 = 1000, int(1, 1_000_000), "people admitted per window";
    admission_frequency: u64 = 5, int(1, 3600), "length of a window in seconds; windows are aligned to the store's clock, what is not used is lost";
    jwt_expiry_seconds: u64 = 300, int(60, 600), "age in seconds at which a token is renewed";
    ready_ttl_seconds: u64 = 600, int(60, 3600), "how long a turn lasts, in seconds";
    ip_enqueue_limit: u64 = 100, int(1, 1_000_000), "entries into the line per address and interval";
    ip_enqueue_limit_interval: u64 = 60, int(1, 3600), "that interval in seconds";
    ip_status_polling_limit: u64 = 600, int(1, 1_000_000), "status calls per address and interval (waiting page: per token)";
    ip_status_polling_limit_interval: u64 = 60, int(1, 3600), "that interval in seconds";
    max_active: u64 = 0, int(0, 10_000_000), "people ready at the same time; 0: no cap";
    presence_seconds: u64 = 120, int(30, 600), "who was not heard from for so many seconds may not take a slot";
    retention_seconds: u64 = 1800, int(60, 86_400), "who comes back within so many seconds still has the place";
    renew_ready: bool = true, Kind::Bool, "a ready visitor's time starts anew with each forwarded request";
    ready_max_seconds: u64 = 7200, int(60, 86_400), "but ends so many seconds after the turn was taken";
    mode: Mode = Mode::Auto, Kind::Mode, "auto; off: forward all; pause: admit nobody, keep the line; closed: take nobody; observe: forward all, count what would have waited";
    message: String = String::new(), Kind::Text { max: 500 }, "shown to all who wait";
}

impl Settings {
    /// The defaults, changed.
    pub fn with(defaults: &Self, change: &Change) -> Self {
        let mut settings = defaults.clone();
        settings.apply(change);
        settings
    }

    /// One of `instances`' part of the rate and of the places inside, where they can't count together. Where there is less
    /// than one turn for each, the window gets longer instead; of the places each has at least one.
    #[must_use]
    pub fn share(&self, instances: u64) -> Self {
        let instances = instances.max(1);
        let longer = if self.admission_limit < instances { instances.div_ceil(self.admission_limit.max(1)) } else { 1 };
        Self {
            admission_limit: (self.admission_limit / instances).max(1),
            admission_frequency: self.admission_frequency.saturating_mul(longer),
            max_active: if self.max_active == 0 { 0 } else { (self.max_active / instances).max(1) },
            ..self.clone()
        }
    }

    /// How long a ticket is good without contact. Where it disagrees with presence, the larger counts.
    pub fn retention(&self) -> u64 {
        self.retention_seconds.max(self.presence_seconds)
    }

    /// How long a stay may last at most. Where it disagrees with the ready time, the larger counts.
    pub fn ready_max(&self) -> u64 {
        self.ready_max_seconds.max(self.ready_ttl_seconds)
    }

    /// How long the store remembers a spent ticket: as long as any token of it could still be shown.
    pub fn memory_seconds(&self) -> u64 {
        self.retention().max(self.ready_max()) + self.ready_ttl_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_only_what_is_in_range() {
        let mut change = Change::default();
        assert!(change.set("admission_limit", Value::Int(0)).is_err());
        assert!(change.set("admission_limit", Value::Bool(true)).is_err());
        assert!(change.set("admision_limit", Value::Int(1)).is_err());
        assert!(change.set("mode", Value::Text("on".into())).is_err());
        assert!(change.set("message", Value::Text("x".repeat(501))).is_err());
        assert!(change.set("message", Value::Text("bell \u{7}".into())).is_err());
        assert!(change.is_empty());
        change.set("admission_limit", Value::Int(1_000_000)).unwrap();
        assert_eq!(Settings::with(&Settings::default(), &change).admission_limit, 1_000_000);
    }

    #[test]
    fn every_default_lies_in_its_range_and_survives_the_stored_form() {
        for (name, value) in Settings::default().values() {
            let mut change = Change::default();
            change.set(name, value.clone()).unwrap();
            let mut stored = Change::default();
            stored.set_stored(name, &value.to_string());
            assert_eq!(change, stored, "{name}");
        }
    }

    #[test]
    fn the_shares_of_all_instances_are_never_more_than_the_whole() {
        for (limit, frequency, instances) in [(10, 5, 3), (1, 5, 3), (2, 5, 3), (3, 1, 3), (1000, 5, 1), (7, 2, 64)] {
            let whole = Settings { admission_limit: limit, admission_frequency: frequency, ..Settings::default() };
            let share = whole.share(instances);
            let all = share.admission_limit * instances * frequency;
            assert!(all <= limit * share.admission_frequency, "{limit} {frequency} {instances}: {share:?}");
            assert!(share.admission_limit > 0);
        }
        let capped = Settings { max_active: 2, ..Settings::default() };
        assert_eq!((capped.share(3).max_active, capped.share(0).max_active), (1, 2));
        assert_eq!(Settings::default().share(5).max_active, 0);
    }

    #[test]
    fn what_a_store_holds_wrongly_is_left_out() {
        let mut change = Change::default();
        change.set_stored("admission_limit", "-3");
        change.set_stored("from_the_future", "1");
        assert!(change.is_empty());
    }
}
