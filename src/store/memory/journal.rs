//! The journal: a file of records, one fact a line, that grows as things happen and is written anew when it grew long.
//!
//! What is written lies with the kernel: a killed process loses nothing of it. What can't be written is kept, up to a
//! bound, and written as soon as the disk takes it. A damaged line costs what it said, and no other.

use super::record::{self, Record};
use super::state_dir::{create_private, open_private};
use crate::queue::{Fact, Time};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Written anew when it is longer than this, and twice as long as it was after the last time.
const LONG: u64 = if cfg!(test) { 4 << 10 } else { 8 << 20 };
/// So much is kept while the disk takes nothing.
pub const PENDING: usize = if cfg!(test) { 16 << 10 } else { 16 << 20 };
/// So much is written at once into a file aside.
const PIECE: usize = 256 << 10;

/// What reading found beside the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Damaged lines, and which was the first.
    pub damaged: u64,
    pub first_damaged: u64,
    /// The last line stops in the middle, as one does whose writer was killed.
    pub torn: bool,
    /// The last line has no end, torn or not.
    pub open: bool,
    /// Intact lines that another version wrote.
    pub unknown: u64,
    pub length: u64,
    /// When the former process handed everything over; `None`: it ended otherwise.
    pub handed_over: Option<Time>,
}

/// Reads a journal; there may be none. `each` gets every fact in order; those of a hand-over only where nothing happened
/// after it.
///
/// # Errors
/// The file can't be read.
pub fn read(path: &Path, mut each: impl FnMut(&str, Fact)) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    let length = file.metadata()?.len();
    let tail = tail(&mut file, length)?;
    let open = tail.last().is_some_and(|last| *last != b'\n');
    let mut found = Found { length, open, handed_over: end_of_hand_over(&tail), ..Found::default() };
    let mut file = BufReader::with_capacity(PIECE, file.take(length));
    let (mut line, mut number) = (Vec::with_capacity(record::LONGEST), 0);
    while let Some(whole) = next_line(&mut file, &mut line)? {
        number += 1;
        match record::read(&line) {
            Some(Record::Fact { room, fact }) => {
                if fact.lasts() || found.handed_over.is_some() {
                    each(room, fact);
                }
            }
            Some(Record::HandedOver(_) | Record::Finish { .. }) => {}
            Some(Record::Unknown) => found.unknown += 1,
            None if line.is_empty() => {}
            None if !whole => found.torn = true,
            None => {
                found.damaged += 1;
                found.first_damaged = if found.damaged == 1 { number } else { found.first_damaged };
            }
        }
    }
    Ok(found)
}

/// The next line without its end, at most a little longer than any of ours; `false`: its end is missing. `None`: there is
/// no more.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let bound = record::LONGEST as u64 + 1;
    if file.take(bound).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        return Ok(Some(true));
    }
    if (line.len() as u64) < bound {
        return Ok(Some(false));
    }
    // Longer than a line can be: the rest belongs to the same damage.
    Ok(Some(file.skip_until(b'\n')? > 0))
}

/// The end of a file, a line at least; afterwards it is at its beginning.
fn tail(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(length.saturating_sub(record::LONGEST as u64)))?;
    let mut tail = Vec::new();
    file.take(record::LONGEST as u64).read_to_end(&mut tail)?;
    file.rewind()?;
    Ok(tail)
}

fn end_of_hand_over(tail: &[u8]) -> Option<Time> {
    let last = tail.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
    match record::read(last)? {
        Record::HandedOver(at) => Some(at),
        _ => None,
    }
}

/// The journal of a process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Opened when it is needed, and anew after a failure.
    file: Option<File>,
    /// What isn't written yet.
    pending: Vec<u8>,
    length: u64,
    /// From which length on it is written anew.
    long: u64,
    /// More was pending than is kept: only writing it anew makes it complete.
    incomplete: bool,
}

impl Journal {
    /// Goes on behind what was found; what isn't as it should be there goes when it is written anew, which is soon.
    pub fn behind(path: PathBuf, found: &Found) -> Self {
        let pending = if found.open { vec![b'\n'] } else { Vec::new() };
        Self { path, file: None, pending, length: found.length, long: 0, incomplete: false }
    }

