//! The written form of a fact: one line, `checksum kind room [visitor] number…`, of the end of a hand-over, and of what a
//! process that handed over leaves for its successor.
//!
//! The checksum is the CRC-32 of the rest of the line, in hexadecimal; visitors are hexadecimal, numbers decimal. A kind
//! never changes its meaning: a new form gets a new letter, and a reader skips what it doesn't know.

use crate::queue::{AddressKey, Condition, Fact, Revocation, Stay, Ticket, Time, Visitor, Waiting, Window};
use std::io::Write;

/// No line is longer: a room's name of 64, a visitor, eight numbers of 20 digits.
pub const LONGEST: usize = 320;

/// A line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    Fact {
        room: &'a str,
        fact: Fact,
    },
    /// All of the rooms stands above, as it was then.
    HandedOver(Time),
    /// Somebody finished at a process that had handed over.
    Finish {
        room: &'a str,
        visitor: Visitor,
        ticket: Ticket,
    },
    /// Intact, but of another version.
    Unknown,
}

/// The kind, the visitor if it is about one, and the numbers.
type Parts = (char, Option<Visitor>, Vec<u64>);

/// Adds the line of a fact.
pub fn write(lines: &mut Vec<u8>, room: &str, fact: &Fact) {
    write_parts(lines, room, parts(fact));
}

/// Adds the line of a finish that comes late.
pub fn write_finish(lines: &mut Vec<u8>, room: &str, visitor: Visitor, ticket: Ticket) {
    write_parts(lines, room, ('f', Some(visitor), vec![ticket.0]));
}

fn write_parts(lines: &mut Vec<u8>, room: &str, (kind, visitor, numbers): Parts) {
    line(lines, |body| {
        let _ = write!(body, "{kind} {room}");
        if let Some(Visitor(bytes)) = visitor {
            body.push(b' ');
            body.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        }
        for number in numbers {
            let _ = write!(body, " {number}");
        }
    });
}

/// Adds the line that ends a hand-over.
pub fn write_end(lines: &mut Vec<u8>, at: Time) {
    line(lines, |body| {
        let _ = write!(body, "h - {}", at.0);
    });
}

/// Reads a line, without its end; `None` where it is damaged.
pub fn read(line: &[u8]) -> Option<Record<'_>> {
    let (checksum, body) = line.split_at_checked(8)?;
    let checksum = checksum.iter().try_fold(0, |sum: u32, digit| Some(sum << 4 | u32::from(value(*digit)?)))?;
    let body = body.strip_prefix(b" ")?;
    if crc32fast::hash(body) != checksum {
        return None;
    }
    let mut words = std::str::from_utf8(body).ok()?.split(' ');
    let (kind, room) = (words.next()?, words.next()?);
    Some(fact(kind, room, words).unwrap_or(Record::Unknown))
}

fn line(lines: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = lines.len();
    lines.extend_from_slice(b"00000000 ");
    body(lines);
    let checksum = crc32fast::hash(lines.get(start + 9..).unwrap_or_default());
    if let Some(digits) = lines.get_mut(start..start + 8) {
        digits.copy_from_slice(format!("{checksum:08x}").as_bytes());
    }
    lines.push(b'\n');
}

fn digit(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' + half - 10 }
}

fn parts(fact: &Fact) -> Parts {
    match *fact {
        Fact::Stay { visitor, ticket, stay: Stay { since, until } } => {
            ('s', Some(visitor), vec![ticket.0, since.0, until.0])
        }
        Fact::Spent { visitor, ticket, at } => ('x', Some(visitor), vec![ticket.0, at.0]),
        Fact::Revoked(Revocation { number, visitor, ticket }) => ('r', Some(visitor), vec![ticket.0, number]),
        Fact::Given { window: Window { last, used, late }, watermark, waits } => {
            ('g', None, vec![last.0, used, u64::from(late), watermark.0, u64::from(waits)])
        }
        Fact::Waiting { visitor, waiting: Waiting { ticket, seen, late } } => {
            ('w', Some(visitor), vec![ticket.0, seen.0, u64::from(late)])
        }
        Fact::Offered { visitor, ticket, until } => ('o', Some(visitor), vec![ticket.0, until.0]),
        Fact::Missed { visitor, ticket, at } => ('m', Some(visitor), vec![ticket.0, at.0]),
        Fact::Entries { address, since, count } => ('e', None, vec![address.0, since.0, count]),
        Fact::Instance { name, last, seq } => ('i', None, vec![name, last.0, seq]),
        Fact::Condition(condition) => {
            let Condition { presence, settled, admitted, epoch, seq, hold_until, held, last } = condition;
            ('c', None, vec![presence, settled.0, admitted, epoch, seq, hold_until.0, held, last.0])
        }
    }
}

