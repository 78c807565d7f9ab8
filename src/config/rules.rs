//! Which paths a rule means.
//!
//! A pattern is compared with a *clean* path: decoded, it begins with `/`, and it has no empty, `.` or `..` segment before
//! its last. Whoever matches must forward that same path.
//!
//! Rules that guard also mean the other case of a letter ([`PathPattern::matches_in_any_case`]), since to many an origin
//! `/SHOP` is `/shop`; rules that let through mean what is written.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// A path with wildcards: `*` is any text within one segment, `**` as the last segment is anything below.
///
/// `/checkout/**` also means `/checkout`; `/**` means everything; `/checkout` doesn't mean `/checkout/`.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// Each segment as the texts between its stars, decoded.
    segments: Vec<Segment>,
    /// The same in lower case.
    folded: Vec<Segment>,
    /// Ends in `**`.
    below: bool,
    written: String,
}

type Segment = Vec<String>;

impl PathPattern {
    /// # Errors
    /// What a pattern must look like, as a sentence without subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let normal = normal_escapes(text).ok_or("has a % that is no escape, or a control character")?;
        let rest = normal.strip_prefix('/').ok_or("must begin with /")?;
        if rest.contains(['?', '#', '\\']) || ["%00", "%2F", "%5C"].iter().any(|escape| rest.contains(escape)) {
            return Err("must be a path alone, without ?, # and \\ (also when escaped) and escaped /".to_owned());
        }
        let (rest, below) = match rest.strip_suffix("**").map(|rest| (rest, rest.strip_suffix('/'))) {
            Some(("", _)) => (None, true),
            Some((_, Some(parent))) => (Some(parent), true),
            _ => (Some(rest), false),
        };
        let segments: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        check_segments(&segments, below)?;
        let decoded: Option<Vec<Segment>> = segments.iter().map(|segment| decode(segment)).collect();
        let segments = decoded.ok_or("has escapes that are no text in UTF-8")?;
        let folded = segments.iter().map(|segment| segment.iter().map(|part| part.to_lowercase()).collect()).collect();
        Ok(Self { segments, folded, below, written: normal })
    }

    /// Whether a clean path is meant.
    pub fn matches(&self, clean_path: &str) -> bool {
        self.matches_by(&self.segments, clean_path)
    }

    /// Whether a clean path is meant, upper and lower case being one.
    pub fn matches_in_any_case(&self, clean_path: &str) -> bool {
        let means_all = self.below && self.folded.is_empty();
        means_all || self.matches_by(&self.folded, &clean_path.to_lowercase())
    }

    fn matches_by(&self, segments: &[Segment], path: &str) -> bool {
        if self.below && segments.is_empty() {
            return true;
        }
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut given = rest.split('/');
        let all_fit = segments.iter().all(|segment| given.next().is_some_and(|text| fits(segment, text)));
        all_fit && (self.below || given.next().is_none())
    }
}

/// The texts between the stars of a segment; an escaped star is text.
fn decode(segment: &str) -> Option<Segment> {
    let parts = segment.split('*').map(|part| percent_decode_str(part).decode_utf8().ok().map(Cow::into_owned));
    parts.collect()
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({})", self.written)
    }
}

fn check_segments(segments: &[&str], below: bool) -> Result<(), String> {
    let last = segments.len().saturating_sub(1);
    for (index, segment) in segments.iter().enumerate() {
        if segment.contains("**") {
            return Err("may have ** only as its last segment".to_owned());
        }
        let may_be_empty = index == last && !below;
        if matches!(*segment, "." | "..") || segment.is_empty() && !may_be_empty {
            return Err("must have no empty, . or .. segment".to_owned());
        }
    }
    Ok(())
}

