//! The rules: a room with so many people in line.

use criterion::{BatchSize, BenchmarkId, Criterion};
use gatekeeper::queue::{
    AddressKey, Entry, Heartbeat, Life, Newcomer, Report, Room, Settings, Snapshot, Ticket, Time, Visitor,
};
use std::hint::black_box;

pub const NOW: Time = Time(1_800_000_000_000);
const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];

/// One per window is let in, so that the line stays.
pub fn settings() -> Settings {
    Settings { admission_limit: 1, admission_frequency: 3600, presence_seconds: 600, ..Settings::default() }
}

/// Somebody: spread over the key space, as hashes are.
pub fn visitor(number: u64) -> Visitor {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    Visitor(key)
}

pub fn ticket(number: u64) -> Ticket {
    Ticket((NOW.0 - 1_000_000) * 1000 + number)
}

pub fn heartbeat(number: u64) -> Heartbeat {
    Heartbeat { visitor: visitor(number), ticket: ticket(number), late: false, first: None }
}

/// What an instance hands up: signs of life of a chunk of the line.
pub fn report(first: u64) -> Report {
    let heartbeats = (first..first + Report::CHUNK as u64).map(heartbeat).collect();
    Report { instance: 7, heartbeats, ..Report::default() }
}

/// A room with so many people in line.
pub fn room(people: u64) -> Room {
    let mut room = Room::new(1, &settings());
    for first in (0..people).step_by(Report::CHUNK) {
        room.sync(&report(first), NOW);
    }
    room
}

pub fn snapshot(people: u64) -> Snapshot {
    room(people).sync(&Report { instance: 7, ..Report::default() }, NOW).snapshot
}

fn newcomer(number: u64) -> Newcomer {
    Newcomer {
        visitor: visitor(number),
        ticket: ticket(number),
        address: AddressKey(number),
        entry: Entry::Enqueue,
        until: None,
        met: Life::default(),
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("room");
    group.sample_size(20);
    for people in SIZES {
        let mut room = room(people);
        let heard = report(people / 2);
        group.bench_function(BenchmarkId::new("sync of 500 heartbeats", people), |bencher| {
            bencher.iter(|| black_box(room.sync(&heard, NOW)));
        });
        let empty = Report { instance: 7, ..Report::default() };
        group.bench_function(BenchmarkId::new("sync of none", people), |bencher| {
            bencher.iter(|| black_box(room.sync(&empty, NOW)));
        });
        let mut next = people;
        group.bench_function(BenchmarkId::new("arrive", people), |bencher| {
            bencher.iter_batched(
                || {
                    next += 1;
                    newcomer(next)
                },
                |newcomer| black_box(room.arrive(newcomer, NOW)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("claim, still waiting", people), |bencher| {
            bencher.iter(|| black_box(room.claim(visitor(people / 2), ticket(people / 2), NOW)));
        });
        let snapshot = snapshot(people);
        group.bench_function(BenchmarkId::new("position by the snapshot", people), |bencher| {
            bencher.iter(|| black_box(snapshot.position(black_box(ticket(people / 2)))));
        });
    }
    group.finish();
}