/// `None`: not of this version.
fn fact<'a>(kind: &str, room: &'a str, words: impl Iterator<Item = &'a str>) -> Option<Record<'a>> {
    let mut words = words.peekable();
    let visitor = if matches!(kind, "s" | "x" | "r" | "w" | "o" | "m" | "f") {
        visitor(words.next()?)?
    } else {
        Visitor([0; 16])
    };
    let mut numbers = [0; 8];
    let mut count = 0;
    for word in words {
        *numbers.get_mut(count)? = word.parse().ok()?;
        count += 1;
    }
    let fact = match (kind, numbers.get(..count)?) {
        ("s", &[ticket, since, until]) => {
            Fact::Stay { visitor, ticket: Ticket(ticket), stay: Stay { since: Time(since), until: Time(until) } }
        }
        ("x", &[ticket, at]) => Fact::Spent { visitor, ticket: Ticket(ticket), at: Time(at) },
        ("r", &[ticket, number]) => Fact::Revoked(Revocation { number, visitor, ticket: Ticket(ticket) }),
        ("g", &[last, used, late, watermark, waits]) => {
            let window = Window { last: Time(last), used, late: late == 1 };
            Fact::Given { window, watermark: Ticket(watermark), waits: waits == 1 }
        }
        ("w", &[ticket, seen, late]) => {
            Fact::Waiting { visitor, waiting: Waiting { ticket: Ticket(ticket), seen: Time(seen), late: late == 1 } }
        }
        ("o", &[ticket, until]) => Fact::Offered { visitor, ticket: Ticket(ticket), until: Time(until) },
        ("m", &[ticket, at]) => Fact::Missed { visitor, ticket: Ticket(ticket), at: Time(at) },
        ("e", &[address, since, count]) => Fact::Entries { address: AddressKey(address), since: Time(since), count },
        ("i", &[name, last, seq]) => Fact::Instance { name, last: Time(last), seq },
        ("c", &[presence, settled, admitted, epoch, seq, hold_until, held, last]) => Fact::Condition(Condition {
            presence,
            settled: Time(settled),
            admitted,
            epoch,
            seq,
            hold_until: Time(hold_until),
            held,
            last: Time(last),
        }),
        ("f", &[ticket]) => return Some(Record::Finish { room, visitor, ticket: Ticket(ticket) }),
        ("h", &[at]) => return Some(Record::HandedOver(Time(at))),
        _ => return None,
    };
    Some(Record::Fact { room, fact })
}

fn visitor(word: &str) -> Option<Visitor> {
    let mut bytes = [0; 16];
    let (pairs, []) = word.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(Visitor(bytes))
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> impl Strategy<Value = Fact> {
        let numbers = prop::array::uniform8(any::<u64>());
        (0..10u8, any::<[u8; 16]>(), numbers, any::<bool>()).prop_map(|(kind, bytes, n, late)| {
            let (visitor, ticket) = (Visitor(bytes), Ticket(n[0]));
            match kind {
                0 => Fact::Stay { visitor, ticket, stay: Stay { since: Time(n[1]), until: Time(n[2]) } },
                1 => Fact::Spent { visitor, ticket, at: Time(n[1]) },
                2 => Fact::Revoked(Revocation { number: n[1], visitor, ticket }),
                3 => Fact::Given {
                    window: Window { last: Time(n[1]), used: n[2], late },
                    watermark: ticket,
                    waits: !late,
                },
                4 => Fact::Waiting { visitor, waiting: Waiting { ticket, seen: Time(n[1]), late } },
                5 => Fact::Offered { visitor, ticket, until: Time(n[1]) },
                6 => Fact::Missed { visitor, ticket, at: Time(n[1]) },
                7 => Fact::Entries { address: AddressKey(n[0]), since: Time(n[1]), count: n[2] },
                8 => Fact::Instance { name: n[0], last: Time(n[1]), seq: n[2] },
                _ => Fact::Condition(Condition {
                    presence: n[0],
                    settled: Time(n[1]),
                    admitted: n[2],
                    epoch: n[3],
                    seq: n[4],
                    hold_until: Time(n[5]),
                    held: n[6],
                    last: Time(n[7]),
                }),
            }
        })
    }

    proptest! {
        #[test]
        fn every_fact_is_read_as_it_was_written_and_no_changed_byte_passes(
            fact in facts(), name in "[a-z0-9_-]{1,64}", at in any::<prop::sample::Index>(), change in 1..=255u8,
        ) {
            let mut line = Vec::new();
            write(&mut line, &name, &fact);
            prop_assert!(line.len() <= LONGEST);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(read(&line), Some(Record::Fact { room: &name, fact }));
            for end in 0..line.len() {
                prop_assert_eq!(read(&line[..end]), None);
            }
            let at = at.index(line.len());
            line[at] ^= change;
            // `0A` and `0a` are the same checksum.
            prop_assert!(at < 8 && change == 0x20 || read(&line).is_none(), "{}", String::from_utf8_lossy(&line));
        }

        #[test]
        fn no_line_makes_the_reader_fall(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&bytes), None);
            let mut intact = format!("{:08x} ", crc32fast::hash(&bytes)).into_bytes();
            intact.extend(bytes);
            let _ = read(&intact);
        }
    }

    #[test]
    fn the_written_form_stays_what_it_is() {
        let mut lines = Vec::new();
        let visitor = Visitor(*b"0123456789abcdef");
        write(&mut lines, "shop", &Fact::Spent { visitor, ticket: Ticket(17), at: Time(18) });
        write_end(&mut lines, Time(19));
        write_finish(&mut lines, "shop", visitor, Ticket(20));
        let last = lines.split(|byte| *byte == b'\n').nth(2).unwrap();
        assert_eq!(read(last), Some(Record::Finish { room: "shop", visitor, ticket: Ticket(20) }));
        lines.truncate(lines.len() - last.len() - 1);
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(text, "56e37fe5 x shop 30313233343536373839616263646566 17 18\n67e9bd29 h - 19\n");
    }

    #[test]
    fn what_a_newer_version_wrote_is_told_apart_from_damage() {
        for body in ["q shop 1", "x shop 30313233343536373839616263646566 17", "s shop zz 1 2 3"] {
            let line = format!("{:08x} {body}", crc32fast::hash(body.as_bytes()));
            assert_eq!(read(line.as_bytes()), Some(Record::Unknown), "{body}");
        }
    }
}
