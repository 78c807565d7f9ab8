//! The built-in page with every sample, hostile text in every field, and templates that must not load.

use super::*;

/// The page without scripts, styles and comments: what data may stand in.
fn outside_inline(html: &str) -> String {
    let inline = Inline::of(html);
    inline.scripts.iter().chain(&inline.styles).fold(html.to_owned(), |rest, text| rest.replace(text, ""))
}

/// The design that the reference gives everybody.
fn design() -> Design {
    let config = crate::config::Config::parse(crate::config::REFERENCE, "reference", &Default::default()).unwrap();
    let page = &config.sites[0].page;
    Design { language: page.language.clone(), light: page.light, dark: page.dark, ..Design::default() }
}

fn source(tag: &str, text: &str) -> Source {
    Source { tag: tag.to_owned(), name: format!("{tag}.ftl"), text: text.to_owned() }
}

fn built_in() -> Page {
    Page::built_in(&design()).unwrap()
}

fn load(template: &str) -> Result<Page, PageError> {
    Page::load(template, &design())
}

fn sample(name: &str) -> PageContext {
    PageContext::samples().into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn render(name: &str) -> String {
    built_in().speak("en").render(&sample(name)).unwrap()
}

fn refusal(template: &str) -> String {
    load(template).unwrap_err().to_string()
}

#[test]
fn every_sample_in_every_language_is_a_whole_small_page_that_needs_no_other_host() {
    let page = built_in();
    for tag in page.languages() {
        let spoken = page.speak(&tag);
        assert_eq!(spoken.language(), tag);
        for (name, context) in PageContext::samples() {
            let html = spoken.render(&context).unwrap();
            assert!(html.starts_with("<!doctype html>"), "{tag} {name}: {:?}", &html[..40]);
            assert!(html.trim_end().ends_with("</html>"), "{tag} {name}");
            assert!(html.len() < 30_000, "{tag} {name}: {} bytes", html.len());
            for outside in
                ["http://", "https://", "src=", "href=\"//", "url(", "@import", "style=\"", " onclick", "{{", "{%"]
            {
                assert!(!html.contains(outside), "{tag} {name} has {outside}");
            }
            let direction = if ["ar", "he"].contains(&&*tag) { "rtl" } else { "ltr" };
            assert!(html.contains(&format!("<html lang=\"{tag}\" dir=\"{direction}\">")), "{tag} {name}");
            assert_eq!(Inline::of(&html).policy(false), page.csp(), "{tag} {name}");
        }
    }
}

#[test]
fn what_is_prepared_ahead_is_what_the_template_makes() {
    let page = built_in();
    for tag in page.languages() {
        let spoken = page.speak(&tag);
        for (name, context) in PageContext::samples() {
            let context = PageContext { preview: false, ..context };
            let html = spoken.render(&context).unwrap();
            let plain = spoken.make(&context, false).unwrap();
            assert_eq!(String::from_utf8(plain.bytes).unwrap(), html, "{tag} {name}");
            let gzipped = spoken.make(&context, true).unwrap();
            assert!(gzipped.is_gzip && gzipped.bytes.len() < 14_000, "{tag} {name}: {} bytes", gzipped.bytes.len());
            let mut unzipped = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*gzipped.bytes), &mut unzipped).unwrap();
            assert_eq!(unzipped, html, "{tag} {name}");
        }
    }
}

#[test]
fn what_is_prepared_for_one_visitor_is_right_for_the_next() {
    let (page, waiting) = (built_in(), sample("waiting"));
    let spoken = page.speak("pl");
    let addresses = ["/", "/?a=<script>&b='\"", "/\u{f8ff}0\u{f8ff}"];
    for (ahead, address) in [1, 2, 5, 22, 9999, 10_000, 1_000_000].into_iter().zip(addresses.into_iter().cycle()) {
        let context = PageContext {
            title: format!("Hall {ahead}"),
            eta: (ahead % 2 == 0).then_some(PageEta { low_seconds: ahead, high_seconds: ahead * 2 }),
            reload_url: LocalUrl::new(address),
            ..waiting.clone().at(Some(ahead + 1))
        };
        let made = spoken.make(&context, false).unwrap();
        assert_eq!(String::from_utf8(made.bytes).unwrap(), spoken.render(&context).unwrap(), "{ahead}");
    }
    let marked = PageContext { message: "\u{f8ff}".to_owned(), ..waiting };
    let made = spoken.make(&marked, true).unwrap();
    assert!(!made.is_gzip && made.bytes == spoken.render(&marked).unwrap().into_bytes(), "made for itself");
}

