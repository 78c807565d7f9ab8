//! The waiting page: one template, one typed context, many languages, one Content-Security-Policy.
//!
//! A [`Page`] is a whole template environment, checked when it is made: it renders every sample of
//! [`PageContext::samples`] in every language, uses no variable and no text that doesn't exist, comes to an end, and has the
//! same inline scripts and styles whatever the visitor. So a page that loaded can be served; whoever reloads one builds a new
//! `Page` and swaps it in, and a broken template or text leaves the last good one where it is.
//!
//! The built-in page asks for nothing but its polls. To change what it may say, see `context.rs`; in which words,
//! `texts.rs`; the script at the end of `templates/waiting.html` says in its first lines how it behaves.

mod address;
mod context;
mod language;
mod look;
mod policy;
mod prepared;
mod texts;
mod words;

pub use address::LocalUrl;
pub use context::{PageContext, PageEta, PageState};
pub use look::{Design, Logo, MAX_LOGO};
pub use texts::{Source, TextError};

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use policy::Inline;
use prepared::{Hole, Kind, Skeleton, Skeletons};
use texts::{ROOM_NAME, Texts};
use words::Languages;

/// The template that is used when the operator has none.
pub const BUILT_IN: &str = include_str!("../../templates/waiting.html");

/// The name under which errors mention the template.
const NAME: &str = "waiting page";

/// Instructions that a template may take to render; the built-in one takes about two thousand.
const FUEL: u64 = 100_000;

