//! The built-in page made ready ahead: rendered and compressed once for each language and state, so that one visitor costs
//! little more than the copying of a few kilobytes.
//!
//! A [`Skeleton`] is the page with [`Hole`]s for what is this visitor's alone (the number, the address …). Its long pieces are
//! compressed when it is made, each for itself; holes and short pieces go between them as they are (RFC 1951: stored
//! blocks), so that nothing of one visitor is ever compressed, least of all together with something else.
//!
//! Promises: with its holes filled it is the page that the template would have made (a test compares them for every sample in
//! every language); of skeletons there are at most [`MOST`] at a time.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use flate2::{Compress, Compression, FlushCompress, Status};
use minijinja::{HtmlEscape, Value, context};

use super::context::{PageContext, PageState};
use super::texts::Texts;

/// Skeletons of one page. They differ by language, state and what the operator set, so there are some dozens; when there
/// are too many they are made anew.
const MOST: usize = 512;
/// A piece that is shorter isn't worth compressing.
const SHORT: usize = 128;
/// Marks a hole while a skeleton is made; for private use, so in nobody's language.
const MARK: char = '\u{f8ff}';
/// A stored block holds so much at most.
const BLOCK: usize = 0xffff;

/// What is this visitor's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Title,
    TabTitle,
    Ahead,
    AheadText,
    PeopleText,
    Waiting,
    Low,
    High,
    WaitText,
    Joined,
    Poll,
    ReloadUrl,
}

impl Hole {
    const ALL: [Self; 12] = [
        Self::Title,
        Self::TabTitle,
        Self::Ahead,
        Self::AheadText,
        Self::PeopleText,
        Self::Waiting,
        Self::Low,
        Self::High,
        Self::WaitText,
        Self::Joined,
        Self::Poll,
        Self::ReloadUrl,
    ];

    /// What stands in its place while the skeleton is made.
    fn mark(self) -> String {
        let place = Self::ALL.iter().position(|hole| *hole == self).unwrap_or_default();
        format!("{MARK}{place}{MARK}")
    }
}

/// What makes a skeleton another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    room: String,
    language: String,
    state: PageState,
    place: &'static str,
    flags: [bool; 5],
    interval: u64,
    settings: [u64; 5],
    message: String,
}

impl Kind {
    pub(super) fn of(texts: &Texts, context: &PageContext) -> Self {
        Self {
            room: context.room.clone(),
            language: texts.tag.clone(),
            state: context.state,
            place: context.place(),
            flags: [
                context.is_long(),
                context.nothing_sent,
                context.cookies_missing,
                context.enqueue_url.is_some(),
                context.ready_renews,
            ],
            interval: context.interval(),
            settings: [
                context.retention_seconds,
                context.presence_seconds,
                context.hold_seconds,
                context.ready_ttl_seconds,
                context.ready_max_seconds,
            ],
            message: context.message.clone(),
        }
    }
}

/// The context in which every hole is marked; what it doesn't name is the same for all visitors of a kind.
pub(super) fn marked() -> Value {
    let mark = Hole::mark;
    context! {
        title => mark(Hole::Title),
        tab_title => mark(Hole::TabTitle),
        ahead => mark(Hole::Ahead),
        ahead_text => mark(Hole::AheadText),
        people_text => mark(Hole::PeopleText),
        waiting => mark(Hole::Waiting),
        eta => context! { low_seconds => mark(Hole::Low), high_seconds => mark(Hole::High) },
        wait_text => mark(Hole::WaitText),
        joined_ms => mark(Hole::Joined),
        poll_after_ms => mark(Hole::Poll),
        reload_url => mark(Hole::ReloadUrl),
    }
}

/// A run of the page.
#[derive(Debug)]
enum Piece {
    /// The same for all, short.
    Short(String),
    /// The same for all, long: as it is, and compressed.
    Long {
        text: String,
        deflated: Vec<u8>,
    },
    Hole(Hole),
}

/// A page with holes.
#[derive(Debug)]
pub(super) struct Skeleton(Vec<Piece>);

impl Skeleton {
    /// From a page that was rendered with [`marked`] values; `None`: the marks aren't where they were put, since some text
    /// of the operator holds such a character too.
    pub(super) fn cut(html: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        for (nth, part) in html.split(MARK).enumerate() {
            if nth % 2 == 1 {
                pieces.push(Piece::Hole(*Hole::ALL.get(part.parse::<usize>().ok()?)?));
            } else if part.len() < SHORT {
                pieces.push(Piece::Short(part.to_owned()));
            } else {
                pieces.push(Piece::Long { text: part.to_owned(), deflated: deflate(part.as_bytes())? });
            }
        }
        Some(Self(pieces))
    }