/// Nothing that a reader would take for a mistake: a place that nothing was put into, or a text's name.
#[test]
fn nothing_is_left_to_fill_in_what_people_read() {
    let page = built_in();
    for tag in page.languages() {
        for (name, context) in PageContext::samples() {
            let html = page.speak(&tag).render(&context).unwrap();
            let html = outside_inline(&html);
            let start = html.find("<p class=\"room\">").unwrap();
            assert!(!html[start..].contains(['{', '}']), "{tag} {name}: {}", &html[start..]);
            let title = html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
            assert!(title.ends_with(" – Harbour Hall Tickets") || title.ends_with(" – Stadtbücherei"), "{tag} {title}");
        }
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
fn the_page_speaks_the_visitors_language() {
    let page = built_in();
    let cases = [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "<title>Noch 341 vor Ihnen – Harbour Hall Tickets</title>"),
        ("de", "de", "etwa 8 bis 12 Minuten"),
        ("pl", "pl", ">osób przed Tobą<"),
        ("ar", "ar", "dir=\"rtl\""),
        ("zh-TW", "zh-Hant", "您正在排隊"),
        ("sv", "en", "You are in line"),
        ("", "en", "You are in line"),
    ];
    for (accept, tag, text) in cases {
        let spoken = page.speak(accept);
        let html = spoken.render(&sample("waiting")).unwrap();
        assert!(spoken.language() == tag && html.contains(text), "{accept}: {text}");
    }
    let german = Page::built_in(&Design { language: "de".to_owned(), ..design() }).unwrap();
    assert_eq!(german.speak("sv").language(), "de");
    assert_eq!(german.speak("en").language(), "en");
}

#[test]
fn an_operator_changes_texts_and_adds_languages() {
    let sources = vec![
        source("sv", "direction = ltr\nnext = Din tur härnäst\nroom-name = Hamnhallen"),
        source("en", "next = Almost there"),
    ];
    let page = Page::built_in(&Design { sources, ..design() }).unwrap();
    let html = page.speak("sv-SE").render(&sample("next")).unwrap();
    assert!(html.contains("Din tur härnäst") && html.contains("<bdi>Hamnhallen</bdi>") && html.contains("lang=\"sv\""));
    assert!(html.contains("Nobody is ahead of you."), "what it lacks is English");
    let html = page.speak("en").render(&sample("next")).unwrap();
    assert!(html.contains("Almost there") && html.contains("<bdi>Harbour Hall Tickets</bdi>"));
    let broken = |sources| Page::built_in(&Design { sources, ..design() }).unwrap_err().to_string();
    let error = broken(vec![source("de", "naechster = x")]);
    assert!(error.contains("de.ftl") && error.contains("naechster"), "{error}");
    let error = Page::built_in(&Design { language: "sv".to_owned(), ..design() }).unwrap_err().to_string();
    assert!(error.contains("no language \"sv\"") && error.contains("zh-Hant"), "{error}");
}

#[test]
fn an_operators_colors_and_logo_are_in_the_page_and_in_its_policy() {
    let accent = crate::config::Color::parse("#7a0019").unwrap();
    let logo = Logo { media_type: "image/svg+xml".to_owned(), bytes: b"<svg xmlns='x'/>\xff\xff\xff\xff".to_vec() };
    let light = crate::config::Palette { accent, ..design().light };
    let page = Page::built_in(&Design { light, logo: Some(logo), embed: true, ..design() }).unwrap();
    let html = page.speak("en").render(&sample("waiting")).unwrap();
    assert!(html.contains("--accent: #7a0019; --on-accent: #ffffff;"));
    assert!(html.contains("<img src=\"data:image/svg+xml;base64,PHN2"));
    assert_eq!(page.csp(), Inline::of(&html).policy(true));
    assert_ne!(page.csp(), built_in().csp());
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
    assert!(built_in().speak("en").render(&slow).unwrap().contains(&refresh(20)), "no faster than the polls");
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
        let html = page.speak("en").render(&context).unwrap();
        assert_eq!(Inline::of(&html).policy(false), page.csp(), "{name}");
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
        let html = page.speak("en").render(&context).unwrap();
        assert_eq!(Inline::of(&html).policy(false), page.csp(), "{name}");
    }
    assert!(page.csp().starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(!page.csp().contains("unsafe") && !page.csp().contains('*'));
}

#[test]
fn other_line_breaks_are_served_as_the_browser_hashes_them() {
    let unix = load("<script>one\ntwo</script>").unwrap();
    for other in ["<script>one\r\ntwo</script>", "<script>one\rtwo</script>"] {
        let page = load(other).unwrap();
        assert_eq!(page.csp(), unix.csp());
        assert!(!page.speak("en").render(&sample("waiting")).unwrap().contains('\r'));
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
    load("{% set a = 1 %}{% macro m(b) %}{{ b }}{% endmacro %}{{ a }}{{ m(2) }}{% for c in range(3) %}{{ c }}{% endfor %}").unwrap();
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
fn a_template_of_ones_own_has_the_same_words() {
    let template = "<p>{{ t('people-ahead', count=ahead or 0) }} {{ (ahead or 0) | grouped }} {{ retention_seconds | duration }}\
                    <b data-t=\"{{ texts('joined') }}\">{{ t('joined', clock='20:15') }}</b>{{ wait_text }}";
    let page = load(template).unwrap();
    let html = page.speak("fr").render(&sample("waiting")).unwrap();
    assert_eq!(
        html,
        "<p>personnes avant vous 341 30 minutes<b data-t=\"{&quot;joined&quot;:&quot;Arrivée à {clock}&quot;}\">\
         Arrivée à 20:15</b>environ 8 à 12 minutes"
    );
    let error = refusal("{{ t('no-such') }}");
    assert!(error.contains("no text \"no-such\"") && error.contains("--texts"), "{error}");
    let page = load("{% macro m() %}{{ t('next') }}{% endmacro %}{{ m() }}").unwrap();
    assert_eq!(page.speak("de").render(&sample("waiting")).unwrap(), "Gleich sind Sie dran", "in macros too");
}