/// Whether a text is the parts with anything between them. Takes the first place for each part, which is right since
/// only the last is tied to the end.
fn fits(parts: &[String], text: &str) -> bool {
    let [first, rest @ ..] = parts else { return text.is_empty() };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    let [middle @ .., last] = rest else { return text.is_empty() };
    for part in middle {
        match text.split_once(part.as_str()) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

/// A path with its percent-escapes in their one normal form (RFC 3986, 6.2.2): unreserved characters plain, other
/// escapes in capitals, and escaped what may not stand in a path. `None`: a broken escape or a control character.
fn normal_escapes(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let escaped = 16 * hex(bytes.next()?)? + hex(bytes.next()?)?;
                match is_unreserved(escaped) {
                    true => normal.push(char::from(escaped)),
                    false => push_escape(&mut normal, escaped),
                }
            }
            0..=0x1f | 0x7f => return None,
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => push_escape(&mut normal, byte),
            plain => normal.push(char::from(plain)),
        }
    }
    Some(normal)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('%');
    text.extend([byte >> 4, byte & 15].iter().filter_map(|half| DIGITS.get(usize::from(*half))));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(path)
    }

    #[test]
    fn two_stars_mean_everything_below_and_the_thing_itself() {
        for path in ["/checkout", "/checkout/", "/checkout/a", "/checkout/a/b"] {
            assert!(matches("/checkout/**", path), "{path}");
        }
        for path in ["/", "/checkouts", "/check", "/a/checkout", "/Checkout"] {
            assert!(!matches("/checkout/**", path), "{path}");
        }
        for path in ["/", "/a", "/a/", "*"] {
            assert!(matches("/**", path), "{path}");
        }
    }

    #[test]
    fn one_star_stays_within_its_segment() {
        assert!(matches("/*.css", "/site.css"));
        assert!(!matches("/*.css", "/a/site.css"));
        assert!(matches("/img/*/small-*.jpg", "/img/7/small-a.b.jpg"));
        assert!(!matches("/img/*/small-*.jpg", "/img/7/big-a.jpg"));
        assert!(!matches("/aa*a", "/aa"), "prefix and suffix may not overlap");
        assert!(matches("/*/**", "/x/y/z"));
        assert!(matches("/a*b*c", "/abbbcbc"));
    }

    #[test]
    fn a_path_alone_means_itself() {
        assert!(matches("/", "/"));
        assert!(matches("/a", "/a"));
        assert!(!matches("/a", "/a/"));
        assert!(matches("/a/", "/a/"));
        assert!(!matches("/a/", "/a"));
    }

    #[test]
    fn a_guarding_rule_means_either_case() {
        let guards = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches_in_any_case(path);
        for path in ["/SHOP/x", "/shop/x", "/Shop"] {
            assert!(guards("/shop/**", path) && guards("/ShOp/**", path) && guards("/**", path), "{path}");
        }
        assert!(guards("/Bühne/*.HTML", "/bÜHNE/Index.html"));
        assert!(!guards("/shop/**", "/shops") && !matches("/shop/**", "/Shop"));
    }

    #[test]
    fn escapes_have_one_form() {
        for pattern in ["/f%c3%bcr/%7euser/**", "/für/~user/**", "/f%C3%BCr/~us*/**"] {
            assert!(matches(pattern, "/für/~user/x"), "{pattern}");
        }
        assert!(matches("/my file/**", "/my file/x") && matches("/my%20file/**", "/my file/x"));
        assert!(matches("/a%21", "/a!") && matches("/%2a/x", "/*/x") && !matches("/%2a/x", "/a/x"));
        assert_eq!(PathPattern::parse("/für/%7e%20").unwrap().to_string(), "/f%C3%BCr/~%20");
        assert_eq!(normal_escapes("/a%2fb c").as_deref(), Some("/a%2Fb%20c"));
        assert_eq!(normal_escapes("/%zz"), None);
        assert_eq!(normal_escapes("/%4"), None);
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for text in [
            "",
            "a",
            "/**/a",
            "/a**",
            "/a//b",
            "/a/../b",
            "/./a",
            "/a?b",
            "/a%2fb",
            "/a\\b",
            "/%",
            "//**",
            "/%2e%2e/a",
            "/%ff",
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_star_matches_whatever_stands_in_its_place(before in "[a-c]{0,3}", within in "[a-c.]{0,6}", after in "[a-c]{0,3}") {
            let pattern = format!("/x{before}*{after}");
            let path = format!("/x{before}{within}{after}");
            prop_assert!(matches(&pattern, &path));
        }

        #[test]
        fn normal_escapes_are_stable(path in "/[ -~äß]{0,20}") {
            if let Some(normal) = normal_escapes(&path) {
                let again = normal_escapes(&normal);
                prop_assert_eq!(again, Some(normal));
            }
        }
    }
}
