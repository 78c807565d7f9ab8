//! A request's path as rules see it: one spelling for each place, or none at all.
//!
//! Rules that let requests past the gate compare paths, and origins disagree about what a path means. So a path either
//! has one meaning on which they all agree, or it is [`PathView::Ambiguous`], which never matches an exception: whoever
//! sends one waits like everybody else. Ordinary browsers and programs send none.
//!
//! This module promises: a clean path begins with `/`; it has no empty, `.` or `..` segment (but may end in a slash), no
//! `%`, `;`, `?`, `#`, `\` and no control character, however often it is decoded; it is valid UTF-8; and no character of
//! it turns into an ASCII one by folding case or form. Case is kept: `/A` and `/a` are two places, as `/a/` and `/a` are.
//!
//! An origin may disagree where a clean path came in another spelling (`/a/../b` is `/b` here, as in RFC 3986, 5.2.4, but
//! not everywhere): a request that passes by an exception must be forwarded under [`PathView::to_request_path`], not as
//! it came.
//!
//! To refuse one more trick: a line in [`PathView::of`] or [`segment_meaning`], and a row in the table of tests.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A path, decoded and resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathView {
    /// The one meaning of the path.
    Clean(String),
    /// More than one meaning, or none.
    Ambiguous,
}

/// What stays as it is in a path: unreserved characters, sub-delimiters but `;`, `:`, `@` and the slash (RFC 3986, 3.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

impl PathView {
    /// Reads the path of a request target in origin form, as it stood on the wire, without its query.
    pub fn of(raw: &[u8]) -> Self {
        meaning(raw).map_or(Self::Ambiguous, Self::Clean)
    }

    /// The clean path.
    pub fn clean(&self) -> Option<&str> {
        match self {
            Self::Clean(path) => Some(path),
            Self::Ambiguous => None,
        }
    }

    /// The clean path as it goes into a request line: the spelling about which origins don't disagree.
    pub fn to_request_path(&self) -> Option<String> {
        self.clean().map(|path| utf8_percent_encode(path, ENCODED).to_string())
    }
}

fn meaning(raw: &[u8]) -> Option<String> {
    if is_plain(raw) {
        return String::from_utf8(raw.to_vec()).ok();
    }
    long_meaning(raw)
}

/// Whether nothing in a path has to be decoded, resolved or refused: most are so, and mean what they say.
fn is_plain(raw: &[u8]) -> bool {
    let mut before = 0;
    raw.starts_with(b"/")
        && !raw.ends_with(b".")
        && raw.iter().all(|byte| {
            let behind = std::mem::replace(&mut before, *byte);
            match byte {
                b'/' => !matches!(behind, b'/' | b'.'),
                b'.' => behind != b'/',
                b'-' | b'_' | b'~' => true,
                other => other.is_ascii_alphanumeric(),
            }
        })
}

fn long_meaning(raw: &[u8]) -> Option<String> {
    if !raw.iter().all(u8::is_ascii_graphic) || raw.starts_with(b"//") {
        return None; // `//host/path` is an address without scheme to some
    }
    let path = decode(raw.strip_prefix(b"/")?)?;
    if path.chars().any(is_tricky) {
        return None;
    }
    resolve(&path)
}

