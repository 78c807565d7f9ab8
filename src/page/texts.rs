//! What the page says in one language: Fluent files, made into patterns when they are loaded.
//!
//! A pattern holds `{n}` or `{time}` where something changes; plural forms stand side by side, by the words of the
//! language's rules. So a page is filled by putting values in, on the server as in its script, and Fluent is asked no more.
//!
//! Promises: a text that is missing is the English one; a text that can't be filled, an unknown name and a broken file are
//! errors that name the file and the line or the text. To add a text: `templates/locales/en.ftl`, and every other language.

use std::collections::BTreeMap;
use std::fmt;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use intl_pluralrules::{PluralCategory, PluralRuleType, PluralRules};
use serde::Serialize;
use unic_langid::LanguageIdentifier;

/// What a text may use beside `$count`, which only chooses the plural.
const VALUES: [&str; 8] = ["n", "low", "high", "time", "most", "clock", "state", "room"];
/// A text that no language has of its own: the room's title, where it is another one in this language.
pub(super) const ROOM_NAME: &str = "room-name";
/// Numbers that meet every plural form of every language.
const SAMPLES: std::ops::RangeInclusive<u64> = 0..=110;
const MANY: u64 = 1_000_000;

/// A Fluent file, or texts of the configuration in its form.
#[derive(Clone, Debug)]
pub struct Source {
    /// The language, as in `pt-BR`.
    pub tag: String,
    /// What errors call it.
    pub name: String,
    pub text: String,
}

