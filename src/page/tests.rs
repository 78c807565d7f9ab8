//! The built-in page with every sample, hostile text in every field, and templates that must not load.

use super::*;

/// The page without scripts, styles and comments: what data may stand in.
fn outside_inline(html: &str) -> String {
    let inline = Inline::of(html);
    inline.scripts.iter().chain(&inline.styles).fold(html.to_owned(), |rest, text| rest.replace(text, ""))
}

fn built_in() -> Page {
    Page::built_in().unwrap()
}

fn sample(name: &str) -> PageContext {
    PageContext::samples().into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn render(name: &str) -> String {
    built_in().render(&sample(name)).unwrap()
}

fn refusal(template: &str) -> String {
    Page::load(template).unwrap_err().to_string()
}

#[test]
fn every_sample_is_a_whole_small_page_that_needs_no_other_host() {
    let page = built_in();
    for (name, context) in PageContext::samples() {
        let html = page.render(&context).unwrap();
        assert!(html.starts_with("<!doctype html>"), "{name}: {:?}", &html[..40]);
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert!(html.len() < 30_000, "{name}: {} bytes", html.len());
        for outside in
            ["http://", "https://", "src=", "href=\"//", "url(", "@import", "style=\"", " onclick", "{{", "{%"]
        {
            assert!(!html.contains(outside), "{name} has {outside}");
        }
    }
}

#[test]
fn compressed_or_not_and_kept_or_not_every_sample_is_the_same_page() {
    use std::io::Read as _;
    let page = built_in();
    for (name, context) in PageContext::samples() {
        let html = page.render(&context).unwrap();
        for _ in 0..2 {
            assert_eq!(page.body(&context, false).unwrap(), html, "{name}");
            let packed = page.body(&context, true).unwrap();
            let mut unpacked = String::new();
            flate2::read::GzDecoder::new(packed.as_ref()).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, html, "{name}");
            assert!(packed.len() * 2 < html.len(), "{name}: {} of {} bytes", packed.len(), html.len());
        }
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let page = built_in();
    for position in 1..=KEPT as u64 * 2 + 1 {
        let html = page.body(&sample("waiting").at(Some(position)), false).unwrap();
        assert!(html.len() > 1000);
        assert!(page.kept.lock().unwrap().len() <= KEPT);
    }
}

#[test]
fn each_state_says_what_it_is_about() {
    let cases = [
        ("waiting", "<title>341 ahead – Harbour Hall Tickets</title>"),
        ("waiting", "about 8 to 12 minutes"),
        ("waiting", "lock your phone for up to 30 minutes"),
        ("waiting", "You have 10 minutes. Each page you open starts that time anew, up to 2 hours in all."),
        ("one_ahead", ">person ahead of you<"),
        ("next", "<title>You are next – "),
        ("next", "less than a minute"),
        ("far", ">999,999<"),
        ("far", ">not known yet<"),
        ("first_contact", "data-place=\"none\""),
        ("paused", "data-state=\"paused\""),
        ("closed", "data-state=\"closed\""),
        ("reconnecting", "data-state=\"reconnecting\""),
        ("ready", "<title>Your turn – "),
        ("nothing_sent", "<b>Nothing was sent.</b>"),
        ("nothing_sent", "You have 1 minute."),
        ("nothing_sent_ready", ">Send it now</a>"),
        ("cookies_missing", "data-state=\"cookies\""),
        ("message", "starts at 20:30.\nThere are seats"),
    ];
    for (name, text) in cases {
        let html = render(name).replace("&#x27;", "'");
        assert!(html.contains(text), "{name} lacks {text}");
    }
    assert!(render("waiting").contains("aria-labelledby=\"from\" hidden"), "no message, no heading for it");
    assert!(!render("message").contains("aria-labelledby=\"from\" hidden"));
}

#[test]
fn estimates_are_rounded_outwards() {
    let cases = [
        (0, 60, "less than a minute"),
        (0, 61, "up to 2 minutes"),
        (179, 240, "about 2 to 4 minutes"),
        (180, 180, "about 3 minutes"),
        (1190, 1201, "about 15 to 25 minutes"),
        (5000, 6000, "about 80 to 100 minutes"),
        (10_000, 12_000, "about 2 to 4 hours"),
    ];
    for (low_seconds, high_seconds, text) in cases {
        let context = PageContext { eta: Some(PageEta { low_seconds, high_seconds }), ..sample("waiting") };
        assert!(built_in().render(&context).unwrap().contains(&format!(">{text}</dd>")), "{low_seconds} {text}");
    }
}

#[test]
fn without_scripts_it_reloads_the_address_but_never_a_post_or_in_vain() {
    let refresh = |seconds: u64| {
        format!(
            "<noscript><meta http-equiv=\"refresh\" content=\"{seconds};url=&#x2f;book?seat=14&amp;row=C\"></noscript>"
        )
    };
    assert!(render("waiting").contains(&refresh(15)));
    let slow = PageContext { poll_after_ms: 20_000, ..sample("waiting") };
    assert!(built_in().render(&slow).unwrap().contains(&refresh(20)), "no faster than the polls");
    for name in ["nothing_sent", "cookies_missing"] {
        assert!(!render(name).contains("http-equiv"), "{name}");
    }
    assert!(render("waiting").contains("Check now"));
}

#[test]
fn hostile_text_stays_text_in_every_field() {
    let page = built_in();
    let hostile = "</script><script>alert(1)</script>\" onload='x' {{ room }} {% if %} --> <!-- \u{2028} &quot;";
    for (name, sample) in PageContext::samples() {
        let url = LocalUrl::new(&format!("/{hostile}"));
        let context = PageContext {
            room: hostile.to_owned(),
            title: hostile.to_owned(),
            message: hostile.to_owned(),
            status_url: url.clone(),
            enqueue_url: Some(url.clone()),
            reload_url: url,
            ..sample
        };
        let html = page.render(&context).unwrap();
        assert_eq!(Inline::of(&html).policy(), page.csp(), "{name}");
        let text = outside_inline(&html);
        for danger in ["alert(1)</script>", "<script>alert", "\" onload", "onload='", "<!--", "-->"] {
            assert!(!text.contains(danger), "{name} has {danger}");
        }
        assert!(text.contains("{{ room }}"), "{name}: data is never read as a template");
    }
}

#[test]
fn the_policy_fits_every_sample_and_allows_nothing_else() {
    let page = built_in();
    for (name, context) in PageContext::samples() {
        assert_eq!(Inline::of(&page.render(&context).unwrap()).policy(), page.csp(), "{name}");
    }
    assert!(page.csp().starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(!page.csp().contains("unsafe") && !page.csp().contains('*'));
}

#[test]
fn other_line_breaks_are_served_as_the_browser_hashes_them() {
    let unix = Page::load("<script>one\ntwo</script>").unwrap();
    for other in ["<script>one\r\ntwo</script>", "<script>one\rtwo</script>"] {
        let page = Page::load(other).unwrap();
        assert_eq!(page.csp(), unix.csp());
        assert!(!page.render(&sample("waiting")).unwrap().contains('\r'));
    }
}

#[test]
fn a_template_that_does_not_parse_names_the_line() {
    let error = refusal("<p>\n{% if message %}\n<p>{{ title </p>");
    assert!(error.contains("not valid") && error.contains("waiting page:3"), "{error}");
}

#[test]
fn an_unknown_variable_is_found_even_where_no_sample_goes() {
    let error = refusal("{% if title == 'never' %}{{ tilte }}{% endif %}");
    assert!(error.contains("does not exist: tilte") && error.contains("title"), "{error}");
    let error = refusal("{% if eta %}{{ eta.low }}{% endif %}");
    assert!(error.contains("in the case \"waiting\"") && error.contains("undefined"), "{error}");
}

#[test]
fn what_a_template_makes_itself_is_known() {
    Page::load("{% set a = 1 %}{% macro m(b) %}{{ b }}{% endmacro %}{{ a }}{{ m(2) }}{% for c in range(3) %}{{ c }}{% endfor %}").unwrap();
}

#[test]
fn a_template_without_end_is_stopped() {
    let error = refusal("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}");
    assert!(error.contains("fuel"), "{error}");
    let error = refusal("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}");
    assert!(error.contains("does not render in the case"), "{error}");
}

#[test]
fn data_inside_a_script_or_style_is_refused() {
    let error = refusal("<script>var title = '{{ title }}';</script>");
    assert!(error.contains("<script>") && error.contains("data-*"), "{error}");
    let error = refusal("<style>p { width: {{ poll_after_ms }}px }</style>");
    assert!(error.contains("<style>"), "{error}");
    assert!(refusal("{% if message %}<script>1</script>{% endif %}").contains("\"waiting\" and \"message\""));
}

#[test]
fn numbers_are_grouped() {
    for (number, text) in
        [(0, "0"), (999, "999"), (1000, "1,000"), (1_204_118, "1,204,118"), (u64::MAX, "18,446,744,073,709,551,615")]
    {
        assert_eq!(grouped(number), text);
    }
}
