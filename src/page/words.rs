//! How a template speaks: the languages of a page, and the functions and filters by which it asks for texts.
//!
//! | in a template | gives |
//! |---|---|
//! | `t("key")`, `t("key", count=3)`, `t("key", time="…")` | a text; `count` chooses the plural and is its `{n}` |
//! | `texts("key", "key", …)` | these texts as JSON, for a script |
//! | `seconds \| duration` | a length of time in words |
//! | `number \| grouped` | a number as it is written |

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State};

use super::language::{self, BUILT_IN};
use super::look::Design;
use super::texts::{Source, Text, Texts};
use super::{PageError, TextError};

/// The languages of a page.
#[derive(Debug)]
pub(super) struct Languages {
    all: Vec<Arc<Texts>>,
    /// Of everybody whose own isn't there.
    general: Arc<Texts>,
}

/// The program's own languages, English first: read once, for all sites and reloads.
static PROGRAM: LazyLock<Result<Vec<Arc<Texts>>, TextError>> = LazyLock::new(|| {
    let mut all: Vec<Arc<Texts>> = Vec::new();
    for (tag, _) in BUILT_IN {
        let texts = Texts::load(tag, &of_program(tag).iter().collect::<Vec<_>>(), all.first().map(Arc::as_ref))?;
        all.push(Arc::new(texts));
    }
    Ok(all)
});

/// The program's source of a language, if it has that.
fn of_program(tag: &str) -> Option<Source> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == tag)?;
    Some(Source { tag: tag.to_owned(), name: format!("{tag}.ftl of the program"), text: (*text).to_owned() })
}

impl Languages {
    /// The program's languages, and over them the operator's.
    pub(super) fn load(design: &Design) -> Result<Self, PageError> {
        let mut all = PROGRAM.as_ref().map_err(Clone::clone)?.clone();
        let english = all.first().cloned();
        let mut tags: Vec<&str> = design.sources.iter().map(|source| source.tag.as_str()).collect();
        tags.sort_unstable();
        tags.dedup();
        for tag in tags {
            let program = of_program(tag);
            let own = design.sources.iter().filter(|source| source.tag == tag);
            let texts = Texts::load(tag, &program.iter().chain(own).collect::<Vec<_>>(), english.as_deref())?;
            match all.iter_mut().find(|known| known.tag == tag) {
                Some(known) => *known = Arc::new(texts),
                None => all.push(Arc::new(texts)),
            }
        }
        let general = all.iter().find(|texts| texts.tag == design.language).cloned().ok_or_else(|| {
            let known = all.iter().map(|texts| texts.tag.as_str()).collect::<Vec<_>>().join(", ");
            PageError::NoLanguage { language: design.language.clone(), known }
        })?;
        Ok(Self { all, general })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Texts> {
        self.all.iter().map(Arc::as_ref)
    }

    pub(super) fn general(&self) -> &Texts {
        &self.general
    }

    /// What fits `Accept-Language` best.
    pub(super) fn choose(&self, accept: &str) -> &Texts {
        let tag = language::choose(accept, self.all.iter().map(|texts| texts.tag.as_str()));
        tag.and_then(|tag| self.named(tag)).unwrap_or_else(|| self.general())
    }

    fn named(&self, tag: &str) -> Option<&Texts> {
        self.all().find(|texts| texts.tag == tag)
    }

    /// The language that is being rendered.
    fn of(&self, state: &State<'_, '_>) -> Result<&Texts, Error> {
        let tag = state.lookup("lang");
        tag.as_ref()
            .and_then(|tag| self.named(tag.as_str()?))
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "texts can't be asked for where lang isn't known"))
    }
}

fn unknown(name: &str) -> Error {
    let hint =
        format!("there is no text \"{name}\" that this can be filled in (gatekeeper page --texts en prints all)");
    Error::new(ErrorKind::InvalidOperation, hint)
}

/// Gives a template the functions above.
pub(super) fn install(templates: &mut Environment<'_>, languages: &Arc<Languages>) {
    let here = Arc::clone(languages);
    templates.add_function("t", move |state: &State<'_, '_>, name: &str, values: Kwargs| {
        let count: Option<u64> = values.get("count")?;
        let names: Vec<String> = values.args().filter(|name| *name != "count").map(str::to_owned).collect();
        let texts: Vec<String> = names.iter().map(|name| values.get(name)).collect::<Result<_, _>>()?;
        let pairs: Vec<(&str, &str)> = names.iter().zip(&texts).map(|(name, text)| (&**name, &**text)).collect();
        here.of(state)?.say(name, count, &pairs).ok_or_else(|| unknown(name))
    });
    let here = Arc::clone(languages);
    templates.add_function("texts", move |state: &State<'_, '_>, names: Rest<String>| {
        let language = here.of(state)?;
        let mut found: BTreeMap<&str, &Text> = BTreeMap::new();
        for name in names.iter() {
            found.insert(name, language.find(name).ok_or_else(|| unknown(name))?);
        }
        serde_json::to_string(&found).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    let here = Arc::clone(languages);
    templates.add_filter("duration", move |state: &State<'_, '_>, seconds: u64| {
        Ok::<_, Error>(here.of(state)?.duration(seconds))
    });
    let here = Arc::clone(languages);
    templates.add_filter("grouped", move |state: &State<'_, '_>, number: u64| {
        Ok::<_, Error>(here.of(state)?.number(number))
    });
}
