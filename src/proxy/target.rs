//! The target of a request in the one form in which it is judged and forwarded: path and query.

use http::Method;
use std::borrow::Cow;

/// The path and query of a request's target, or `*` where the method allows that. `None`: a target that names no path here,
/// or whose path holds an escaped control character, which ends the path to some origins.
///
/// Of an absolute target the host is left out: pingora has refused one that isn't `Host`.
pub fn origin_form<'a>(method: &Method, target: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let form = match target {
        b"*" => return (method == Method::OPTIONS).then_some(Cow::Borrowed(target)),
        [b'/', ..] => Cow::Borrowed(target),
        other => below_authority(other)?,
    };
    let path = form.split(|byte| *byte == b'?').next().unwrap_or_default();
    (!has_escaped_control(path)).then_some(form)
}

fn below_authority(target: &[u8]) -> Option<Cow<'_, [u8]>> {
    let colon = target.windows(3).position(|three| three == b"://")?;
    let (scheme, rest) = target.split_at(colon);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = rest.get(3..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() {
        return None;
    }
    Some(if rest.starts_with(b"/") { Cow::Borrowed(rest) } else { Cow::Owned([b"/", rest].concat()) })
}

fn has_escaped_control(path: &[u8]) -> bool {
    path.windows(3).any(|escape| match escape {
        [b'%', b'0' | b'1', low] => low.is_ascii_hexdigit(),
        [b'%', b'7', low] => low.eq_ignore_ascii_case(&b'f'),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_becomes_a_path() {
        let form = |target: &'static str| origin_form(&Method::GET, target.as_bytes());
        for (target, path) in [
            ("/a?b=%0d%0a", "/a?b=%0d%0a"),
            ("//a", "//a"),
            ("http://h/a?b", "/a?b"),
            ("HTTPS://h:1", "/"),
            ("http://h?b", "/?b"),
        ] {
            assert_eq!(form(target).as_deref(), Some(path.as_bytes()), "{target}");
        }
        for target in
            ["", "*", "?a", "a", "h:80", "ftp://h/a", "http:/a", "http:///a", "/a%00", "/a%0D", "/%7F", "/%1f?b"]
        {
            assert_eq!(form(target), None, "{target}");
        }
        assert!(origin_form(&Method::OPTIONS, b"*").is_some());
    }
}
