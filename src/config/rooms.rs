//! The rooms: names, keys, first settings.

use crate::queue::{Change, Field, Kind, Value};

use super::choices::Scope;
use super::file;
use super::report::{At, Report};
use super::secret::Secret;

/// One room.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// `[a-z0-9_-]{1,64}`, unique.
    pub name: String,
    /// What visitors read instead of the name.
    pub title: Option<String>,
    /// Empty: only the waiting page uses the room.
    pub keys: Vec<RoomKey>,
    /// What differs from the defaults until an operator changes it by `POST /config`.
    pub settings: Change,
}

/// An API key: 1 to 256 visible ASCII characters, unique over all rooms.
#[derive(Clone, Debug)]
pub struct RoomKey {
    pub key: Secret,
    pub scope: Scope,
}

pub(super) fn rooms(written: &[file::Room], report: &mut Report<'_>) -> Vec<RoomConfig> {
    let at = At::default().key("rooms");
    if written.is_empty() {
        report.error(&at, "must have at least one room: [[rooms]] with a name");
    }
    for (index, room) in written.iter().enumerate() {
        if let Some(earlier) = written.iter().take(index).position(|earlier| earlier.name == room.name) {
            report.error(&at.index(index).key("name"), format!("is already the name of rooms[{earlier}]"));
        }
    }
    unique_keys(written, &at, report);
    written.iter().enumerate().map(|(index, written)| room(written, &at.index(index), report)).collect()
}

fn room(written: &file::Room, at: &At, report: &mut Report<'_>) -> RoomConfig {
    report.take(&at.key("name"), name(&written.name));
    if let Some(title) = &written.title {
        report.take(&at.key("title"), is_title(title));
    }
    let list = at.key("keys");
    for (index, key) in written.keys.iter().enumerate() {
        report.take(&list.index(index).key("key"), is_key(&key.key));
    }
    if written.keys.is_empty() {
        report.warn(&list, "none is given: only the waiting page can use this room, the API's calls can't");
    }
    let key = |key: &file::Key| RoomKey { key: Secret::new(&*key.key), scope: key.scope };
    RoomConfig {
        name: written.name.clone(),
        title: written.title.clone(),
        keys: written.keys.iter().map(key).collect(),
        settings: settings(written, &at.key("settings"), report),
    }
}

fn name(text: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let right = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    right.then_some(()).ok_or("must be 1 to 64 of a-z, 0-9, _ and -")
}

fn is_title(text: &str) -> Result<(), &'static str> {
    let right = !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
    right.then_some(()).ok_or("must be plain text of 1 to 100 characters")
}

fn is_key(text: &str) -> Result<(), &'static str> {
    let right = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    right.then_some(()).ok_or("must be 1 to 256 visible ASCII characters")
}

/// A key picks the room, so it may open only one.
fn unique_keys(rooms: &[file::Room], at: &At, report: &mut Report<'_>) {
    let mut seen: Vec<(&str, At)> = Vec::new();
    for (room, written) in rooms.iter().enumerate() {
        for (index, key) in written.keys.iter().enumerate() {
            let here = at.index(room).key("keys").index(index).key("key");
            match seen.iter().find(|(known, _)| *known == key.key) {
                Some((_, earlier)) => report.error(&here, format!("is the same as {earlier}")),
                None => seen.push((&key.key, here)),
            }
        }
    }
}

fn settings(written: &file::Room, at: &At, report: &mut Report<'_>) -> Change {
    let mut change = Change::default();
    for (name, setting) in &written.settings {
        let at = at.key(name);
        let value = typed(name, setting.0.clone(), report.is_loose(&at));
        if let Err(error) = change.set(name, value) {
            report.error(&at, error.message);
        }
    }
    change
}

/// The value as the field wants it. What no setting takes becomes a value that this one refuses.
fn typed(name: &str, written: Option<Value>, is_loose: bool) -> Value {
    let kind = Field::named(name).map(|field| field.kind);
    let refused = match kind {
        Some(Kind::Bool) => Value::Int(0),
        _ => Value::Bool(false),
    };
    match (kind, written) {
        (Some(Kind::Int { .. }), Some(Value::Text(text))) if is_loose => text.parse().map_or(refused, Value::Int),
        (Some(Kind::Bool), Some(Value::Text(text))) if is_loose => text.parse().map_or(refused, Value::Bool),
        (_, Some(value)) => value,
        (_, None) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_number_only_when_it_comes_from_the_environment() {
        let text = Some(Value::Text("7".to_owned()));
        assert_eq!(typed("admission_limit", text.clone(), true), Value::Int(7));
        assert_eq!(typed("admission_limit", text.clone(), false), Value::Text("7".to_owned()));
        assert_eq!(typed("message", text, true), Value::Text("7".to_owned()));
        assert_eq!(typed("renew_ready", Some(Value::Text("false".to_owned())), true), Value::Bool(false));
    }

    #[test]
    fn what_no_setting_takes_is_refused_by_every_setting() {
        for field in crate::queue::FIELDS {
            assert!(Change::default().set(field.name, typed(field.name, None, false)).is_err(), "{}", field.name);
        }
    }
}