/// Why a template can't serve as the waiting page. The text names the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It doesn't parse.
    #[error("the template of the waiting page is not valid: {0}")]
    Syntax(#[source] minijinja::Error),
    /// It uses variables that a [`PageContext`] hasn't.
    #[error("the template of the waiting page uses what does not exist: {unknown} (there are: {known})")]
    UnknownVariable { unknown: String, known: String },
    /// It fails with one of the samples.
    #[error("the waiting page does not render in the case \"{sample}\" ({language}): {source}")]
    Sample { sample: &'static str, language: String, source: minijinja::Error },
    /// Its inline scripts or styles depend on the visitor, so that no policy can name them.
    #[error(
        "the <{element}> elements of the waiting page differ between the cases \"{first}\" and \"{second}\": \
         put what changes into data-* attributes, never inside a script or style"
    )]
    Unsteady { element: &'static str, first: String, second: String },
    /// One of its languages.
    #[error("the texts of the waiting page: {0}")]
    Text(#[from] TextError),
    /// The language for everybody else isn't among them.
    #[error("the waiting page has no language \"{language}\" (there are: {known})")]
    NoLanguage { language: String, known: String },
    /// It fails with what is true of this visitor.
    #[error("the waiting page does not render: {0}")]
    Render(#[source] minijinja::Error),
}

/// A template that has been checked, with its languages and its policy.
#[derive(Debug)]
pub struct Page {
    templates: Environment<'static>,
    languages: Arc<Languages>,
    csp: String,
    /// Of the built-in page; what an operator's template does with its values is not known.
    skeletons: Option<Skeletons>,
}

/// A page on its way to a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub bytes: Vec<u8>,
    /// Whether it is compressed (`Content-Encoding: gzip`).
    pub is_gzip: bool,
}

impl Page {
    /// Builds and checks a page from the text of a template (Jinja syntax, escaped as HTML).
    ///
    /// # Errors
    /// Everything but [`PageError::Render`].
    pub fn load(template: &str, design: &Design) -> Result<Self, PageError> {
        let page = Self::unchecked(template, design)?;
        page.check_variables()?;
        let tags = page.languages();
        page.checked(&tags, design)
    }

    /// The page that comes with the program. Tests have seen it in all its own languages; here it is checked in those that
    /// the operator changed.
    ///
    /// # Errors
    /// What is wrong with the design.
    pub fn built_in(design: &Design) -> Result<Self, PageError> {
        let page = Self { skeletons: Some(Skeletons::default()), ..Self::unchecked(&lean(BUILT_IN), design)? };
        let own: BTreeSet<&str> = design.sources.iter().map(|source| source.tag.as_str()).collect();
        let tags = if own.is_empty() { vec![page.languages.general().tag.clone()] } else { page.tags_of(&own) };
        page.checked(&tags, design)
    }

    fn unchecked(template: &str, design: &Design) -> Result<Self, PageError> {
        let languages = Arc::new(Languages::load(design)?);
        let templates = environment(template, design, &languages).map_err(PageError::Syntax)?;
        Ok(Self { templates, languages, csp: String::new(), skeletons: None })
    }

    fn checked(mut self, tags: &[String], design: &Design) -> Result<Self, PageError> {
        self.csp = self.check_samples(tags, design.embed)?;
        Ok(self)
    }

    fn tags_of(&self, own: &BTreeSet<&str>) -> Vec<String> {
        self.languages().into_iter().filter(|tag| own.contains(tag.as_str())).collect()
    }

    /// The page in the language that fits `Accept-Language` best.
    pub fn speak(&self, accept_language: &str) -> Spoken<'_> {
        Spoken { page: self, texts: self.languages.choose(accept_language) }
    }

    /// Its languages, as in `zh-Hant`.
    pub fn languages(&self) -> Vec<String> {
        self.languages.all().map(|texts| texts.tag.clone()).collect()
    }

    /// The value of the `Content-Security-Policy` header that this page must be sent with.
    pub fn csp(&self) -> &str {
        &self.csp
    }

    /// Finds unknown names even in branches that no sample takes.
    fn check_variables(&self) -> Result<(), PageError> {
        let Some((_, sample)) = PageContext::samples().into_iter().next() else { return Ok(()) };
        let mut known = names(&Value::from(Serde(&sample)));
        known.extend(DERIVED.map(str::to_owned));
        let globals: BTreeSet<String> = self.templates.globals().map(|(name, _)| name.to_owned()).collect();
        let template = self.templates.get_template(NAME).map_err(PageError::Syntax)?;
        let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        let unknown: Vec<String> =
            used.into_iter().filter(|name| !known.contains(name) && !globals.contains(name)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        Err(PageError::UnknownVariable { unknown: unknown.join(", "), known })
    }

    /// Renders every sample in these languages and makes the policy that fits them all.
    fn check_samples(&self, tags: &[String], embed: bool) -> Result<String, PageError> {
        let samples = PageContext::samples();
        let mut model: Option<(String, String)> = None;
        for tag in tags {
            let spoken = self.speak(tag);
            for (sample, context) in &samples {
                let html = spoken.html(context).map_err(|source| {
                    let language = spoken.language().to_owned();
                    PageError::Sample { sample, language, source }
                })?;
                match &model {
                    None => model = Some(((*sample).to_owned(), html)),
                    Some((first, model)) => same_inline((first, model), (sample, &html))?,
                }
            }
        }
        Ok(model.map_or_else(String::new, |(_, html)| Inline::of(&html).policy(embed)))
    }
}

/// A page in one language.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    page: &'a Page,
    texts: &'a Texts,
}

