//! How arguments go up to the scripts and how their answers come down.
//!
//! Numbers in packed strings are 8 bytes, big end first. What can't be read is not guessed at: somebody else's data, or
//! somebody else's script, under our name.

use crate::queue::{
    Arrival, Change, Finished, Heartbeat, Known, Ranks, Renewal, Report, Revocation, Snapshot, Standing, Stay, Synced,
    Ticket, Time, Visitor, Window, sample_ranks,
};
use crate::store::StoreError;
use redis::Value;

/// A report, as `sync.lua` takes it: instance, what it knows, finished, renewals, heartbeats, settings.
pub fn report(report: &Report) -> Vec<Vec<u8>> {
    let known = known(report).into_iter().flat_map(u64::to_be_bytes).collect();
    let finished = report.finished.iter().flat_map(|(visitor, ticket)| pair(*visitor, *ticket)).collect();
    let mut renewals = Vec::with_capacity(report.renewals.len() * 40);
    for Renewal { visitor, ticket, stay } in &report.renewals {
        renewals.extend_from_slice(&visitor.0);
        renewals.extend([ticket.0, stay.since.0, stay.until.0].into_iter().flat_map(u64::to_be_bytes));
    }
    let mut heartbeats = Vec::with_capacity(report.heartbeats.len() * 33);
    for Heartbeat { visitor, ticket, late, first } in &report.heartbeats {
        heartbeats.extend(pair(*visitor, *ticket));
        heartbeats.push(u8::from(*late) + 2 * u8::from(first.is_some()));
        heartbeats.extend_from_slice(&first.unwrap_or_default().0.to_be_bytes());
    }
    let nothing = (0, Change::default());
    let (version, changed) = report.settings.as_ref().unwrap_or(&nothing);
    let mut args = vec![report.instance.to_be_bytes().to_vec(), known, finished, renewals, heartbeats];
    args.push(version.to_string().into_bytes());
    args.extend(change(changed));
    args
}

/// In the order of `read_known` in `sync.lua`.
fn known(report: &Report) -> [u64; 13] {
    let Known { epoch, seq, watermark, revoked, settings, window, busy } = report.known;
    let alone = report.alone.unwrap_or_default();
    let how_long = u64::from(report.alone.is_some()) + u64::from(alone.long);
    let until = report.until.unwrap_or_default();
    let [last, used] = [window.last.0, window.used];
    let [alone_last, alone_used] = [alone.window.last.0, alone.window.used];
    let [busy, brief] = [busy, report.brief].map(u64::from);
    [epoch, seq, watermark.0, revoked, settings, last, used, busy, until.0, how_long, alone_last, alone_used, brief]
}

/// Fields and their stored forms in turn.
pub fn change(change: &Change) -> impl Iterator<Item = Vec<u8>> {
    change.iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value.to_string().into_bytes()])
}

fn pair(visitor: Visitor, ticket: Ticket) -> impl Iterator<Item = u8> {
    visitor.0.into_iter().chain(ticket.0.to_be_bytes())
}

pub fn arrival(value: &Value) -> Result<Arrival, StoreError> {
    let (name, numbers) = answer(value)?;
    Ok(match (name, numbers.as_slice()) {
        ("entered", [position]) => Arrival::Entered { position: *position },
        ("already_waiting", [position]) => Arrival::AlreadyWaiting { position: *position },
        ("already_ready", []) => Arrival::AlreadyReady,
        ("admitted", [since, until]) => Arrival::Admitted(stay(*since, *until)),
        ("busy", []) => Arrival::Busy,
        ("limited", [retry_after]) => Arrival::Limited { retry_after: *retry_after },
        ("closed", []) => Arrival::Closed,
        _ => return Err(unreadable()),
    })
}

pub fn standing(value: &Value) -> Result<Standing, StoreError> {
    let (name, numbers) = answer(value)?;
    Ok(match (name, numbers.as_slice()) {
        ("waiting", [position]) => Standing::Waiting { position: *position },
        ("ready", [since, until]) => Standing::Ready(stay(*since, *until)),
        ("spent", []) => Standing::Spent,
        ("unknown", []) => Standing::Unknown,
        _ => return Err(unreadable()),
    })
}

pub fn finished(value: &Value) -> Result<Finished, StoreError> {
    match answer(value)? {
        ("cleared", _) => Ok(Finished::Cleared),
        ("not_ready", _) => Ok(Finished::NotReady),
        _ => Err(unreadable()),
    }
}

/// The settings hash, as a plain read or a script answers it: field and value in turn.
pub fn settings(value: &Value) -> Result<(u64, Change), StoreError> {
    let (mut version, mut change) = (0, Change::default());
    let mut take = |name: &Value, stored: &Value| {
        // What isn't text is no setting of ours.
        if let (Some(name), Some(stored)) = (text(name), text(stored)) {
            match name {
                "version" => version = stored.parse().unwrap_or(0),
                name => change.set_stored(name, stored),
            }
        }
    };
    match value {
        Value::Array(flat) => flat.chunks_exact(2).for_each(|both| {
            if let [name, stored] = both {
                take(name, stored);
            }
        }),
        Value::Map(map) => map.iter().for_each(|(name, stored)| take(name, stored)),
        _ => return Err(unreadable()),
    }
    Ok((version, change))
}