    /// Adds lines, to be written by the next [`Journal::flush`].
    pub fn append(&mut self, lines: &[u8]) {
        if self.pending.len() + lines.len() > PENDING {
            self.lose();
        } else {
            self.pending.extend_from_slice(lines);
        }
    }

    /// Lines were lost before they could be written.
    pub fn lose(&mut self) {
        self.incomplete = true;
        // The line that was being written stays torn.
        self.pending = vec![b'\n'];
    }

    /// Writes what is pending.
    ///
    /// # Errors
    /// The disk's; what it didn't take stays pending.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = self.write_pending(&mut written);
        self.pending.drain(..written);
        self.length += written as u64;
        if result.is_err() {
            self.file = None;
        }
        result
    }

    fn write_pending(&mut self, written: &mut usize) -> io::Result<()> {
        while let Some(rest) = self.pending.get(*written..).filter(|rest| !rest.is_empty()) {
            let file = match &mut self.file {
                Some(file) => file,
                closed => closed.insert(open_private(&self.path)?),
            };
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether it should be written anew: it is long, or not complete.
    pub fn is_due(&self) -> bool {
        self.incomplete || self.length >= self.long
    }

    /// Whether lines are missing in it.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// It couldn't be written anew: again when it is half as long again.
    pub fn put_off(&mut self) {
        self.long = (self.length + self.length / 2).max(LONG);
    }

    /// A new one beside it.
    ///
    /// # Errors
    /// The disk's.
    pub fn aside(&self) -> io::Result<Aside> {
        let path = self.path.with_extension("new");
        let file = create_private(&path)?;
        Ok(Aside { path, file, pending: Vec::with_capacity(PIECE), length: 0 })
    }

    /// Puts the new one in its place; everything that is pending must be in it.
    ///
    /// # Errors
    /// The disk's; the old one stays.
    pub fn replace(&mut self, mut aside: Aside) -> io::Result<()> {
        aside.flush()?;
        fs::rename(&aside.path, &self.path)?;
        self.length = aside.length;
        self.long = (2 * aside.length).max(LONG);
        self.pending.clear();
        self.incomplete = false;
        self.file = Some(aside.file);
        Ok(())
    }
}

/// A journal in the making.
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    file: File,
    pending: Vec<u8>,
    length: u64,
}

impl Aside {
    /// Adds lines: those of facts, by the function that is given the buffer.
    ///
    /// # Errors
    /// The disk's.
    pub fn add(&mut self, lines: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        lines(&mut self.pending);
        if self.pending.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// The file, everything so far written: to wait until it is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn file(&mut self) -> io::Result<File> {
        self.flush()?;
        self.file.try_clone()
    }

    /// Gives it up, and its room on the disk back.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Ticket, Visitor};

    fn spent(n: u64) -> Fact {
        Fact::Spent { visitor: Visitor([7; 16]), ticket: Ticket(n), at: Time(n) }
    }

    fn line(n: u64) -> Vec<u8> {
        let mut line = Vec::new();
        record::write(&mut line, "shop", &spent(n));
        line
    }

    fn facts(path: &Path) -> (Vec<Fact>, Found) {
        let mut facts = Vec::new();
        let found = read(path, |room, fact| {
            assert_eq!(room, "shop");
            facts.push(fact);
        });
        (facts, found.unwrap())
    }

    fn behind(path: &Path) -> Journal {
        Journal::behind(path.to_owned(), &facts(path).1)
    }

