//! The path that rules are matched against: decoded, slashes merged, dots resolved. What different servers may read in
//! different ways never matches an exception.

/// A path as rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathView {
    /// There is one way to read it, and this is it.
    Clean(String),
    /// Encoded slashes or dots, backslashes, parameters, control characters, bytes that aren't ASCII: servers differ.
    Ambiguous,
}

/// Reads the path of a request target (without its query).
pub fn view(path: &str) -> PathView {
    let Some(decoded) = decode_unreserved(path) else { return PathView::Ambiguous };
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                if segments.pop().is_none() {
                    return PathView::Ambiguous;
                }
            }
            _ => segments.push(segment),
        }
    }
    let is_folder = decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..");
    let mut clean = String::with_capacity(decoded.len());
    for segment in &segments {
        clean.push('/');
        clean.push_str(segment);
    }
    if clean.is_empty() || is_folder {
        clean.push('/');
    }
    PathView::Clean(clean)
}

/// Decodes what RFC 3986 (2.3) calls unreserved, and spaces and the like stay encoded in upper case; `None` where the path
/// is ambiguous.
fn decode_unreserved(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut decoded = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let code = [bytes.next()?, bytes.next()?];
                let byte = u8::from_str_radix(std::str::from_utf8(&code).ok()?, 16).ok()?;
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => decoded.push(char::from(byte)),
                    // A dot, a slash, a percent sign, … in disguise: nobody sends them in good faith.
                    b'.' | b'/' | b'\\' | b'%' | b';' | 0..=31 | 127 => return None,
                    _ => decoded.push_str(&format!("%{byte:02X}")),
                }
            }
            b'\\' | b';' | 0..=32 | 127.. => return None,
            _ => decoded.push(char::from(byte)),
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_way_to_read_or_none() {
        for (path, clean) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a///b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/static/../checkout", "/checkout"),
            ("/%63heckout", "/checkout"),
            ("/a%20b/%c3%bc", "/a%20b/%C3%BC"),
        ] {
            assert_eq!(view(path), PathView::Clean(clean.to_owned()), "{path}");
        }
        for path in ["", "a", "*", "/a%2fb", "/a%5cb", "/a\\b", "/%2e%2e/a", "/%252e/a", "/x/..;/a", "/a;b=c", "/../a", "/a%00", "/a\u{1}", "/ü", "/%", "/%zz"] {
            assert_eq!(view(path), PathView::Ambiguous, "{path}");
        }
    }

    proptest! {
        #[test]
        fn reading_twice_changes_nothing(path in "/[a-z./%25eE0-9;]{0,30}") {
            if let PathView::Clean(clean) = view(&path) {
                prop_assert_eq!(view(&clean), PathView::Clean(clean.clone()));
                prop_assert!(!clean.contains("//") && !clean.contains("/../") && !clean.contains("/./"));
            }
        }
    }
}
