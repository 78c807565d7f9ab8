//! The faults. To add one: a line in [`Fault::ALL`]'s table with what it may cost, and what it does in `strike.rs`.

use super::stage::Kind;
use crate::support::chance::Chance;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Redis is killed and comes back empty.
    RedisKilledEmpty,
    /// Redis is killed and comes back with all its data.
    RedisKilled,
    /// FLUSHALL.
    RedisFlushed,
    /// Redis is killed and comes back as it was some seconds before.
    RedisTurnedBack,
    /// Redis answers nothing for a second; for five; for a minute.
    RedisStalled1,
    RedisStalled5,
    RedisStalled60,
    /// All connections to Redis are reset, again and again.
    ConnectionsReset,
    /// Every word to and from Redis takes long.
    RedisSlow,
    /// Redis takes no writes for want of memory.
    RedisOutOfMemory,
    /// SCRIPT FLUSH.
    ScriptsFlushed,
    /// Redis became somebody's replica and takes no writes.
    RedisReadOnly,
    /// Redis wants a password that nobody knows.
    RedisWantsPassword,
    /// The primary dies, a sentinel promotes the replica.
    SentinelFailover,
    /// The room's slot moves to another node of the cluster.
    SlotMoved,
    /// The node that has the room dies and comes back with its data.
    ClusterNodeKilled,
    /// One instance is killed and started again.
    InstanceKilled,
    /// One instance reaches Redis no longer, the others do.
    InstanceCutOff,
    /// One instance after the other ends in peace and is started again.
    RollingRestart,
    /// One instance comes up with a clock that is ten minutes fast, and later with the right one.
    WrongClock,
    /// All instances read a changed configuration.
    Reloaded,
    /// The origin is away for a moment.
    OriginRestarted,
    /// Nobody's doing: the machine was too busy to run us, and so the instances too. It is noted, never asked for.
    MachineStarved,
}

/// What a fault may cost while it lasts. What isn't named must not suffer at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Some instance doesn't reach the store: what it says of the line may be old, and it admits by itself.
    pub store: bool,
    /// So much of the limit may be given beside the limit, in hundredths, in a window that it touches.
    pub beside: u64,
    /// The store forgets.
    pub forgets: bool,
    /// Some instance gives no answer.
    pub doors: bool,
    pub origin: bool,
}

const NONE: Cost = Cost { store: false, beside: 0, forgets: false, doors: false, origin: false };
/// In the window in which the store goes or comes, it and the instances may both give all they have.
const AWAY: Cost = Cost { store: true, beside: 100, ..NONE };
const FORGETS: Cost = Cost { store: true, forgets: true, ..NONE };
const DOORS: Cost = Cost { doors: true, ..NONE };

type Row = (Fault, &'static str, Cost, &'static [Kind], (u64, u64));

/// The fault, its name, what it may cost, on which stores it can be had, and how long it lasts, in ms.
const TABLE: [Row; 23] = [
    (Fault::RedisKilledEmpty, "redis-killed-empty", Cost { beside: 100, ..FORGETS }, &[Kind::Single], (1_500, 4_000)),
    (Fault::RedisKilled, "redis-killed", AWAY, &[Kind::Single], (1_500, 4_000)),
    (Fault::RedisFlushed, "redis-flushed", FORGETS, &[Kind::Single, Kind::Sentinel], (0, 0)),
    (Fault::RedisTurnedBack, "redis-turned-back", Cost { beside: 100, ..FORGETS }, &[Kind::Single], (500, 2_000)),
    (Fault::RedisStalled1, "redis-stalled-1s", AWAY, &[Kind::Single, Kind::Sentinel], (1_000, 1_000)),
    (Fault::RedisStalled5, "redis-stalled-5s", AWAY, &[Kind::Single], (5_000, 5_000)),
    (Fault::RedisStalled60, "redis-stalled-60s", AWAY, &[Kind::Single], (60_000, 60_000)),
    (Fault::ConnectionsReset, "connections-reset", AWAY, &[Kind::Single], (1_000, 3_000)),
    (Fault::RedisSlow, "redis-slow", AWAY, &[Kind::Single], (3_000, 6_000)),
    (Fault::RedisOutOfMemory, "redis-out-of-memory", AWAY, &[Kind::Single], (2_000, 5_000)),
    (Fault::ScriptsFlushed, "scripts-flushed", NONE, &[Kind::Single, Kind::Sentinel], (0, 0)),
    (Fault::RedisReadOnly, "redis-read-only", AWAY, &[Kind::Single], (2_000, 5_000)),
    (Fault::RedisWantsPassword, "redis-wants-password", AWAY, &[Kind::Single], (2_000, 5_000)),
    (Fault::SentinelFailover, "sentinel-failover", Cost { forgets: true, ..AWAY }, &[Kind::Sentinel], (1_000, 3_000)),
    (Fault::SlotMoved, "slot-moved", AWAY, &[Kind::Cluster], (0, 0)),
    (Fault::ClusterNodeKilled, "cluster-node-killed", AWAY, &[Kind::Cluster], (1_500, 4_000)),
    (Fault::InstanceKilled, "instance-killed", DOORS, Kind::ALL, (500, 4_000)),
    (Fault::InstanceCutOff, "instance-cut-off", Cost { beside: 34, ..AWAY }, &[Kind::Single], (2_000, 8_000)),
    (Fault::RollingRestart, "rolling-restart", DOORS, Kind::ALL, (500, 1_000)),
    (Fault::WrongClock, "wrong-clock", DOORS, Kind::ALL, (4_000, 8_000)),
    (Fault::Reloaded, "reloaded", NONE, Kind::ALL, (0, 0)),
    (Fault::OriginRestarted, "origin-restarted", Cost { origin: true, ..NONE }, Kind::ALL, (500, 2_000)),
    // Calls to the store run out of time.
    (Fault::MachineStarved, "machine-starved", AWAY, &[], (0, 0)),
];

impl Fault {
    /// Those that can be had on such a store; the longest only where there is time for it.
    pub fn on(kind: Kind, is_long: bool) -> Vec<Self> {
        let fits = |row: &&Row| row.3.contains(&kind) && (is_long || row.0 != Self::RedisStalled60);
        TABLE.iter().filter(fits).map(|row| row.0).collect()
    }

    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }

    pub fn cost(self) -> Cost {
        self.row().2
    }

    pub fn lasts(self, dice: &mut Chance) -> Duration {
        let (from, to) = self.row().4;
        Duration::from_millis(dice.within(from, to))
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).expect("every fault has its row")
    }
}