    #[test]
    fn a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let lines: Vec<Vec<u8>> = (1..=4).map(line).collect();
        let whole = lines.concat();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            // A line that lacks its end alone is intact.
            let kept = (1..=4).filter(|n| lines[..*n].concat().len() <= cut + 1).count() as u64;
            let expected: Vec<Fact> = (1..=kept).map(spent).collect();
            let (read, found) = facts(&path);
            assert_eq!(read, expected, "cut at {cut}");
            let at_an_end = lines[..usize::try_from(kept).unwrap()].concat().len() >= cut;
            assert_eq!((found.torn, found.damaged), (!at_an_end, 0), "cut at {cut}");
            let mut journal = behind(&path);
            journal.append(&line(9));
            journal.flush().unwrap();
            let expected: Vec<Fact> = (1..=kept).chain([9]).map(spent).collect();
            assert_eq!(facts(&path).0, expected, "cut at {cut}");
        }
    }

    #[test]
    fn damage_costs_the_lines_it_hits_and_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let long = [b'x'; 2000];
        for garbage in [&b"\0\0\0\0\n"[..], b"\xff\xfe\n", b"00000000 x shop 00 1 2\n", &[&long[..], b"\n"].concat()] {
            fs::write(&path, [&line(1), garbage, &line(2), garbage, &line(3)].concat()).unwrap();
            let (read, found) = facts(&path);
            assert_eq!(read, [spent(1), spent(2), spent(3)]);
            assert_eq!((found.damaged, found.first_damaged, found.torn), (2, 2, false));
        }
        // A block that was never written: the two lines it reaches into are gone.
        let mut whole: Vec<u8> = (1..=9).flat_map(line).collect();
        let start = line(1).len() * 4 + 10;
        whole[start..start + line(1).len()].fill(0);
        fs::write(&path, whole).unwrap();
        let (read, found) = facts(&path);
        assert_eq!(read, [1, 2, 3, 4, 7, 8, 9].map(spent));
        assert_eq!((found.damaged, found.first_damaged), (1, 5));
        fs::write(&path, long).unwrap();
        let (read, found) = facts(&path);
        assert!(read.is_empty() && found.damaged == 1 && found.open);
        let mut journal = behind(&path);
        journal.append(&line(4));
        journal.flush().unwrap();
        assert_eq!(facts(&path).0, [spent(4)]);
        fs::remove_file(&path).unwrap();
        assert_eq!(facts(&path), (vec![], Found::default()));
        fs::create_dir(&path).unwrap();
        assert!(super::read(&path, |_, _| {}).is_err());
    }

    #[test]
    fn what_lies_before_a_hand_over_counts_only_where_nothing_came_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let missed = Fact::Missed { visitor: Visitor([7; 16]), ticket: Ticket(5), at: Time(5) };
        let mut lines = line(1);
        record::write(&mut lines, "shop", &missed);
        record::write_end(&mut lines, Time(77));
        fs::write(&path, &lines).unwrap();
        let (read, found) = facts(&path);
        assert_eq!((read, found.handed_over), (vec![spent(1), missed], Some(Time(77))));
        lines.extend(line(2));
        fs::write(&path, &lines).unwrap();
        let (read, found) = facts(&path);
        assert_eq!((read, found.handed_over, found.damaged), (vec![spent(1), spent(2)], None, 0));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_written_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::behind(PathBuf::from("/dev/full"), &Found::default());
        journal.append(&line(1));
        assert_eq!(journal.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        journal.append(&line(2));
        assert_eq!(journal.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        journal.path.clone_from(&path);
        journal.flush().unwrap();
        assert_eq!(facts(&path).0, [spent(1), spent(2)]);
        assert!(!journal.is_incomplete());
    }

    #[test]
    fn more_than_is_kept_makes_it_incomplete_until_it_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = behind(&path);
        (0..=PENDING / line(1).len()).for_each(|_| journal.append(&line(1)));
        assert!(journal.is_incomplete() && journal.is_due());
        journal.append(&line(2));
        journal.flush().unwrap();
        assert_eq!(facts(&path).0, [spent(2)]);
        let mut aside = journal.aside().unwrap();
        aside.add(|lines| lines.extend(line(3))).unwrap();
        aside.file().unwrap().sync_data().unwrap();
        journal.replace(aside).unwrap();
        assert!(!journal.is_incomplete() && !journal.is_due());
        journal.append(&line(4));
        journal.flush().unwrap();
        assert_eq!(facts(&path).0, [spent(3), spent(4)]);
    }
}