/// Decodes once. `None`: not an escape, an escaped slash, or not UTF-8 (overlong forms and surrogates included).
fn decode(raw: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(escaped(*rest.next()?, *rest.next()?).filter(|byte| *byte != b'/')?),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// Whether some origin takes a decoded character for another one, or for the end of the path.
fn is_tricky(c: char) -> bool {
    match c {
        // `%` could be decoded again, `;` begins parameters, `?` and `#` end the path for who decodes too early
        '%' | ';' | '?' | '#' | '\\' => true,
        '\0'..='\x7f' => c.is_ascii_control(),
        _ => turns_into_ascii(c),
    }
}

/// Blocks in which characters are compatible with ASCII ones (Unicode NFKC), invisible, or spaces. Coarse on purpose:
/// letters of living scripts stay, symbols go. Ascending.
const LOOKALIKES: &[(char, char)] = &[
    ('\u{80}', '\u{bf}'),
    ('\u{132}', '\u{133}'),
    ('\u{13f}', '\u{140}'),
    ('\u{149}', '\u{149}'),
    ('\u{1c4}', '\u{1cc}'),
    ('\u{1f1}', '\u{1f3}'),
    ('\u{2b0}', '\u{2ff}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{37a}', '\u{37e}'),
    ('\u{384}', '\u{385}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{1d2c}', '\u{1dbf}'),
    ('\u{1e9a}', '\u{1e9e}'),
    ('\u{1fbd}', '\u{1fc1}'),
    ('\u{1fcd}', '\u{1fcf}'),
    ('\u{1fdd}', '\u{1fdf}'),
    ('\u{1fed}', '\u{1fef}'),
    ('\u{1ffd}', '\u{1ffe}'),
    ('\u{2000}', '\u{2bff}'),
    ('\u{2c7c}', '\u{2c7d}'),
    ('\u{3000}', '\u{303f}'),
    ('\u{309b}', '\u{309c}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{3200}', '\u{33ff}'),
    ('\u{a7f2}', '\u{a7f4}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fb00}', '\u{fb06}'),
    ('\u{fb29}', '\u{fb29}'),
    ('\u{fc5e}', '\u{fc63}'),
    ('\u{fdfa}', '\u{fdfb}'),
    ('\u{fe00}', '\u{fe7e}'),
    ('\u{feff}', '\u{ffff}'),
    ('\u{10000}', '\u{1ffff}'),
    ('\u{40000}', '\u{10ffff}'),
];

fn turns_into_ascii(c: char) -> bool {
    let by_case = || c.to_lowercase().chain(c.to_uppercase()).any(|folded| folded.is_ascii());
    LOOKALIKES.iter().any(|(first, last)| (*first..=*last).contains(&c)) || by_case()
}

enum Segment<'a> {
    Name(&'a str),
    Here,
    Up,
    Empty,
}

/// What a decoded segment means. `None`: dots or spaces that some file systems drop.
fn segment_meaning(segment: &str) -> Option<Segment<'_>> {
    match segment {
        "" => Some(Segment::Empty),
        "." => Some(Segment::Here),
        ".." => Some(Segment::Up),
        _ if segment.ends_with(['.', ' ']) => None,
        name => Some(Segment::Name(name)),
    }
}

