//! How a site's waiting page looks and speaks: colours, logo, languages, texts. What the files hold, `page` checks.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::file;
use super::report::{At, Report};

/// The operator's own waiting page, without a line of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageDesign {
    /// The language of those whose own isn't there, as in `en` or `zh-Hant`.
    pub language: String,
    /// A folder of `<language>.ftl`.
    pub languages: Option<PathBuf>,
    /// A picture of one of [`LOGO_TYPES`].
    pub logo: Option<PathBuf>,
    pub light: Palette,
    pub dark: Palette,
    /// By language, then by the text's name: what counts instead of the program's text.
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
}

/// The endings of a logo's name, and the media types that they stand for.
pub const LOGO_TYPES: [(&str, &str); 6] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
];

/// The colours of one scheme. Every text can be read on what it stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    /// The number, the bar, buttons and links.
    pub accent: Color,
    /// Behind everything.
    pub ground: Color,
    /// Behind the number.
    pub sheet: Color,
    pub ink: Color,
    /// Of what is less important.
    pub soft: Color,
}

/// An sRGB colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    pub const WHITE: Self = Self([255; 3]);
    pub const BLACK: Self = Self([0; 3]);

    /// Takes `#rrggbb` and `#rgb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let nibble = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits: Vec<u8> = digits.chars().map(nibble).collect::<Option<_>>()?;
        match *digits {
            [r, g, b] => Some(Self([r * 17, g * 17, b * 17])),
            [r1, r2, g1, g2, b1, b2] => Some(Self([r1 * 16 + r2, g1 * 16 + g2, b1 * 16 + b2])),
            _ => None,
        }
    }

    /// The contrast to another colour, 1 to 21 (WCAG 2.2, 1.4.3).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// So many per cent of this over another one.
    pub fn over(self, below: Self, percent: u16) -> Self {
        let mix = |above: u8, below: u8| {
            let sum = u16::from(above) * percent + u16::from(below) * (100 - percent.min(100));
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let (Self([r, g, b]), Self([r2, g2, b2])) = (self, below);
        Self([mix(r, r2), mix(g, g2), mix(b, b2)])
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let Self([r, g, b]) = self;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([r, g, b]) = self;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// What text must have (WCAG 2.2 AA).
const READABLE: f64 = 4.5;

pub(super) fn design(written: &file::Page, at: &At, report: &mut Report<'_>) -> PageDesign {
    if let Some(logo) = &written.logo {
        let at = at.key("logo");
        let ending = logo.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if LOGO_TYPES.iter().any(|(known, _)| *known == ending) {
            report.readable(&at, logo);
        } else {
            report.error(&at, "must be a picture: .svg, .png, .jpg, .webp or .gif");
        }
    }
    if let Some(Err(error)) = written.languages.as_ref().map(std::fs::read_dir) {
        report.error(&at.key("languages"), format!("cannot be read: {error}"));
    }
    PageDesign {
        language: written.language.clone(),
        languages: written.languages.clone(),
        logo: written.logo.clone(),
        light: palette(&written.light, &at.key("light"), report),
        dark: palette(&written.dark, &at.key("dark"), report),
        texts: written.texts.clone(),
    }
}

fn palette(written: &file::Colors, at: &At, report: &mut Report<'_>) -> Palette {
    let mut color = |name: &str, text: &str| {
        let parsed = Color::parse(text).ok_or("must be a colour such as #0b6670");
        report.take(&at.key(name), parsed)
    };
    let read = (
        color("accent", &written.accent),
        color("ground", &written.ground),
        color("sheet", &written.sheet),
        color("ink", &written.ink),
        color("soft", &written.soft),
    );
    let (Some(accent), Some(ground), Some(sheet), Some(ink), Some(soft)) = read else { return Palette::default() };
    let behind = [("sheet", sheet), ("ground", ground)];
    for (name, above) in [("accent", accent), ("ink", ink), ("soft", soft)] {
        for (under, below) in behind {
            let contrast = above.contrast(below);
            if contrast < READABLE {
                // Who wrote one of the two is told where.
                let at = if report.is_written(&at.key(name)) { at.key(name) } else { at.key(under) };
                let message = format!(
                    "{name} on {under} has a contrast of {contrast:.1}, and people need {READABLE} to read it \
                     (WCAG AA): choose one that is darker or lighter"
                );
                report.error(&at, message);
            }
        }
    }
    Palette { accent, ground, sheet, ink, soft }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_read_and_written() {
        assert_eq!(Color::parse("#0b6670").unwrap().to_string(), "#0b6670");
        assert_eq!(Color::parse("#F0a").unwrap().to_string(), "#ff00aa");
        for wrong in ["", "#", "0b6670", "#0b667", "#0b66700", "red", "#ggg", "#é12345", "#fff;}"] {
            assert!(Color::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Color::WHITE.contrast(Color::BLACK) - 21.0).abs() < 1e-9);
        // The grey that is known for being just enough on white.
        let grey = Color::parse("#767676").unwrap();
        assert!((4.5..4.6).contains(&grey.contrast(Color::WHITE)));
        assert_eq!(Color::BLACK.over(Color::WHITE, 20).to_string(), "#cccccc");
    }
}
