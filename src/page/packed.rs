//! Pages as gzip (RFC 1952), compressed ahead as far as they are the same for everybody.
//!
//! Most of a page is: its style, its script, its words. These runs of text are found when the template loads, in the rendered
//! samples, and compressed once, each by itself (a DEFLATE stream may be put together from such pieces, RFC 1951, 3.1). What
//! lies between them, the visitor's own numbers, goes into the stream as it is. So a page costs a checksum and some copying
//! instead of a compression, whatever the template. A run that a page lacks is just not used.

use flate2::{Compress, Compression, FlushCompress, Status};

/// A run that is shorter isn't worth its frame.
const LEAST_RUN: usize = 128;
/// A line that is shorter may stand anywhere, so none is looked for.
const LEAST_LINE: usize = 40;
/// A run is looked for by its beginning: so many bytes.
const BEGINNING: usize = 24;
/// The most that a stored block holds.
const STORED: usize = 65_535;
/// Deflate, no name, no time, no system.
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty stored block that ends the stream.
const END: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// The runs of one template, in the order in which they stand in its pages.
#[derive(Debug, Default)]
pub(super) struct Packer {
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    text: String,
    deflated: Vec<u8>,
}

impl Packer {
    /// Finds what these pages have in common.
    pub(super) fn of(pages: &[&str]) -> Self {
        let Some((model, others)) = pages.split_first() else { return Self::default() };
        let (mut runs, mut rest, mut others) = (Vec::new(), *model, others.to_vec());
        while !rest.is_empty() {
            let length = others.iter().fold(rest.len(), |length, other| common(rest, other).min(length));
            let (run, after) = split(rest, length);
            if run.len() >= LEAST_RUN {
                runs.extend(deflated(run).map(|deflated| Run { text: run.to_owned(), deflated }));
            }
            others.iter_mut().for_each(|other| *other = split(other, run.len()).1);
            let Some((next, at)) = next_in_all(after, &others) else { break };
            rest = next;
            others.iter_mut().zip(at).for_each(|(other, at)| *other = split(other, at).1);
        }
        Self { runs }
    }

    /// The page as gzip.
    pub(super) fn pack(&self, html: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(html.len() / 2 + 64);
        out.extend_from_slice(&GZIP);
        let mut rest = html;
        for run in &self.runs {
            let Some(at) = run.place_in(rest) else { continue };
            let (gap, from_run) = split(rest, at);
            store(&mut out, gap.as_bytes());
            out.extend_from_slice(&run.deflated);
            rest = split(from_run, run.text.len()).1;
        }
        store(&mut out, rest.as_bytes());
        out.extend_from_slice(&END);
        out.extend_from_slice(&crc32fast::hash(html.as_bytes()).to_le_bytes());
        // The length modulo 2^32, as the format has it.
        out.extend_from_slice(&u32::try_from(html.len() & 0xffff_ffff).unwrap_or_default().to_le_bytes());
        out
    }
}

impl Run {
    /// By its beginning: looking for all of it would first read all of it.
    fn place_in(&self, html: &str) -> Option<usize> {
        let beginning = split(&self.text, BEGINNING).0;
        let mut places = html.match_indices(beginning).map(|(at, _)| at);
        places.find(|at| split(html, *at).1.starts_with(&self.text))
    }
}

/// Cuts at the last place up to `at` that isn't inside a character.
fn split(text: &str, at: usize) -> (&str, &str) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// How many bytes two texts begin with in common.
fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

/// The next line that all have: the text from there on, and where it begins in the others.
fn next_in_all<'a>(text: &'a str, others: &[&str]) -> Option<(&'a str, Vec<usize>)> {
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        if line.len() >= LEAST_LINE {
            let at: Option<Vec<usize>> = others.iter().map(|other| other.find(line)).collect();
            if let Some(at) = at {
                return Some((split(text, from).1, at));
            }
        }
        from += line.len();
    }
    None
}

/// A piece of a stream that refers to nothing before it and ends at a byte's end. `None` where the compressor fails, which
/// it has no reason to.
fn deflated(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 1024);
    let status = Compress::new(Compression::best(), false).compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync);
    matches!(status, Ok(Status::Ok)).then_some(out)
}

/// As it is.
fn store(out: &mut Vec<u8>, bytes: &[u8]) {
    for block in bytes.chunks(STORED) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn unpacked(gzip: &[u8]) -> String {
        let mut text = String::new();
        GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
        text
    }

    fn line(letter: &str) -> String {
        letter.repeat(150) + "\n"
    }

    #[test]
    fn what_pages_share_is_compressed_and_what_differs_stays() {
        let page = |name: &str| format!("{}<p>{name}</p>\n{}<b>{name}</b>\n{}", line("a"), line("b"), line("ü"));
        let (anna, berta) = (page("anna"), page("berta, who has a longer name"));
        let packer = Packer::of(&[&anna, &berta]);
        assert_eq!(packer.runs.len(), 3);
        let third = page("somebody else");
        for page in [anna, berta, third] {
            let packed = packer.pack(&page);
            assert_eq!(unpacked(&packed), page);
            assert!(packed.len() < 250, "{}", packed.len());
        }
    }

    #[test]
    fn a_page_that_lacks_a_run_or_has_another_order_is_still_whole() {
        let (a, b) = (line("a"), line("b"));
        let packer = Packer::of(&[&format!("{a}1{b}"), &format!("{a}2{b}")]);
        for page in
            [String::new(), "x".to_owned(), b.clone(), format!("{b}{a}"), format!("{a}{a}{b}{b}"), a.repeat(900)]
        {
            assert_eq!(unpacked(&packer.pack(&page)), page);
        }
        assert_eq!(unpacked(&Packer::of(&[]).pack("alone")), "alone");
    }

    proptest! {
        #[test]
        fn whatever_goes_in_comes_out(
            samples in prop::collection::vec("([a-zü]{0,60}\n){0,8}", 0..4), page in "([a-zü]{0,60}\n){0,8}",
        ) {
            let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
            let packer = Packer::of(&samples);
            for page in samples.iter().copied().chain([page.as_str()]) {
                prop_assert_eq!(unpacked(&packer.pack(page)), page);
            }
        }
    }
}
