//! What an operator decides about the page without writing HTML: [`Design`], and what the template gets of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Value, context};

use super::texts::Source;
use crate::config::{Color, Palette};

/// A logo may have so many bytes: everybody who waits downloads it with the page.
pub const MAX_LOGO: usize = 16 * 1024;

/// A site's own page: everything read, nothing checked.
#[derive(Clone, Debug, Default)]
pub struct Design {
    /// The language of those whose own isn't there.
    pub language: String,
    /// Further languages and better texts; of one language the later ones count more.
    pub sources: Vec<Source>,
    pub logo: Option<Logo>,
    pub light: Palette,
    pub dark: Palette,
    /// Whether other sites may show the page in a frame.
    pub embed: bool,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Logo {
    /// As in `image/svg+xml`.
    pub media_type: String,
    pub bytes: Vec<u8>,
}

impl Design {
    /// `look` in a template: colours as declarations for a style, and the logo as an address that needs no request.
    pub(super) fn look(&self) -> Value {
        let logo = self.logo.as_ref().map(|logo| {
            let Logo { media_type, bytes } = logo;
            // Nothing in it can end an attribute.
            Value::from_safe_string(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
        });
        context! {
            logo,
            // For an address, where a # would end it.
            accent => self.light.accent.to_string().trim_start_matches('#'),
            light => declarations(&self.light),
            dark => declarations(&self.dark),
            light_ground => self.light.ground.to_string(),
            dark_ground => self.dark.ground.to_string(),
        }
    }
}

fn declarations(palette: &Palette) -> String {
    let Palette { accent, ground, sheet, ink, soft } = palette;
    let on_accent =
        if accent.contrast(Color::WHITE) >= accent.contrast(Color::BLACK) { Color::WHITE } else { Color::BLACK };
    let rule = ink.over(*sheet, 18);
    format!(
        "--ground: {ground}; --sheet: {sheet}; --ink: {ink}; --soft: {soft}; --rule: {rule}; \
         --accent: {accent}; --on-accent: {on_accent};"
    )
}