/// Why texts can't serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {problem}")]
pub struct TextError {
    pub source_name: String,
    /// A sentence without subject.
    pub problem: String,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Text {
    Plain(String),
    /// By the names of `Intl.PluralRules`; `other` is always there.
    Plural(BTreeMap<&'static str, String>),
}

impl Text {
    fn patterns(&self) -> impl Iterator<Item = &str> {
        let (plain, plural) = match self {
            Self::Plain(pattern) => (Some(pattern.as_str()), None),
            Self::Plural(patterns) => (None, Some(patterns.values().map(String::as_str))),
        };
        plain.into_iter().chain(plural.into_iter().flatten())
    }
}

/// A language.
pub(super) struct Texts {
    pub(super) tag: String,
    pub(super) is_rtl: bool,
    texts: BTreeMap<String, Text>,
    plurals: Option<PluralRules>,
    digits: Digits,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Texts {
    /// Reads a language from its sources, of which the later ones count more.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(super) fn load(tag: &str, sources: &[&Source], english: Option<&Self>) -> Result<Self, TextError> {
        let last = sources.last().map_or(tag, |source| &source.name);
        let wrong = |problem: String| TextError { source_name: last.to_owned(), problem };
        let language: LanguageIdentifier =
            tag.parse().map_err(|_| wrong(format!("\"{tag}\" is no language, as en or zh-Hant are")))?;
        let mut bundle = FluentBundle::new(vec![language.clone()]);
        bundle.set_use_isolating(false); // patterns go through a script that knows nothing of the marks
        for source in sources {
            bundle.add_resource_overriding(resource(source, english)?);
        }
        let base = LanguageIdentifier::from_parts(language.language, None, None, &[]);
        let plurals = PluralRules::create(base, PluralRuleType::CARDINAL).ok();
        let samples = samples(plurals.as_ref());
        let mut texts = english.map(|english| english.texts.clone()).unwrap_or_default();
        let names: std::collections::BTreeSet<&str> = sources.iter().flat_map(|source| names(&source.text)).collect();
        for name in names {
            let text = pattern(&bundle, name, &samples, english).map_err(wrong)?;
            texts.insert(name.to_owned(), text);
        }
        let plain = |name: &str| match texts.get(name) {
            Some(Text::Plain(text)) => text.as_str(),
            _ => "",
        };
        let is_rtl = match plain("direction") {
            "ltr" => false,
            "rtl" => true,
            _ => return Err(wrong("direction must be ltr or rtl".to_owned())),
        };
        let digits = Digits::like(plain("number-sample"))
            .ok_or_else(|| wrong("number-sample must be the number 1234567 as it is written".to_owned()))?;
        Ok(Self { tag: tag.to_owned(), is_rtl, texts, plurals, digits })
    }

    /// Every text, as it is.
    pub(super) fn find(&self, name: &str) -> Option<&Text> {
        self.texts.get(name)
    }

    /// The names of all texts.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// A text with its values; `None`: there is none of that name. What gets no value stays a `{name}`, for the script.
    pub(super) fn say(&self, name: &str, count: Option<u64>, values: &[(&str, &str)]) -> Option<String> {
        let pattern = match self.texts.get(name)? {
            Text::Plain(pattern) => pattern,
            Text::Plural(patterns) => patterns.get(self.category(count?)).or_else(|| patterns.get("other"))?,
        };
        let written = count.map(|count| self.number(count));
        let n = written.iter().map(|written| ("n", written.as_str()));
        Some(fill(pattern, &values.iter().copied().chain(n).collect::<Vec<_>>()))
    }

    /// A number as people read it: 1284 becomes 1,284 or 1.284.
    pub(super) fn number(&self, number: u64) -> String {
        self.digits.write(number)
    }

    /// A length of time in words. What isn't whole is rounded down: it is a promise.
    pub(super) fn duration(&self, seconds: u64) -> String {
        let (name, count) = match seconds {
            3600.. if seconds.is_multiple_of(3600) => ("hours", seconds / 3600),
            0..120 if seconds != 60 => ("seconds", seconds),
            _ => ("minutes", seconds / 60),
        };
        self.say(name, Some(count), &[]).unwrap_or_default()
    }

    /// An estimate in words, rounded outwards, coarser the longer it takes; as the page's script does.
    pub(super) fn wait(&self, low: u64, high: u64) -> String {
        let step = match high {
            0..=60 => return self.say("wait-soon", None, &[]).unwrap_or_default(),
            61..=1200 => 60,
            1201..=5400 => 300,
            5401..=10_800 => 600,
            _ => 3600,
        };
        let (unit, name) = if step == 3600 { (3600, "wait-hours") } else { (60, "wait-minutes") };
        let (low, high) = (low / step * step / unit, high.div_ceil(step) * step / unit);
        let form = match low {
            0 => "-most",
            _ if low == high => "-even",
            _ => "",
        };
        let values = [("low", &*self.number(low)), ("high", &*self.number(high))];
        self.say(&format!("{name}{form}"), Some(high), &values).unwrap_or_default()
    }

    fn category(&self, count: u64) -> &'static str {
        self.plurals.as_ref().map_or("other", |rules| category(rules, count))
    }
}

/// Parses a source; names that English doesn't have are mistakes.
fn resource(source: &Source, english: Option<&Texts>) -> Result<FluentResource, TextError> {
    let wrong = |problem: String| TextError { source_name: source.name.clone(), problem };
    if let Some(english) = english
        && let Some(unknown) = names(&source.text).find(|name| *name != ROOM_NAME && english.find(name).is_none())
    {
        return Err(wrong(format!("there is no text named {unknown} (gatekeeper page --texts en prints them all)")));
    }
    FluentResource::try_new(source.text.clone()).map_err(|(_, errors)| {
        let first = errors.first();
        let before = first.and_then(|error| source.text.get(..error.pos.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        wrong(format!("line {line}: {}", first.map_or_else(String::new, ToString::to_string)))
    })
}

/// The names of a file's texts: they begin their lines.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim_end())
        .filter(move |name| is_name(name))
}

/// A number for every plural form that the language has.
fn samples(rules: Option<&PluralRules>) -> BTreeMap<&'static str, u64> {
    let mut samples = BTreeMap::from([("other", MANY)]);
    if let Some(rules) = rules {
        // The least number of each form remains: it was inserted last.
        for number in std::iter::once(MANY).chain(SAMPLES.rev()) {
            samples.insert(category(rules, number), number);
        }
    }
    samples
}

fn category(rules: &PluralRules, count: u64) -> &'static str {
    // intl_pluralrules 7 forgets that Arabic goes by the last two digits: 103 is like 3, and 100 to 102 like neither 1 nor 2.
    let count = match count % 100 {
        last @ 3.. if count > 100 && rules.get_locale().language.as_str() == "ar" => last,
        _ => count,
    };
    match rules.select(usize::try_from(count).unwrap_or(usize::MAX)) {
        Ok(PluralCategory::ZERO) => "zero",
        Ok(PluralCategory::ONE) => "one",
        Ok(PluralCategory::TWO) => "two",
        Ok(PluralCategory::FEW) => "few",
        Ok(PluralCategory::MANY) => "many",
        Ok(PluralCategory::OTHER) | Err(_) => "other",
    }
}