/// The answer of `sync.lua`; `known`: the version of the settings that the caller holds.
pub fn synced(value: &Value, known: u64) -> Result<Synced, StoreError> {
    let [header, line_head, line_samples, late_head, late_samples, news, limited, changed] = array(value)? else {
        return Err(unreadable());
    };
    let header = array(header)?.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let &[
        taken,
        epoch,
        seq,
        ready,
        watermark,
        admitted,
        last,
        used,
        late,
        hold_until,
        instances,
        len,
        late_len,
        version,
        more,
    ] = header.as_slice()
    else {
        return Err(unreadable());
    };
    let snapshot = Snapshot {
        taken: Time(taken),
        epoch,
        seq,
        line: ranks(len, line_head, line_samples)?,
        late: ranks(late_len, late_head, late_samples)?,
        ready,
        watermark: Ticket(watermark),
        admitted,
        window: Window { last: Time(last), used, late: late != 0 },
        hold_until: Time(hold_until),
        instances,
    };
    Ok(Synced {
        snapshot,
        revocations: records::<32>(news)?.map(revocation).collect::<Option<_>>().ok_or_else(unreadable)?,
        settings: if version == known { None } else { Some((version, settings(changed)?.1)) },
        limited: records::<24>(limited)?
            .map(|record| visitor_and_ticket(record))
            .collect::<Option<_>>()
            .ok_or_else(unreadable)?,
        more: more == 1,
        alone: false,
    })
}

fn ranks(len: u64, head: &Value, samples: &Value) -> Result<Ranks, StoreError> {
    let tickets = |value| Ok(records::<8>(value)?.map(|bytes| Ticket(u64::from_be_bytes(*bytes))));
    let samples = tickets(samples)?.zip(sample_ranks(len)).collect();
    Ok(Ranks { head: tickets(head)?.collect(), samples, len })
}

fn revocation(record: &[u8; 32]) -> Option<Revocation> {
    let (number, rest) = record.split_first_chunk::<8>()?;
    let (visitor, ticket) = visitor_and_ticket(rest)?;
    Some(Revocation { number: u64::from_be_bytes(*number), visitor, ticket })
}

fn visitor_and_ticket(bytes: &[u8]) -> Option<(Visitor, Ticket)> {
    let (visitor, ticket) = bytes.split_first_chunk::<16>()?;
    Some((Visitor(*visitor), Ticket(u64::from_be_bytes(*ticket.first_chunk()?))))
}

/// A packed string, cut into its records.
fn records<const SIZE: usize>(value: &Value) -> Result<impl Iterator<Item = &[u8; SIZE]>, StoreError> {
    match value {
        Value::BulkString(bytes) => match bytes.as_chunks::<SIZE>() {
            (records, []) => Ok(records.iter()),
            _ => Err(unreadable()),
        },
        _ => Err(unreadable()),
    }
}

fn stay(since: u64, until: u64) -> Stay {
    Stay { since: Time(since), until: Time(until) }
}

/// A name with numbers behind it.
fn answer(value: &Value) -> Result<(&str, Vec<u64>), StoreError> {
    let (name, numbers) = array(value)?.split_first().ok_or_else(unreadable)?;
    Ok((text(name).ok_or_else(unreadable)?, numbers.iter().map(number).collect::<Result<_, _>>()?))
}

fn array(value: &Value) -> Result<&[Value], StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable()),
    }
}

fn number(value: &Value) -> Result<u64, StoreError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn unreadable() -> StoreError {
    StoreError::Refused("its answer can't be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::AddressKey;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_report_is_packed_as_the_script_cuts_it() {
        let heartbeat = Heartbeat { visitor: Visitor([7; 16]), ticket: Ticket(258), late: true, first: None };
        let first = Heartbeat { late: false, first: Some(AddressKey(1)), ..heartbeat };
        let args = report(&Report { instance: 9, heartbeats: vec![heartbeat, first], ..Report::default() });
        let [instance, known, finished, renewals, heartbeats, settings] = args.try_into().unwrap();
        assert_eq!(instance, 9u64.to_be_bytes());
        assert_eq!((known.len(), finished.len(), renewals.len(), heartbeats.len()), (104, 0, 0, 66));
        assert_eq!(settings, b"0");
        assert_eq!(heartbeats[16..33], [0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(heartbeats[57..66], [2, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn foreign_answers_are_refused_rather_than_guessed_at() {
        for value in [Value::Okay, Value::Array(vec![]), Value::Array(vec![bulk("entered")]), bulk("entered")] {
            assert!(arrival(&value).is_err(), "{value:?}");
            assert!(standing(&value).is_err(), "{value:?}");
            assert!(finished(&value).is_err(), "{value:?}");
            assert!(synced(&value, 0).is_err(), "{value:?}");
        }
        assert!(records::<8>(&bulk("1234567")).is_err());
    }

    #[test]
    fn settings_of_a_newer_version_are_left_out() {
        let stored = ["version", "3", "mode", "pause", "from_the_future", "1", "max_active", "-1"].map(bulk);
        let (version, change) = settings(&Value::Array(stored.into())).unwrap();
        assert_eq!((version, change.iter().count()), (3, 1));
    }
}