/// Merges slashes and resolves dot segments of a path without its first slash. Merging and going up don't commute
/// (`/a//../b`), so a path that needs both has two meanings; so has one that climbs above the root.
fn resolve(path: &str) -> Option<String> {
    let mut names = Vec::new();
    let (mut merged, mut climbed, mut is_open) = (false, false, false);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let segment = segment_meaning(segment)?;
        is_open = !matches!(segment, Segment::Name(_));
        match segment {
            Segment::Name(name) => names.push(name),
            Segment::Here => {}
            Segment::Empty => merged |= !is_last,
            Segment::Up => {
                climbed = true;
                names.pop()?;
            }
        }
    }
    if merged && climbed {
        return None;
    }
    let end = if is_open && !names.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(raw: &str) -> Option<String> {
        meaning(raw.as_bytes())
    }

    #[test]
    fn paths_with_one_meaning() {
        let cases = [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a/b.css", "/a/b.css"),
            ("/%61", "/a"),
            ("/%7Euser/~user", "/~user/~user"),
            ("/A/a", "/A/a"),
            ("/a//b", "/a/b"),
            ("/a///b//", "/a/b/"),
            ("/./a", "/a"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/../b", "/b"),
            ("/a/b/../../c/", "/c/"),
            ("/static/../checkout", "/checkout"),
            ("/static/%2e%2e/checkout", "/checkout"),
            ("/static/%2E./checkout", "/checkout"),
            ("/static/.%2e/checkout", "/checkout"),
            ("/My%20File.pdf", "/My File.pdf"),
            ("/gr%C3%B6n", "/grön"),
            ("/%E5%87%BA%E5%8F%A3", "/出口"),
            ("/%D0%B1%D0%B8%D0%BB%D0%B5%D1%82", "/билет"),
            ("/%E0%A4%9F%E0%A4%BF%E0%A4%95%E0%A4%9F", "/टिकट"),
            ("/%D7%9B%D7%A8%D7%98%D7%99%D7%A1", "/כרטיס"),
            ("/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/..a/.a/a..b", "/..a/.a/a..b"),
        ];
        for (raw, path) in cases {
            assert_eq!(clean(raw).as_deref(), Some(path), "{raw}");
        }
    }

    #[track_caller]
    fn all_ambiguous(cases: &[&str]) {
        for raw in cases {
            assert_eq!(clean(raw), None, "{raw}");
        }
    }

    #[test]
    fn paths_with_several_meanings() {
        all_ambiguous(&[
            "",
            "*",
            "static/a",
            "http://host/static/a",
            "//static/a",
            "///static/a",
            "//",
            "/static%2f..%2fcheckout",
            "/static/..%2Fcheckout",
            "/static/..%5ccheckout",
            "/static/..\\checkout",
            "\\static\\a",
            "/static/%5C",
            "/static/a%00",
            "/static/a%0a",
            "/static/a%0D",
            "/static/a%7f",
            "/static/a\0",
            "/static/a\tb",
            "/static/a b",
            "/static/%",
            "/static/%4",
            "/static/%zz",
            "/static/%+1",
            "/static/%u002e",
            "/static/%252e%252e/checkout",
            "/static/%25%32%65%25%32%65/checkout",
            "/static/..%252fcheckout",
            "/static/100%25",
            "/static/..;/checkout",
            "/static/;/../checkout",
            "/static/a;v=1",
            "/static/..%3b/checkout",
            "/x;a=b/../checkout",
            "/static/a%3fb",
            "/static/a%23b",
            "/static/a?b",
            "/static/a#b",
            "/static/...",
            "/static/.../checkout",
            "/static/..%20/checkout",
            "/static/%20/checkout",
            "/static./a",
            "/static%20/a",
            "/a../static/a",
            "/../static/a",
            "/static/../../static/a",
            "/static//../checkout",
            "/checkout//../static/a",
        ]);
    }

    #[test]
    fn characters_that_are_taken_for_others() {
        all_ambiguous(&[
            "/static/%c0%ae%c0%ae/checkout",
            "/static/%c0%af",
            "/static/%e0%80%af",
            "/static/%ff",
            "/static/%c3",
            "/static/%ed%a0%80",
            "/static/ö",
            "/%c5%bfhop",                          // ſ
            "/%e2%84%aart",                        // the Kelvin sign
            "/st%c4%b1le",                         // ı
            "/static/%ef%bc%8e%ef%bc%8e/checkout", // fullwidth full stops
            "/static/%ef%bc%8fcheckout",           // fullwidth solidus
            "/static/%e2%80%a5/checkout",          // two dot leader
            "/static/%e2%81%84",                   // fraction slash
            "/static/%e2%88%95",                   // division slash
            "/static/%ef%bc%bc",                   // fullwidth backslash
            "/static/%cd%be",                      // the Greek question mark is a semicolon
            "/static/.%e2%80%8b./checkout",        // zero width space
            "/static/.%c2%ad./checkout",           // soft hyphen
            "/static/%c2%a0",                      // no-break space
            "/static/%c2%85",                      // next line
            "/static/%e3%80%82%e3%80%82/checkout", // ideographic full stops
            "/%f0%9d%93%bc%f0%9d%93%bdatic",       // mathematical letters
            "/static/.%f3%a0%80%a1",               // a tag character
        ]);
    }

    #[test]
    fn the_table_of_lookalikes_is_in_order() {
        assert!(LOOKALIKES.iter().all(|(first, last)| first <= last));
        assert!(LOOKALIKES.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn a_clean_path_is_forwarded_in_one_spelling() {
        let forwarded = |raw: &str| PathView::of(raw.as_bytes()).to_request_path();
        assert_eq!(forwarded("/a/../My%20%46ile%C3%B6@1.pdf").unwrap(), "/My%20File%C3%B6@1.pdf");
        assert_eq!(forwarded("/%22%3Cb%3E").unwrap(), "/%22%3Cb%3E");
        assert_eq!(forwarded("/..;/"), None);
    }

    /// How origins are known to read a path. Each gives the place that it would serve.
    mod origins {
        fn decoded(path: &str) -> String {
            percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
        }

        /// RFC 3986, 5.2.4 on whole segments; empty ones are names like any other.
        fn remove_dots(path: &str) -> String {
            let mut out: Vec<&str> = Vec::new();
            let segments: Vec<&str> = path.split('/').skip(1).collect();
            for (at, segment) in segments.iter().enumerate() {
                let last = at + 1 == segments.len();
                match *segment {
                    "." if last => out.push(""),
                    "." => {}
                    ".." => {
                        out.pop();
                        if last {
                            out.push("");
                        }
                    }
                    other => out.push(other),
                }
            }
            format!("/{}", out.join("/"))
        }

        fn merge(path: &str) -> String {
            let mut out = String::new();
            for c in path.chars() {
                if !(c == '/' && out.ends_with('/')) {
                    out.push(c);
                }
            }
            out
        }

        fn without_parameters(path: &str) -> String {
            path.split('/').map(|segment| segment.split(';').next().unwrap()).collect::<Vec<_>>().join("/")
        }

        fn cut(path: &str) -> String {
            path.split(['\0', '?', '#', '\r', '\n']).next().unwrap().to_owned()
        }

        pub fn all(raw: &str) -> Vec<(&'static str, String)> {
            let once = decoded(raw);
            let twice = decoded(&once);
            vec![
                ("decode, merge, resolve", remove_dots(&merge(&once))),
                ("decode, resolve, merge", merge(&remove_dots(&once))),
                ("decode twice, merge, resolve", remove_dots(&merge(&twice))),
                ("decode, cut, merge, resolve", remove_dots(&merge(&cut(&once)))),
                ("an escaped slash is none", remove_dots(&merge(&decoded(&raw.replace("%2f", "%252f"))))),
                ("backslashes are slashes", remove_dots(&merge(&once.replace('\\', "/")))),
                ("drop parameters, decode, resolve", remove_dots(&merge(&decoded(&without_parameters(raw))))),
                ("decode, drop parameters, resolve", remove_dots(&merge(&without_parameters(&once)))),
                ("read up to a space", remove_dots(&merge(&decoded(raw.split(' ').next().unwrap())))),
                (
                    "a leading // names a host",
                    match raw.strip_prefix("//") {
                        Some(rest) => format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)),
                        None => remove_dots(&merge(&once)),
                    },
                ),
            ]
        }

        /// These compare what they decoded, and resolve nothing.
        pub fn literal(raw: &str) -> Vec<(&'static str, String)> {
            vec![("decode", decoded(raw)), ("decode twice", decoded(&decoded(raw)))]
        }
    }

    /// Paths made of what matters to a path: anything, and tricks around a name under /static/.
    fn spelling() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "/",
            "/",
            "/",
            "/",
            "static",
            "static",
            "checkout",
            "a",
            ".",
            "..",
            "...",
            "%2e",
            "%2E%2e",
            "%2f",
            "%5c",
            "\\",
            ";",
            ";x=1",
            "%3b",
            "%25",
            "%252e",
            "%252f",
            "%00",
            "%0d",
            "%20",
            " ",
            "?",
            "#",
            "%3f",
            "%",
            "%c0%ae",
            "%C3%B6",
            "%ef%bc%8f",
            "%73tatic",
            "%63heckout",
            "x",
            "%41",
            "~",
            ":",
        ]);
        let anything = prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()));
        prop_oneof![anything, detour()]
    }

    /// `/…/static/…a`: mostly a walk up and down, with an odd step here and there.
    fn detour() -> impl Strategy<Value = String> {
        let plain = || prop::sample::select(vec!["checkout/", "checkout/", "../", "../", "./", "/"]);
        let odd = || {
            prop::sample::select(vec![
                "%2e%2e/",
                "..%2f",
                "..%5c",
                "..\\",
                "..;/",
                ";/",
                "%252e%252e/",
                "..%00/",
                " /",
                "%20/",
                "?/",
                "%23/",
                "static/",
                "%c0%ae%c0%ae/",
            ])
        };
        let way = move |most| {
            prop::collection::vec(prop_oneof![3 => plain(), 1 => odd()], 0..=most).prop_map(|steps| steps.concat())
        };
        (way(4), way(2)).prop_map(|(before, after)| format!("/{before}static/{after}a"))
    }

    fn is_static(path: &str) -> bool {
        path.starts_with("/static/")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_000))]

        #[test]
        fn the_short_way_says_what_the_long_one_does(raw in "[/.a~_-]{0,8}|/[a-z0-9./~_-]{0,12}") {
            if is_plain(raw.as_bytes()) {
                prop_assert_eq!(meaning(raw.as_bytes()), long_meaning(raw.as_bytes()));
                prop_assert_eq!(meaning(raw.as_bytes()), Some(raw));
            }
        }

        /// No spelling is taken for one under /static/ unless every origin serves something under /static/.
        #[test]
        fn nothing_seems_to_be_an_exception_that_is_none(raw in spelling()) {
            let view = PathView::of(raw.as_bytes());
            if view.clean().is_some_and(is_static) {
                for (origin, place) in origins::all(&raw) {
                    prop_assert!(is_static(&place), "{origin}: {raw} is {place}");
                }
            }
        }

        /// And as it is forwarded, not even those disagree that take a path as it stands.
        #[test]
        fn the_forwarded_spelling_is_understood_everywhere(raw in spelling()) {
            let view = PathView::of(raw.as_bytes());
            if let (Some(path), Some(forwarded)) = (view.clean(), view.to_request_path()) {
                prop_assert_eq!(PathView::of(forwarded.as_bytes()), view.clone());
                for (origin, place) in origins::all(&forwarded).into_iter().chain(origins::literal(&forwarded)) {
                    prop_assert_eq!(&place, path, "{} of {}", origin, &raw);
                }
                prop_assert_eq!(is_static(path), is_static(&forwarded));
            }
        }

        /// A clean path is clean however often it is read.
        #[test]
        fn reading_again_changes_nothing(raw in prop_oneof![spelling(), "/[!-~]{0,40}", "/(%[0-9a-f]{2}){0,20}"]) {
            let view = PathView::of(raw.as_bytes());
            if let Some(forwarded) = view.to_request_path() {
                prop_assert_eq!(PathView::of(forwarded.as_bytes()), view.clone());
                prop_assert_eq!(PathView::of(forwarded.as_bytes()).to_request_path(), Some(forwarded.clone()));
                if view.clean() == Some(&forwarded) {
                    prop_assert_eq!(PathView::of(forwarded.as_bytes()), PathView::Clean(forwarded));
                }
            }
        }

        #[test]
        fn a_clean_path_keeps_its_promises(raw in prop::collection::vec(any::<u8>(), 0..40)) {
            if let PathView::Clean(path) = PathView::of(&[b"/", raw.as_slice()].concat()) {
                prop_assert!(path.starts_with('/'));
                prop_assert!(!path.contains("//"));
                prop_assert!(!path.contains(['%', ';', '?', '#', '\\']));
                prop_assert!(!path.chars().any(char::is_control));
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
