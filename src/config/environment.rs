//! What the environment says: short variables where there is no file, `"${NAME}"` in a file, `GATEKEEPER__…` in any case.
//!
//! All three work on the tree, before anything has a type, so a new setting needs nothing here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::report::{At, ConfigError, Place, Step};
use super::tree::{Node, Value};

/// The variables, by name. A map and not a look-up, since an override with an unknown path must be noticed.
pub type Environment = BTreeMap<String, String>;

/// What this process was started with; variables that are not UTF-8 are left out.
pub fn process_environment() -> Environment {
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Every override begins with this. Kubernetes makes up variables such as `GATEKEEPER_PORT`, but none with `__` here.
const OVERRIDE: &str = "GATEKEEPER__";

/// The short variables, and the setting that each stands for.
const SHORT: [(&str, &[&str]); 7] = [
    ("GATEKEEPER_LISTEN", &["server", "listen"]),
    ("GATEKEEPER_METRICS_LISTEN", &["server", "metrics_listen"]),
    ("GATEKEEPER_TRUSTED_PROXIES", &["server", "trusted_proxies"]),
    ("GATEKEEPER_STATE_DIR", &["server", "state_dir"]),
    ("REDIS_URL", &["store", "url"]),
    ("JWT_SECRET", &["tokens", "secrets", "0"]),
    ("GATEKEEPER_ORIGIN", &["sites", "0", "origins"]),
];

/// The short variables that are a first setting of every room.
const SHORT_SETTINGS: [(&str, &str); 2] =
    [("GATEKEEPER_ADMISSION_LIMIT", "admission_limit"), ("GATEKEEPER_ADMISSION_FREQUENCY", "admission_frequency")];

/// Lays the short variables over a tree. An empty one counts as absent: compose files pass them on that way.
pub(super) fn short_variables(root: &mut Node, env: &Environment) {
    for (name, path) in SHORT {
        if let Some(node) = from_variable(env, name) {
            put(root, &steps(path), node);
        }
    }
    if let Some(rooms) = from_variable(env, "BUSINESS_IDS").and_then(|node| rooms(&node)) {
        put(root, &steps(&["rooms"]), rooms);
    }
    room_settings(root, env);
}

/// The rooms of `BUSINESS_IDS`: `key1:key2` are the keys of `room1` and `room2`.
fn rooms(variable: &Node) -> Option<Node> {
    let Value::Loose(keys) = &variable.value else { return None };
    let with = |value| Node { value, place: variable.place.clone() };
    let keys = keys.split(':').map(str::trim).filter(|key| !key.is_empty());
    let room = |(nth, key): (usize, &str)| {
        let key = with(Value::Table([("key".to_owned(), with(Value::Loose(key.to_owned())))].into()));
        let name = with(Value::Text(format!("room{}", nth + 1)));
        with(Value::Table([("name".to_owned(), name), ("keys".to_owned(), with(Value::Array(vec![key])))].into()))
    };
    Some(with(Value::Array(keys.enumerate().map(room).collect())))
}

fn room_settings(root: &mut Node, env: &Environment) {
    let rooms = match root.at(&At::default().key("rooms")).map(|node| &node.value) {
        Some(Value::Array(rooms)) => rooms.len(),
        _ => 0,
    };
    for (variable, setting) in SHORT_SETTINGS {
        let Some(node) = from_variable(env, variable) else { continue };
        for index in 0..rooms {
            put(root, &At::default().key("rooms").index(index).key("settings").key(setting).0, node.clone());
        }
    }
}

fn from_variable(env: &Environment, name: &str) -> Option<Node> {
    let value = env.get(name).filter(|value| !value.is_empty())?;
    Some(Node { value: Value::Loose(value.clone()), place: Place::Variable(Arc::from(name)) })
}

/// Replaces each text that is exactly `${NAME}`.
pub(super) fn substitute(root: &mut Node, env: &Environment) -> Vec<(At, String)> {
    let mut errors = Vec::new();
    substitute_below(root, env, &At::default(), &mut errors);
    errors
}

fn substitute_below(node: &mut Node, env: &Environment, at: &At, errors: &mut Vec<(At, String)>) {
    match &mut node.value {
        Value::Table(table) => {
            table.iter_mut().for_each(|(name, node)| substitute_below(node, env, &at.key(name), errors));
        }
        Value::Array(elements) => {
            elements.iter_mut().enumerate().for_each(|(nth, node)| substitute_below(node, env, &at.index(nth), errors));
        }
        Value::Text(text) => match value_of(text, env) {
            Ok(None) => {}
            Ok(Some(value)) => node.value = Value::Loose(value),
            Err(message) => errors.push((at.clone(), message)),
        },
        Value::Loose(_) | Value::Int(_) | Value::Bool(_) | Value::Foreign => {}
    }
}

fn value_of(text: &str, env: &Environment) -> Result<Option<String>, String> {
    let Some((before, after)) = text.split_once("${") else { return Ok(None) };
    match after.strip_suffix('}') {
        Some(name) if before.is_empty() && is_variable(name) => {
            let missing = || format!("needs the variable {name}, which is not set");
            env.get(name).cloned().map(Some).ok_or_else(missing)
        }
        _ => Err("takes a variable only as the whole value, as in \"${NAME}\"".to_owned()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Lays `GATEKEEPER__SERVER__API_PREFIX` and its like over a tree. A path that means nothing is found when the tree is
/// read, like any other unknown setting.
pub(super) fn overrides(root: &mut Node, env: &Environment) -> Vec<ConfigError> {
    let named = env.keys().filter_map(|name| Some((path_of(name.strip_prefix(OVERRIDE)?), name)));
    let ordered: BTreeMap<Vec<Step>, &String> = named.collect(); // by number: element 2 is added before element 10
    let mut errors = Vec::new();
    for (steps, name) in ordered {
        let place = Place::Variable(Arc::from(name.as_str()));
        let value = Value::Loose(env.get(name).cloned().unwrap_or_default());
        if !put(root, &steps, Node { value, place: place.clone() }) {
            let message = "leads nowhere: lists are numbered from 0 without gaps, and only tables have parts";
            errors.push(ConfigError { place, path: At(steps).to_string(), message: message.to_owned() });
        }
    }
    errors
}

fn path_of(name: &str) -> Vec<Step> {
    let parts: Vec<_> = name.split("__").map(str::to_ascii_lowercase).collect();
    steps(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn steps(parts: &[&str]) -> Vec<Step> {
    parts.iter().map(|part| part.parse().map_or_else(|_| Step::Key((*part).to_owned()), Step::Index)).collect()
}

/// Puts a value at a path and makes what lies between; false where the path leads nowhere.
fn put(node: &mut Node, steps: &[Step], value: Node) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return true;
    };
    let absent = match rest.first() {
        Some(Step::Index(_)) => Value::Array(Vec::new()),
        _ => Value::Table(BTreeMap::new()),
    };
    let absent = Node { value: absent, place: value.place.clone() };
    let child = match (&mut node.value, step) {
        (Value::Table(table), Step::Key(name)) => Some(table.entry(name.clone()).or_insert(absent)),
        (Value::Array(elements), Step::Index(index)) => {
            if *index == elements.len() {
                elements.push(absent);
            }
            elements.get_mut(*index)
        }
        _ => None,
    };
    child.is_some_and(|child| put(child, rest, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_the_whole_value_or_a_mistake() {
        let env = Environment::from([("A".to_owned(), "b".to_owned())]);
        assert_eq!(value_of("plain $A", &env), Ok(None));
        assert_eq!(value_of("${A}", &env), Ok(Some("b".to_owned())));
        assert!(value_of("${B}", &env).unwrap_err().contains('B'));
        assert!(value_of("redis://:${A}@host", &env).is_err());
        assert!(value_of("${}", &env).is_err());
    }

    #[test]
    fn a_path_with_numbers_makes_lists() {
        let mut root = Node::empty();
        let names = ["GATEKEEPER__ROOMS__1__NAME", "GATEKEEPER__ROOMS__0__NAME", "GATEKEEPER__ROOMS__3__NAME"];
        let env = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        let errors = overrides(&mut root, &env);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].path, "rooms[3].name");
        assert!(root.at(&At::default().key("rooms").index(1).key("name")).is_some_and(Node::is_loose));
    }

    #[test]
    fn business_ids_become_rooms_in_order() {
        let env = Environment::from([("BUSINESS_IDS".to_owned(), "k1: k2:".to_owned())]);
        let mut root = Node::empty();
        short_variables(&mut root, &env);
        let leaves = root.leaves();
        assert_eq!(leaves["rooms[room2].keys[0].key"].value.expose(), "k2");
        assert_eq!(leaves.len(), 4);
    }
}
