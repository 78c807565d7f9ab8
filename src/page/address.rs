//! Addresses that the page may carry: always on this host.
//!
//! The reload without scripts follows whatever address stands in the page, so a visitor lured to `https://site//evil.example/`
//! must not be sent to `//evil.example/`.

use std::fmt;

use serde::Serialize;

/// Path and query on this host, without fragment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct LocalUrl(String);

impl LocalUrl {
    /// Takes over a request target's path and query. The fragment is cut; what doesn't start with a slash becomes `/`;
    /// what a browser would read as another host (`//host`, `/\host`, also behind characters that it drops) gets the
    /// prefix `/.`, which it resolves to the same path on this host (WHATWG URL, path state).
    pub fn new(path_and_query: &str) -> Self {
        let path_and_query = path_and_query.split('#').next().unwrap_or_default();
        let seen: String = path_and_query.chars().filter(|c| !c.is_control() && *c != ' ').collect();
        match seen.strip_prefix('/') {
            None => Self("/".to_owned()),
            Some(rest) if rest.starts_with(['/', '\\']) => Self(format!("/.{seen}")),
            Some(_) => Self(seen),
        }
    }

    /// The address as it stands in the page, before escaping.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LocalUrl {
    fn from(path_and_query: &str) -> Self {
        Self::new(path_and_query)
    }
}

impl fmt::Display for LocalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_on_this_host_stays_as_it_is() {
        for same in ["/", "/a/b?x=1&y=%2F", "/a//b", "/?u=https://other.example/", "/..//x", "/.//x"] {
            assert_eq!(LocalUrl::new(same).as_str(), same);
        }
        assert_eq!(LocalUrl::new("/a?b#c#d").as_str(), "/a?b");
    }

    #[test]
    fn no_address_leads_to_another_host() {
        let cases = [
            ("//evil.example/x", "/.//evil.example/x"),
            ("///evil.example", "/.///evil.example"),
            ("/\\evil.example", "/./\\evil.example"),
            ("/\t/evil.example", "/.//evil.example"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("%2f%2fevil.example", "/"),
            ("", "/"),
        ];
        for (given, kept) in cases {
            assert_eq!(LocalUrl::new(given).as_str(), kept, "{given}");
        }
    }
}