/// One text in all its forms.
fn pattern(
    bundle: &FluentBundle<FluentResource>,
    name: &str,
    samples: &BTreeMap<&'static str, u64>,
    english: Option<&Texts>,
) -> Result<Text, String> {
    let message = bundle.get_message(name).and_then(|message| message.value());
    let message = message.ok_or_else(|| format!("{name} has no text"))?;
    let mut patterns = BTreeMap::new();
    for (form, number) in samples {
        let mut arguments = FluentArgs::new();
        arguments.set("count", *number);
        for value in VALUES.iter().filter(|value| may_use(name, value, english)) {
            arguments.set(*value, format!("{{{value}}}"));
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(message, Some(&arguments), &mut errors).into_owned();
        if let Some(error) = errors.first() {
            return Err(format!("{name}: {error}; the English text shows what it may use"));
        }
        patterns.insert(*form, text);
    }
    let mut texts = patterns.values();
    let first = texts.next().cloned().unwrap_or_default();
    if texts.all(|text| *text == first) { Ok(Text::Plain(first)) } else { Ok(Text::Plural(patterns)) }
}

/// What the English text uses, a translation may use.
fn may_use(name: &str, value: &str, english: Option<&Texts>) -> bool {
    let Some(english) = english else { return true };
    let Some(text) = english.find(name) else { return false };
    text.patterns().any(|pattern| pattern.contains(&format!("{{{value}}}")))
}

/// Puts values in where a pattern asks for them, in one go: a value is never read as a pattern.
fn fill(pattern: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value = after.split_once('}').and_then(|(name, tail)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((*value, tail))
        });
        rest = if let Some((value, tail)) = value {
            filled.push_str(value);
            tail
        } else {
            filled.push('{');
            after
        };
    }
    filled.push_str(rest);
    filled
}

/// How numbers are written.
#[derive(Debug, PartialEq, Eq)]
struct Digits {
    separator: String,
    /// Digits of a group, but of the last one: two in India, else three.
    group: usize,
}

impl Digits {
    /// From the number 1234567.
    fn like(sample: &str) -> Option<Self> {
        if sample.chars().filter(char::is_ascii_digit).collect::<String>() != "1234567" {
            return None;
        }
        let separator: String =
            sample.chars().skip_while(char::is_ascii_digit).take_while(|c| !c.is_ascii_digit()).collect();
        let groups: Vec<usize> = sample.split(separator.as_str()).map(str::len).collect();
        match *groups {
            _ if separator.is_empty() => Some(Self { separator, group: 3 }),
            [1, 3, 3] => Some(Self { separator, group: 3 }),
            [2, 2, 3] => Some(Self { separator, group: 2 }),
            _ => None,
        }
    }

