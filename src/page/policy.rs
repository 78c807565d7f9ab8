//! The Content-Security-Policy of a page, made from what stands in it.
//!
//! The policy allows exactly the inline scripts and styles that the page had when it was loaded, by hash (CSP level 3,
//! section 8.4). So these must never depend on a visitor: what changes travels in `data-*` attributes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The inline scripts and styles of a rendered page, in the order of the document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inline<'a> {
    pub(super) scripts: Vec<&'a str>,
    pub(super) styles: Vec<&'a str>,
}

impl<'a> Inline<'a> {
    /// Finds them as an HTML parser does: not inside comments, not fooled by `>` in a quoted attribute.
    pub(super) fn of(html: &'a str) -> Self {
        let mut found = Self::default();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = rest.get(at..).unwrap_or_default();
            rest = if rest.starts_with("<!--") {
                rest.split_once("-->").map_or("", |(_, after)| after)
            } else if let Some(after) = after_tag(rest, "script") {
                take_text(after, "</script", &mut found.scripts)
            } else if let Some(after) = after_tag(rest, "style") {
                take_text(after, "</style", &mut found.styles)
            } else {
                rest.get(1..).unwrap_or_default()
            };
        }
        found
    }

    /// The whole policy of a page with these; `embed`: others may show it in a frame.
    pub(super) fn policy(&self, embed: bool) -> String {
        format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src 'self' data:; \
             {}base-uri 'none'; form-action 'self'",
            sources(&self.scripts),
            sources(&self.styles),
            if embed { "" } else { "frame-ancestors 'none'; " }
        )
    }
}

/// What follows the opening tag of this name, if `html` begins with it.
fn after_tag<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let tag = html.get(1..=name.len())?;
    let attributes = html.get(name.len() + 1..)?;
    if !tag.eq_ignore_ascii_case(name) || !attributes.starts_with(|c: char| c.is_ascii_whitespace() || "/>".contains(c))
    {
        return None;
    }
    let mut quote = None;
    for (at, c) in attributes.char_indices() {
        match (quote, c) {
            (None, '>') => return attributes.get(at + 1..),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Adds the text up to the closing tag and returns what follows it.
fn take_text<'a>(html: &'a str, close: &str, found: &mut Vec<&'a str>) -> &'a str {
    let end = html.to_ascii_lowercase().find(close).unwrap_or(html.len());
    let (text, after) = html.split_at(end);
    found.push(text);
    after
}

fn sources(texts: &[&str]) -> String {
    if texts.is_empty() {
        return "'none'".to_owned();
    }
    let hash = |text: &&str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    texts.iter().map(hash).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_inline_elements_where_a_browser_does() {
        let html = "<!-- <script>no</script> --><STYLE media=\"a>b\">x{}</STYLE><scripts>no</scripts>\
                    <p title=\"a\">é</p><script\ntype='>'>one<!-- two</Script ><script>three</script>";
        let found = Inline::of(html);
        assert_eq!(found.styles, ["x{}"]);
        assert_eq!(found.scripts, ["one<!-- two", "three"]);
    }

    #[test]
    fn the_policy_names_each_hash() {
        // The example of CSP level 3, section 8.4's predecessor (level 2, section 4.2.5) is this very script.
        let policy = Inline::of("<script>alert('Hello, world.');</script>").policy(false);
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; style-src 'none'; \
             connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        );
        assert!(!Inline::default().policy(true).contains("frame-ancestors"), "what may be embedded isn't refused");
    }

    #[test]
    fn broken_html_ends_the_search_without_a_panic() {
        for html in ["<", "<script", "<script>", "<script a='", "<!--", "<é", "<scripté>", "</"] {
            let _ = Inline::of(html);
        }
    }
}
