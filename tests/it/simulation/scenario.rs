//! What a run is like: sizes, settings, policy and faults, all drawn from the seed.

use crate::support::chance::Chance;
use gatekeeper::queue::Settings;

/// What an instance does while the store is away (`on_store_failure`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Local,
    Hold,
    Open,
}

/// What a store has after it was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Whole,
    /// A new life.
    Nothing,
    /// As it was so many ms before it went: an old dump, or a replica that lagged.
    Older(u64),
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store's process ends, and comes back after `ms` with what it still has.
    StoreGone { ms: u64, memory: Memory },
    /// Calls are taken and not run before `ms` have passed: then all at once.
    StoreStalls { ms: u64 },
    /// Every write is refused (out of memory) for `ms`.
    StoreFull { ms: u64 },
    /// Every call is refused (the password was changed) for `ms`.
    StoreRefuses { ms: u64 },
    /// The store's clock is set.
    ClockStep { ms: i64 },
    /// An instance can't reach the store for `ms`.
    Partition { slot: usize, ms: u64 },
    /// No instance can.
    PartitionAll { ms: u64 },
    /// An instance's way to the store loses calls and answers, repeats them, is slow.
    BadLink { slot: usize, ms: u64 },
    /// `kill -9`; a new process begins after `ms`.
    Crash { slot: usize, ms: u64 },
    /// A new process takes over, the old one drains.
    Upgrade { slot: usize },
    /// Neither answers nor syncs for `ms`.
    Freeze { slot: usize, ms: u64 },
    /// An operator changes the settings, through this instance.
    Operator { slot: usize },
}

/// A whole run, before it began.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub policy: Policy,
    pub instances: usize,
    pub visitors: usize,
    /// Everybody has come after so many ms.
    pub arrivals_ms: u64,
    pub settings: Settings,
    /// When each begins, in ms.
    pub faults: Vec<(u64, Fault)>,
    /// ms by which each instance's clock is wrong.
    pub skews: Vec<i64>,
}

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, 1, super::STREAMS);
        let chance = &mut chance;
        let instances = chance.pick(&[2, 3, 3, 3, 4]);
        let visitors = usize::try_from(chance.within(12, 40)).unwrap();
        let settings = settings(chance);
        let faults = faults(chance, instances);
        let skews = (0..instances).map(|_| chance.pick(&[0, 0, 0, 600_000, -600_000, 1_300, -70])).collect();
        let policy = chance.pick(&[Policy::Local, Policy::Local, Policy::Hold, Policy::Hold, Policy::Open]);
        let arrivals_ms = chance.pick(&[3_000, 20_000, 45_000]);
        Self { seed, policy, instances, visitors, arrivals_ms, settings, faults, skews }
    }

    /// When the last fault is over, in ms.
    pub fn faults_end(&self) -> u64 {
        self.faults.iter().map(|(at, fault)| at + fault.lasts()).max().unwrap_or(0)
    }

    pub fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(|(_, fault)| is(fault))
    }
}

impl Fault {
    /// For how many ms, what follows of it at once included.
    pub fn lasts(&self) -> u64 {
        match *self {
            Self::StoreGone { ms, memory: Memory::Older(older) } => ms + older,
            Self::StoreGone { ms, .. }
            | Self::StoreStalls { ms }
            | Self::StoreFull { ms }
            | Self::StoreRefuses { ms }
            | Self::Partition { ms, .. }
            | Self::PartitionAll { ms }
            | Self::BadLink { ms, .. }
            | Self::Crash { ms, .. }
            | Self::Freeze { ms, .. } => ms,
            // A clock that was set back stands still for so long.
            Self::ClockStep { ms } => ms.min(0).unsigned_abs(),
            Self::Upgrade { .. } => 3_000,
            Self::Operator { .. } => 1_000,
        }
    }
}

fn settings(chance: &mut Chance) -> Settings {
    let admission_limit = chance.pick(&[1, 2, 3, 5]);
    let ready_ttl_seconds = chance.pick(&[60, 90, 150]);
    Settings {
        admission_limit,
        admission_frequency: chance.within(1, 2 + admission_limit),
        max_active: chance.pick(&[0, 0, 0, 6, 12]),
        presence_seconds: chance.pick(&[30, 60, 120, 120]),
        ready_ttl_seconds,
        ready_max_seconds: ready_ttl_seconds * 2,
        renew_ready: chance.percent(70),
        jwt_expiry_seconds: chance.pick(&[60, 60, 300]),
        ..Settings::default()
    }
}

fn faults(chance: &mut Chance, instances: usize) -> Vec<(u64, Fault)> {
    let count = chance.pick(&[0, 1, 1, 2, 2, 3, 5]);
    let mut faults: Vec<_> =
        (0..count).map(|_| (chance.within(2_000, 70_000), fault(chance, instances as u64))).collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn fault(chance: &mut Chance, instances: u64) -> Fault {
    let slot = usize::try_from(chance.next() % instances).unwrap();
    let short = chance.within(10, 3_000);
    let ms = chance.pick(&[short, 4_000, 12_000, 40_000]);
    match chance.within(0, 19) {
        0..=2 => Fault::StoreGone { ms, memory: Memory::Nothing },
        3 => Fault::StoreGone { ms: chance.within(1, 50), memory: Memory::Nothing },
        4 | 5 => Fault::StoreGone { ms, memory: Memory::Older(chance.within(2_000, 30_000)) },
        6 => Fault::StoreGone { ms: chance.within(1, 1_500), memory: Memory::Older(chance.within(1, 400)) },
        7 => Fault::StoreGone { ms, memory: Memory::Whole },
        8 | 9 => Fault::StoreStalls { ms },
        10 => Fault::StoreFull { ms },
        11 => Fault::StoreRefuses { ms },
        12 => Fault::ClockStep { ms: chance.pick(&[60_000, -60_000, 5_000, -5_000]) },
        13 => Fault::Partition { slot, ms },
        14 => Fault::PartitionAll { ms },
        15 => Fault::BadLink { slot, ms: chance.within(5_000, 60_000) },
        16 => Fault::Crash { slot, ms: chance.within(100, 10_000) },
        17 => Fault::Upgrade { slot },
        18 => Fault::Freeze { slot, ms: chance.within(500, 20_000) },
        _ => Fault::Operator { slot },
    }
}
