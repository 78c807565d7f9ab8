//! The waiting page: one template, one typed context, one Content-Security-Policy.
//!
//! A [`Page`] is a whole template environment, checked when it is made: it renders every sample of
//! [`PageContext::samples`], uses no variable that doesn't exist, comes to an end, and has the same inline scripts and
//! styles whatever the visitor. So a page that loaded can be served; whoever reloads one builds a new `Page` and swaps
//! it in, and a broken template leaves the last good one where it is.
//!
//! The built-in page asks for nothing but its polls. To change what it may say, see `context.rs`; the script at the end of
//! `templates/waiting.html` says in its first lines how it behaves.

mod address;
mod context;
mod packed;
mod policy;

pub use address::LocalUrl;
pub use context::{PageContext, PageEta, PageState};

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use packed::Packer;
use policy::Inline;

/// The template that is used when the operator has none.
pub const BUILT_IN: &str = include_str!("../../templates/waiting.html");

/// The name under which errors mention the template.
const NAME: &str = "waiting page";

/// Instructions that a template may take to render; the built-in one takes about a thousand.
const FUEL: u64 = 100_000;

/// Pages that are kept, of each form: some 1 MB as gzip, 4 MB as they are.
const KEPT: usize = 128;

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
    #[error("the waiting page does not render in the case \"{sample}\": {source}")]
    Sample { sample: &'static str, source: minijinja::Error },
    /// Its inline scripts or styles depend on the visitor, so that no policy can name them.
    #[error(
        "the <{element}> elements of the waiting page differ between the cases \"{first}\" and \"{second}\": \
         put what changes into data-* attributes, never inside a script or style"
    )]
    Unsteady { element: &'static str, first: &'static str, second: &'static str },
    /// It fails with what is true of this visitor.
    #[error("the waiting page does not render: {0}")]
    Render(#[source] minijinja::Error),
}

/// A template that has been checked, with its policy.
#[derive(Debug)]
pub struct Page {
    templates: Environment<'static>,
    csp: String,
    packer: Packer,
    kept: Kept,
    kept_packed: Kept,
}

/// What was rendered of late, by all that it was made from. In a rush many get the very same page: the end of the line moves
/// with the syncs, not with each newcomer. A std mutex, held for a look-up.
type Kept = Mutex<HashMap<PageContext, Bytes>>;

impl Page {
    /// Builds and checks a page from the text of a template (Jinja syntax, escaped as HTML).
    ///
    /// # Errors
    /// Everything but [`PageError::Render`].
    pub fn load(template: &str) -> Result<Self, PageError> {
        let templates = environment(template).map_err(PageError::Syntax)?;
        let (csp, packer) = (String::new(), Packer::default());
        let mut page = Self { templates, csp, packer, kept: Kept::default(), kept_packed: Kept::default() };
        let samples = PageContext::samples();
        page.check_variables(&samples)?;
        (page.csp, page.packer) = page.check_samples(&samples)?;
        Ok(page)
    }

    /// The page that comes with the program.
    ///
    /// # Errors
    /// None: a test loads it.
    pub fn built_in() -> Result<Self, PageError> {
        Self::load(BUILT_IN)
    }

    /// The page as HTML (UTF-8) for one visitor.
    ///
    /// # Errors
    /// [`PageError::Render`], where the template does with these values what it did with no sample.
    pub fn render(&self, context: &PageContext) -> Result<String, PageError> {
        self.html(context).map_err(PageError::Render)
    }

    /// The body of an answer, as gzip where that was asked for.
    ///
    /// # Errors
    /// As [`Page::render`].
    pub fn body(&self, context: &PageContext, as_gzip: bool) -> Result<Bytes, PageError> {
        let pages = if as_gzip { &self.kept_packed } else { &self.kept };
        let kept = || pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(body) = kept().get(context) {
            return Ok(body.clone());
        }
        let html = self.render(context)?;
        let body = Bytes::from(if as_gzip { self.packer.pack(&html) } else { html.into_bytes() });
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(context.clone(), body.clone());
        Ok(body)
    }

    /// The value of the `Content-Security-Policy` header that this page must be sent with.
    pub fn csp(&self) -> &str {
        &self.csp
    }

    fn html(&self, context: &PageContext) -> Result<String, minijinja::Error> {
        self.templates.get_template(NAME)?.render(Value::from(Serde(context)))
    }

    /// Finds unknown names even in branches that no sample takes.
    fn check_variables(&self, samples: &[(&'static str, PageContext)]) -> Result<(), PageError> {
        let Some((_, sample)) = samples.first() else { return Ok(()) };
        let known = names(&Value::from(Serde(sample)));
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

    /// Renders every sample; makes the policy that fits them all, and compresses what they share.
    fn check_samples(&self, samples: &[(&'static str, PageContext)]) -> Result<(String, Packer), PageError> {
        let mut pages = Vec::new();
        for (sample, context) in samples {
            let html = self.html(context).map_err(|source| PageError::Sample { sample, source })?;
            pages.push((*sample, html));
        }
        let inline: Vec<_> = pages.iter().map(|(sample, html)| (*sample, Inline::of(html))).collect();
        let packer = Packer::of(&pages.iter().map(|(_, html)| html.as_str()).collect::<Vec<_>>());
        let Some(((first, model), others)) = inline.split_first() else {
            return Ok((Inline::default().policy(), packer));
        };
        for (second, other) in others {
            let element = match (model.scripts == other.scripts, model.styles == other.styles) {
                (true, true) => continue,
                (false, _) => "script",
                (true, false) => "style",
            };
            return Err(PageError::Unsteady { element, first, second });
        }
        Ok((model.policy(), packer))
    }
}

fn environment(template: &str) -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_fuel(Some(FUEL));
    templates.add_filter("grouped", grouped);
    // A browser reads every line break as LF before it hashes a script (HTML, 13.2.3.5), so the template must have no other.
    let template = template.replace("\r\n", "\n").replace('\r', "\n");
    templates.add_template_owned(NAME, template)?;
    Ok(templates)
}

fn names(object: &Value) -> BTreeSet<String> {
    object.try_iter().into_iter().flatten().map(|name| name.to_string()).collect()
}

/// A number as people read it: 1284 becomes 1,284.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
