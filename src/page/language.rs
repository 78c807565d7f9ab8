//! The languages of the page, and which of them a visitor gets.
//!
//! To add one to the program: `templates/locales/<language>.ftl` and its line in [`BUILT_IN`]. An operator adds one by a
//! file (`sites.page.languages`).

/// Every language that comes with the program, English first: it is what others lack.
pub(super) const BUILT_IN: [(&str, &str); 16] = [
    ("en", include_str!("../../templates/locales/en.ftl")),
    ("ar", include_str!("../../templates/locales/ar.ftl")),
    ("de", include_str!("../../templates/locales/de.ftl")),
    ("es", include_str!("../../templates/locales/es.ftl")),
    ("fr", include_str!("../../templates/locales/fr.ftl")),
    ("he", include_str!("../../templates/locales/he.ftl")),
    ("hi", include_str!("../../templates/locales/hi.ftl")),
    ("it", include_str!("../../templates/locales/it.ftl")),
    ("ja", include_str!("../../templates/locales/ja.ftl")),
    ("ko", include_str!("../../templates/locales/ko.ftl")),
    ("nl", include_str!("../../templates/locales/nl.ftl")),
    ("pl", include_str!("../../templates/locales/pl.ftl")),
    ("pt", include_str!("../../templates/locales/pt.ftl")),
    ("tr", include_str!("../../templates/locales/tr.ftl")),
    ("zh-Hans", include_str!("../../templates/locales/zh-Hans.ftl")),
    ("zh-Hant", include_str!("../../templates/locales/zh-Hant.ftl")),
];

/// Of a header so many wishes are read; people have a handful.
const MAX_WISHES: usize = 20;

/// Which of the known languages fits `Accept-Language` best; none: the visitor wants none of them, or anything.
///
/// Wishes count by their q, and where these are equal by their order (RFC 9110, 12.5.4). A wish is met by the very language,
/// else by a shorter form of it (RFC 4647, 3.4), else by a sister that people who speak it can read: `pt-PT` by `pt`, `zh-TW` by
/// `zh-Hant`, `en` by `en-GB`.
pub(super) fn choose<'a>(accept: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let all: Vec<(String, u16)> = accept.split(',').take(MAX_WISHES).filter_map(wish).collect();
    let mut wishes: Vec<&(String, u16)> = all.iter().filter(|(_, q)| *q > 0).collect();
    wishes.sort_by_key(|(_, q)| std::cmp::Reverse(*q)); // stable: equals keep their order
    let is_unwanted = |tag: &str| all.iter().any(|(wish, q)| *q == 0 && wish.eq_ignore_ascii_case(tag));
    let known = known.filter(|tag| !is_unwanted(tag));
    for (tag, _) in wishes {
        if tag == "*" {
            return None; // anything: what the site speaks
        }
        if let Some(found) = meets(tag, &known) {
            return Some(found);
        }
    }
    None
}

/// One wish, with its q in thousandths; a q that makes no sense is 0, as if it hadn't been said.
fn wish(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty() && tag.len() <= 35)?;
    let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let q = q.map_or(Some(1.0), |q| q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    Some((tag.to_owned(), q.map_or(0, |q| (q * 1000.0).round() as u16)))
}

fn meets<'a>(wish: &str, known: &(impl Iterator<Item = &'a str> + Clone)) -> Option<&'a str> {
    let find = |tag: &str| known.clone().find(|known| known.eq_ignore_ascii_case(tag));
    let mut tag = in_full(wish);
    loop {
        if let Some(found) = find(&tag) {
            return Some(found);
        }
        match tag.rfind('-') {
            Some(end) => tag.truncate(end),
            None => break,
        }
    }
    // Who asks for one script of a language can't be helped with another.
    let is_sister = |known: &&str| known.split('-').next().is_some_and(|language| language.eq_ignore_ascii_case(&tag));
    if tag == "zh" { None } else { known.clone().find(is_sister) }
}

/// With what goes without saying: which script Chinese is written in somewhere, and today's names of languages.
fn in_full(tag: &str) -> String {
    let tag = tag.to_ascii_lowercase();
    let (language, rest) = tag.split_once('-').unwrap_or((&tag, ""));
    let has_script = rest.split('-').next().is_some_and(|part| part.len() == 4);
    let joined = |language: &str| if rest.is_empty() { language.to_owned() } else { format!("{language}-{rest}") };
    match language {
        "zh" | "cmn" | "yue" if has_script => joined("zh"),
        "yue" => "zh-hant".to_owned(),
        "zh" | "cmn" if rest.split('-').any(|part| matches!(part, "tw" | "hk" | "mo")) => "zh-hant".to_owned(),
        "zh" | "cmn" => "zh-hans".to_owned(),
        "iw" => joined("he"),
        _ => tag.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> &'static str {
        choose(accept, BUILT_IN.iter().map(|(tag, _)| *tag)).unwrap_or("-")
    }

    #[test]
    fn wishes_count_by_q_and_then_by_order() {
        let cases = [
            ("de", "de"),
            ("de, fr", "de"),
            ("de;q=0.5, fr;q=0.9", "fr"),
            ("de;q=0.5,fr;q=0.9,it", "it"),
            ("sv, da;q=0.9, pl;q=0.1", "pl"),
            ("de;q=0, en;q=0.1", "en"),
            ("de;q=2, fr;q=0.1", "fr"),
            ("de;q=x, fr", "fr"),
            ("fr ; q=0.2 , DE ; q=0.3", "de"),
            ("da, *;q=0.5, fr;q=0.1", "-"),
            ("sv", "-"),
            ("", "-"),
            (";q=1,,", "-"),
        ];
        for (accept, tag) in cases {
            assert_eq!(chosen(accept), tag, "{accept}");
        }
    }

    #[test]
    fn a_region_is_met_by_its_language_and_chinese_by_its_script() {
        let cases = [
            ("de-AT", "de"),
            ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
            ("ar-EG-u-nu-latn", "ar"),
            ("iw-IL", "he"),
            ("zh", "zh-Hans"),
            ("zh-CN", "zh-Hans"),
            ("zh-SG", "zh-Hans"),
            ("zh-TW", "zh-Hant"),
            ("zh-HK,en", "zh-Hant"),
            ("zh-Hant-HK", "zh-Hant"),
            ("zh-Hans-HK", "zh-Hans"),
            ("yue", "zh-Hant"),
        ];
        for (accept, tag) in cases {
            assert_eq!(chosen(accept), tag, "{accept}");
        }
        let own = ["en-GB", "pt-BR"];
        assert_eq!(choose("pt-PT", own.into_iter()), Some("pt-BR"));
        assert_eq!(choose("en", own.into_iter()), Some("en-GB"));
        assert_eq!(choose("zh-TW, pt", ["zh-Hans", "pt"].into_iter()), Some("pt"));
    }

    #[test]
    fn a_hostile_header_costs_no_more_than_a_long_one() {
        let many = "xx,".repeat(2000) + "de";
        assert_eq!(chosen(&many), "-");
        assert_eq!(chosen(&"é-".repeat(500)), "-");
        assert_eq!(chosen("-,--,-de,de-"), "de");
    }
}