    fn write(&self, number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::with_capacity(digits.len() * 2);
        for (at, digit) in digits.chars().enumerate() {
            let left = digits.len() - at;
            if at > 0 && left >= 3 && (left - 3).is_multiple_of(self.group) {
                text.push_str(&self.separator);
            }
            text.push(digit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::language::BUILT_IN;
    use super::*;

    fn source(tag: &str, text: &str) -> Source {
        Source { tag: tag.to_owned(), name: format!("{tag}.ftl"), text: text.to_owned() }
    }

    fn english() -> Texts {
        Texts::load("en", &[&source("en", BUILT_IN[0].1)], None).unwrap()
    }

    fn built_in(tag: &str) -> Texts {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == tag).unwrap();
        Texts::load(tag, &[&source(tag, text)], Some(&english())).unwrap()
    }

    fn refusal(tag: &str, text: &str) -> String {
        Texts::load(tag, &[&source(tag, text)], Some(&english())).unwrap_err().to_string()
    }

    #[test]
    fn every_language_has_every_text_and_nothing_else() {
        let english: Vec<String> = names(BUILT_IN[0].1).map(str::to_owned).collect();
        assert!(english.len() > 70, "{}", english.len());
        for (tag, text) in BUILT_IN {
            let missing: Vec<_> = english.iter().filter(|name| !names(text).any(|known| known == **name)).collect();
            assert!(missing.is_empty(), "{tag} lacks {missing:?}");
            built_in(tag);
        }
    }

    #[test]
    fn every_text_of_every_language_says_what_changes() {
        let english = english();
        for (tag, _) in BUILT_IN {
            let texts = built_in(tag);
            for name in english.names() {
                let Some(Text::Plain(pattern)) = texts.find(name) else { continue };
                for value in VALUES {
                    let needed =
                        english.find(name).unwrap().patterns().all(|text| text.contains(&format!("{{{value}}}")));
                    assert!(!needed || pattern.contains(&format!("{{{value}}}")), "{tag}: {name} lacks {value}");
                }
            }
        }
    }

    #[test]
    fn plurals_are_those_of_the_language() {
        let say = |tag: &str, name: &str, count| built_in(tag).say(name, Some(count), &[]).unwrap();
        assert_eq!(say("en", "people-ahead", 1), "person ahead of you");
        assert_eq!(say("en", "waiting-all", 1284), "1,284 waiting");
        assert_eq!(say("de", "waiting-all", 1284), "1.284 Personen warten");
        assert_eq!(say("fr", "people-ahead", 0), "personne avant vous");
        for (count, text) in [(1, "osoba"), (2, "osoby"), (5, "osób"), (12, "osób"), (22, "osoby"), (100, "osób")] {
            assert_eq!(say("pl", "people-ahead", count), format!("{text} przed Tobą"), "{count}");
        }
        for (count, text) in [(1, "دقيقة واحدة"), (2, "دقيقتين"), (3, "3 دقائق"), (11, "11 دقيقة"), (103, "103 دقائق")]
        {
            assert_eq!(say("ar", "minutes", count), text);
        }
        assert_eq!(say("ja", "waiting-all", 1_204_118), "1,204,118人が待機中");
        assert_eq!(say("hi", "title-ahead", 1_204_118), "आपसे आगे 12,04,118");
    }

    #[test]
    fn times_are_promises_and_estimates_are_rounded_outwards() {
        let english = english();
        let durations = [
            (60, "1 minute"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (150, "2 minutes"),
            (1800, "30 minutes"),
            (3600, "1 hour"),
            (5400, "90 minutes"),
            (7200, "2 hours"),
        ];
        for (seconds, text) in durations {
            assert_eq!(english.duration(seconds), text);
        }
        let estimates = [
            (0, 60, "less than a minute"),
            (0, 61, "up to 2 minutes"),
            (179, 240, "about 2 to 4 minutes"),
            (180, 180, "about 3 minutes"),
            (1190, 1201, "about 15 to 25 minutes"),
            (5000, 6000, "about 80 to 100 minutes"),
            (10_000, 12_000, "about 2 to 4 hours"),
        ];
        for (low, high, text) in estimates {
            assert_eq!(english.wait(low, high), text);
        }
    }

    #[test]
    fn what_a_language_lacks_is_english_and_the_later_source_counts() {
        let (one, two) = (
            source("sv", "direction = ltr\nnumber-sample = 1 234 567\nnext = Nästa"),
            source("sv", "next = Du är näst"),
        );
        let swedish = Texts::load("sv", &[&one, &two], Some(&english())).unwrap();
        assert_eq!(swedish.say("next", None, &[]).unwrap(), "Du är näst");
        assert_eq!(swedish.say("paused", None, &[]).unwrap(), "The line is paused");
        assert_eq!(swedish.number(1_234_567), "1 234 567");
        assert!(swedish.say("nonsense", None, &[]).is_none());
    }

    #[test]
    fn a_broken_text_is_named() {
        let cases = [
            ("sv", "next = ok\nnext-abuot = x", "sv.ftl: there is no text named next-abuot"),
            ("sv", "next = ok\nnext-about = {$n", "sv.ftl: line 2: "),
            ("sv", "next = {$room}", "sv.ftl: next: Resolver error: Unknown variable: $room"),
            ("sv", "kept-about = {$tme}", "kept-about: Resolver error: Unknown variable: $tme"),
            ("sv", "direction = left", "direction must be ltr or rtl"),
            ("sv", "number-sample = 1.23.4567", "number-sample must be"),
            ("no such", "next = x", "is no language"),
        ];
        for (tag, text, said) in cases {
            let error = refusal(tag, text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_pattern() {
        assert_eq!(fill("{a} – {b} {c} {", &[("a", "{b}"), ("b", "{a}")]), "{b} – {a} {c} {");
        assert_eq!(fill("}{}{{a}}", &[("a", "x")]), "}{}{x}");
    }

    #[test]
    fn numbers_are_written_like_the_sample() {
        let write = |sample: &str, number| Digits::like(sample).unwrap().write(number);
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")] {
            assert_eq!(write("1,234,567", number), text);
        }
        assert_eq!(write("12,34,567", 123_456_789), "12,34,56,789");
        assert_eq!(write("1234567", 1_000_000), "1000000");
        for wrong in ["", "1,234", "123,4567", "1,234.567", "x"] {
            assert!(Digits::like(wrong).is_none(), "{wrong}");
        }
    }
}