    /// The page, its holes filled with these values.
    pub(super) fn plain(&self, values: &impl Fn(Hole) -> String) -> Vec<u8> {
        let mut page = Vec::with_capacity(32 * 1024);
        for piece in &self.0 {
            match piece {
                Piece::Short(text) | Piece::Long { text, .. } => page.extend_from_slice(text.as_bytes()),
                Piece::Hole(hole) => page.extend_from_slice(escaped(&values(*hole)).as_bytes()),
            }
        }
        page
    }

    /// The same as a gzip file (RFC 1952).
    pub(super) fn gzipped(&self, values: &impl Fn(Hole) -> String) -> Vec<u8> {
        let mut file = Vec::with_capacity(16 * 1024);
        file.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        let (mut sum, mut length, mut run) = (crc32fast::Hasher::new(), 0_usize, Vec::new());
        let mut add = |text: &[u8]| {
            sum.update(text);
            length += text.len();
        };
        for piece in &self.0 {
            match piece {
                Piece::Short(text) => {
                    add(text.as_bytes());
                    run.extend_from_slice(text.as_bytes());
                }
                Piece::Hole(hole) => {
                    let text = escaped(&values(*hole));
                    add(text.as_bytes());
                    run.extend_from_slice(text.as_bytes());
                }
                Piece::Long { text, deflated } => {
                    add(text.as_bytes());
                    store(&mut file, &mut run);
                    file.extend_from_slice(deflated);
                }
            }
        }
        store(&mut file, &mut run);
        file.extend_from_slice(&[1, 0, 0, 0xff, 0xff]); // the last block: empty
        file.extend_from_slice(&sum.finalize().to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the length modulo 2^32 is what the format asks for")]
        file.extend_from_slice(&(length as u32).to_le_bytes());
        file
    }
}

/// Writes what wasn't compressed as stored blocks, and empties it.
fn store(file: &mut Vec<u8>, run: &mut Vec<u8>) {
    for block in run.chunks(BLOCK) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(0);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    run.clear();
}

/// Compresses a piece so that it ends on a whole byte and refers to nothing outside itself.
fn deflate(text: &[u8]) -> Option<Vec<u8>> {
    let mut squeezer = Compress::new(Compression::best(), false);
    let mut deflated = Vec::with_capacity(text.len() + 64);
    let status = squeezer.compress_vec(text, &mut deflated, FlushCompress::Full).ok()?;
    let is_whole = status == Status::Ok && squeezer.total_in() == text.len() as u64;
    (is_whole && deflated.len() < deflated.capacity()).then_some(deflated)
}

/// As the template escapes.
fn escaped(text: &str) -> String {
    HtmlEscape(text).to_string()
}

/// The skeletons that were made so far.
#[derive(Debug, Default)]
pub(super) struct Skeletons(RwLock<HashMap<Kind, Option<Arc<Skeleton>>>>);

impl Skeletons {
    /// The skeleton of that kind, made by `make` if it is the first time. The lock is held to look and to note, never to
    /// make: two may be made at once, and one is kept.
    pub(super) fn find(&self, kind: Kind, make: impl FnOnce() -> Option<Skeleton>) -> Option<Arc<Skeleton>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        if let Some(skeleton) = known {
            return skeleton;
        }
        let made = make().map(Arc::new);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(kind, made.clone());
        made
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn unzipped(file: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn holes_are_filled_and_escaped_whether_compressed_or_not() {
        let long = "a long piece that all share, ".repeat(50);
        let html = format!("{long}{}<b>{}</b>{long}", Hole::Title.mark(), Hole::ReloadUrl.mark());
        let skeleton = Skeleton::cut(&html).unwrap();
        let values = |hole| match hole {
            Hole::Title => format!("<T>{MARK}1{MARK}"),
            _ => "x".repeat(BLOCK + 10),
        };
        let plain = skeleton.plain(&values);
        let x = "x".repeat(BLOCK + 10);
        assert_eq!(String::from_utf8(plain.clone()).unwrap(), format!("{long}&lt;T&gt;{MARK}1{MARK}<b>{x}</b>{long}"));
        let file = skeleton.gzipped(&values);
        assert_eq!(unzipped(&file), plain);
        assert!(file.len() < BLOCK + 1000, "{} bytes", file.len());
    }

    #[test]
    fn marks_that_nobody_put_there_make_no_skeleton() {
        for html in [format!("a{MARK}b"), format!("{MARK}99{MARK}"), format!("{MARK}{MARK}x")] {
            assert!(Skeleton::cut(&html).is_none(), "{html}");
        }
        assert!(Skeleton::cut("").is_some());
    }
}