impl<'a> Spoken<'a> {
    /// As in `zh-Hant`.
    pub fn language(&self) -> &'a str {
        &self.texts.tag
    }

    /// The page as HTML (UTF-8) for one visitor.
    ///
    /// # Errors
    /// [`PageError::Render`], where the template does with these values what it did with no sample.
    pub fn render(&self, context: &PageContext) -> Result<String, PageError> {
        self.html(context).map_err(PageError::Render)
    }

    /// The page as it is sent: the same HTML, prepared ahead where that is possible, compressed where the visitor can read
    /// that.
    ///
    /// # Errors
    /// As [`Spoken::render`].
    pub fn make(&self, context: &PageContext, takes_gzip: bool) -> Result<Made, PageError> {
        let Some(skeleton) = self.skeleton(context) else {
            return Ok(Made { bytes: self.render(context)?.into_bytes(), is_gzip: false });
        };
        let values = |hole| self.value(hole, context);
        let bytes = if takes_gzip { skeleton.gzipped(&values) } else { skeleton.plain(&values) };
        Ok(Made { bytes, is_gzip: takes_gzip })
    }

    fn skeleton(&self, context: &PageContext) -> Option<Arc<Skeleton>> {
        let make = || {
            let known = context! { ..prepared::marked(), ..self.known(context) };
            let html = self.page.templates.get_template(NAME).ok()?.render(known).ok()?;
            Skeleton::cut(&html)
        };
        let skeletons = self.page.skeletons.as_ref().filter(|_| !context.preview)?;
        skeletons.find(Kind::of(self.texts, context), make)
    }

    fn html(&self, context: &PageContext) -> Result<String, minijinja::Error> {
        self.page.templates.get_template(NAME)?.render(self.known(context))
    }

    /// All that a template may use.
    fn known(&self, context: &PageContext) -> Value {
        context! {
            lang => self.texts.tag.as_str(),
            dir => if self.texts.is_rtl { "rtl" } else { "ltr" },
            title => self.value(Hole::Title, context),
            place => context.place(),
            is_long => context.is_long(),
            interval => context.interval(),
            tab_title => self.value(Hole::TabTitle, context),
            ahead_text => self.value(Hole::AheadText, context),
            people_text => self.value(Hole::PeopleText, context),
            wait_text => self.value(Hole::WaitText, context),
            ..Value::from(Serde(context))
        }
    }

    /// What is this visitor's alone, as the page writes it.
    fn value(&self, hole: Hole, context: &PageContext) -> String {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        let say = |name, count, values: &[(&str, &str)]| self.texts.say(name, count, values).unwrap_or_default();
        match hole {
            Hole::Title => self.texts.say(ROOM_NAME, None, &[]).unwrap_or_else(|| context.title.clone()),
            Hole::TabTitle => {
                let state = say(context.title_name(), Some(context.ahead.unwrap_or_default()), &[]);
                say("title", None, &[("state", &state), ("room", &self.value(Hole::Title, context))])
            }
            Hole::Ahead => number(context.ahead),
            Hole::AheadText => self.texts.number(context.ahead.unwrap_or_default()),
            Hole::PeopleText => say("people-ahead", Some(context.ahead.unwrap_or_default()), &[]),
            Hole::Waiting => number(context.waiting),
            Hole::Low => number(context.eta.map(|eta| eta.low_seconds)),
            Hole::High => number(context.eta.map(|eta| eta.high_seconds)),
            Hole::WaitText => match context.eta {
                Some(eta) => self.texts.wait(eta.low_seconds, eta.high_seconds),
                None => say("wait-unknown", None, &[]),
            },
            Hole::Joined => number(context.joined_ms),
            Hole::Poll => context.poll_after_ms.to_string(),
            Hole::ReloadUrl => context.reload_url.to_string(),
        }
    }
}

/// What a template may use beside the fields of a [`PageContext`].
const DERIVED: [&str; 9] =
    ["lang", "dir", "place", "is_long", "interval", "tab_title", "ahead_text", "people_text", "wait_text"];

/// Whether two cases have the same scripts and styles, each given by name and page.
fn same_inline(first: (&str, &str), second: (&str, &str)) -> Result<(), PageError> {
    let (model, other) = (Inline::of(first.1), Inline::of(second.1));
    let element = match (model.scripts == other.scripts, model.styles == other.styles) {
        (true, true) => return Ok(()),
        (false, _) => "script",
        (true, false) => "style",
    };
    Err(PageError::Unsteady { element, first: first.0.to_owned(), second: second.0.to_owned() })
}

fn environment(
    template: &str,
    design: &Design,
    languages: &Arc<Languages>,
) -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_fuel(Some(FUEL));
    words::install(&mut templates, languages);
    templates.add_global("look", design.look());
    // A browser reads every line break as LF before it hashes a script (HTML, 13.2.3.5), so the template must have no other.
    let template = template.replace("\r\n", "\n").replace('\r', "\n");
    templates.add_template_owned(NAME, template)?;
    Ok(templates)
}

/// The built-in page without indentation and the script's comments, which are for who reads the file.
fn lean(template: &str) -> String {
    let lines = template.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("// "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.try_iter().into_iter().flatten().map(|name| name.to_string()).collect()
}

/// The Fluent file of a language that comes with the program: what an operator's own may start from.
pub fn built_in_texts(tag: &str) -> Option<&'static str> {
    language::BUILT_IN.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag)).map(|(_, text)| *text)
}

/// The languages that come with the program.
pub fn built_in_languages() -> impl Iterator<Item = &'static str> {
    language::BUILT_IN.iter().map(|(tag, _)| *tag)
}

#[cfg(test)]
mod tests;
