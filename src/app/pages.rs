//! The waiting page of each site, from the files that the configuration names.

use super::StartError;
use crate::config::{Config, LOGO_TYPES, PageDesign, Site};
use crate::page::{Design, Logo, MAX_LOGO, Page, PageError, Source};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The page of each site, in the order of the configuration: its own template or the built-in one, in its own design.
pub fn load(config: &Config) -> Result<Vec<Arc<Page>>, StartError> {
    config.sites.iter().map(|site| page(site).map(Arc::new)).collect()
}

/// The files and folders of all pages.
pub fn files(config: &Config) -> Vec<PathBuf> {
    let of_site = |site: &Site| [site.template.clone(), site.page.languages.clone(), site.page.logo.clone()];
    config.sites.iter().flat_map(of_site).flatten().collect()
}

fn page(site: &Site) -> Result<Page, StartError> {
    let design = design(site)?;
    let Some(path) = &site.template else {
        return Page::built_in(&design).map_err(|error| StartError::one(error.to_string()));
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Page::load(&text, &design).map_err(|error| match error {
        // These name their own file.
        PageError::Text(_) | PageError::NoLanguage { .. } => StartError::one(error.to_string()),
        _ => StartError::one(format!("{}: {error}", path.display())),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> StartError {
    StartError::one(format!("{}: {error}", path.display()))
}

fn design(site: &Site) -> Result<Design, StartError> {
    let page = &site.page;
    let mut sources = match &page.languages {
        Some(folder) => in_folder(folder)?,
        None => Vec::new(),
    };
    sources.extend(in_configuration(page, &site_name(site)));
    Ok(Design {
        language: page.language.clone(),
        sources,
        logo: page.logo.as_deref().map(logo).transpose()?,
        light: page.light,
        dark: page.dark,
        embed: site.cookie.embed,
    })
}

fn site_name(site: &Site) -> String {
    match site.hosts.first() {
        Some(crate::config::HostPattern::Exact(host)) => host.clone(),
        _ => "*".to_owned(),
    }
}

/// Every `<language>.ftl`, in the order of their names.
fn in_folder(folder: &Path) -> Result<Vec<Source>, StartError> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_text(path)).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let tag = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Source { tag, name: path.display().to_string(), text })
    };
    paths.iter().map(read).collect()
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "ftl")
}

/// The single texts of the configuration, as files of one text each, so that a mistake names it.
fn in_configuration(page: &PageDesign, site: &str) -> Vec<Source> {
    let source = |tag: &String, name: &String, text: &String| Source {
        tag: tag.clone(),
        name: format!("sites[{site}].page.texts.{tag}.{name}"),
        // What goes on in another line is indented in such a file.
        text: format!("{name} = {}", text.trim_end().replace('\n', "\n    ")),
    };
    let by_language = page.texts.iter();
    by_language.flat_map(|(tag, texts)| texts.iter().map(move |(name, text)| source(tag, name, text))).collect()
}

fn logo(path: &Path) -> Result<Logo, StartError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(MAX_LOGO as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > MAX_LOGO {
        let kib = MAX_LOGO / 1024;
        let message = format!("the logo may have {kib} KiB, since everybody who waits downloads it: make it smaller");
        return Err(StartError::one(format!("{}: {message}", path.display())));
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let media_type = LOGO_TYPES.iter().find(|(known, _)| *known == ending).map_or("image/png", |(_, name)| name);
    Ok(Logo { media_type: media_type.to_owned(), bytes })
}
