//! Tokens: signed once per renewal, verified with every request.

use crate::line::{NOW, ticket};
use criterion::Criterion;
use gatekeeper::token::{Claims, Keyring};
use std::hint::black_box;

/// Of no worth elsewhere.
pub const SECRET: &str = "c1f7a09d3be84e26985d40ab17f36e5208bd7c94";

pub fn keyring() -> Keyring {
    Keyring::new(&[SECRET], None).expect("a secret of 40 characters")
}

/// Somebody inside.
pub fn claims() -> Claims {
    Claims::waiting("shop", "wUfMkJ3u1vQkq0c8o2XW9A", ticket(1), NOW, 300)
        .with_heartbeat(NOW)
        .with_turn(NOW, NOW.plus_seconds(600))
}

pub fn bench(criterion: &mut Criterion) {
    let (ring, claims) = (keyring(), claims());
    let token = ring.sign(&claims);
    criterion.bench_function("token/verify", |bencher| {
        bencher.iter(|| black_box(ring.verify(black_box(&token), "shop", NOW)).is_ok());
    });
    criterion.bench_function("token/sign", |bencher| bencher.iter(|| black_box(ring.sign(black_box(&claims)))));
    criterion.bench_function("token/visitor", |bencher| {
        bencher.iter(|| black_box(ring.visitor("shop", black_box(&claims.sub))));
    });
}
