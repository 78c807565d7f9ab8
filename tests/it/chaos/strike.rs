//! How each fault is done and undone.

use super::diary::{Trouble, Watch};
use super::fault::Fault;
use super::stage::{INSTANCES, Stage, Store};
use crate::support::chance::Chance;
use crate::support::redis::Redis;
use crate::support::redis_groups::RedisCluster;
use crate::support::wire::{Flow, Wire};
use crate::support::{SOON, eventually};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::sleep;

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// An instance is gone so long after SIGTERM.
const PEACEFUL_END: Duration = Duration::from_secs(20);

impl Stage {
    /// Does it, lets it last, undoes it: all is as before when this returns.
    pub async fn strike(&mut self, fault: Fault, dice: &mut Chance, watch: Watch) -> Trouble {
        let lasts = fault.lasts(dice);
        if fault == Fault::RedisTurnedBack {
            self.keeps_a_copy().await;
            sleep(Duration::from_millis(dice.within(4_000, 8_000))).await;
        }
        let begin = watch.now();
        match fault {
            Fault::InstanceKilled | Fault::RollingRestart | Fault::WrongClock | Fault::Reloaded => {
                self.strike_instances(fault, lasts, dice).await;
            }
            Fault::OriginRestarted => {
                self.origin.close().await;
                sleep(lasts).await;
                self.origin.reopen().await;
            }
            Fault::SentinelFailover => self.fail_over(lasts).await,
            Fault::SlotMoved | Fault::ClusterNodeKilled => self.strike_cluster(fault, lasts).await,
            Fault::ConnectionsReset | Fault::RedisSlow | Fault::InstanceCutOff => {
                self.strike_wires(fault, lasts, dice).await;
            }
            _ => self.strike_redis(fault, lasts).await,
        }
        Trouble { fault, begin, end: watch.now() }
    }

    async fn strike_redis(&mut self, fault: Fault, lasts: Duration) {
        let (redis, wires): (&mut Redis, &[Wire]) = match &mut self.store {
            Store::Single { redis, wires } => (redis, wires),
            Store::Sentinel(group) => (group.present_primary().await, &[]),
            Store::Cluster(_) => return,
        };
        match fault {
            Fault::RedisKilledEmpty | Fault::RedisKilled | Fault::RedisTurnedBack => {
                redis.kill9();
                match fault {
                    Fault::RedisKilledEmpty => fs::remove_dir_all(data(redis)).unwrap(),
                    Fault::RedisTurnedBack => {
                        fs::remove_dir_all(data(redis)).unwrap();
                        copy(&earlier(redis), &data(redis));
                    }
                    _ => {}
                }
                sleep(lasts).await;
                redis.restart().await;
            }
            Fault::RedisStalled1 | Fault::RedisStalled5 | Fault::RedisStalled60 => {
                redis.stall();
                sleep(lasts).await;
                redis.resume();
            }
            Fault::RedisFlushed => tell(redis, "FLUSHALL").await,
            Fault::ScriptsFlushed => tell(redis, "SCRIPT FLUSH").await,
            Fault::RedisOutOfMemory => {
                tell(redis, "CONFIG SET maxmemory 1").await;
                sleep(lasts).await;
                tell(redis, "CONFIG SET maxmemory 0").await;
            }
            Fault::RedisReadOnly => {
                // Nobody listens there: it keeps its data and goes on answering reads.
                tell(redis, "REPLICAOF 127.0.0.1 1").await;
                sleep(lasts).await;
                tell(redis, "REPLICAOF NO ONE").await;
            }
            Fault::RedisWantsPassword => {
                tell(redis, "CONFIG SET requirepass unknown").await;
                wires.iter().for_each(Wire::tear);
                sleep(lasts).await;
                let mut connection = redis.connection_with_password("unknown").await;
                redis::cmd("CONFIG").arg(&["SET", "requirepass", ""]).exec_async(&mut connection).await.unwrap();
            }
            _ => unreachable!("{} is done elsewhere", fault.name()),
        }
    }

    async fn strike_wires(&mut self, fault: Fault, lasts: Duration, dice: &mut Chance) {
        let Store::Single { wires, .. } = &self.store else { return };
        match fault {
            Fault::ConnectionsReset => {
                for _ in 0..5 {
                    wires.iter().for_each(Wire::tear);
                    sleep(lasts / 5).await;
                }
            }
            Fault::RedisSlow => {
                let delay = Duration::from_millis(dice.within(20, 90));
                wires.iter().for_each(|wire| wire.set(Flow::Slow(delay)));
                sleep(lasts).await;
                wires.iter().for_each(|wire| wire.set(Flow::Through));
            }
            _ => {
                let wire = &wires[dice.index(wires.len())];
                wire.set(if dice.percent(50) { Flow::Silent } else { Flow::Refused });
                sleep(lasts).await;
                wire.set(Flow::Through);
            }
        }
    }

    async fn strike_instances(&mut self, fault: Fault, lasts: Duration, dice: &mut Chance) {
        let one = dice.index(INSTANCES);
        match fault {
            Fault::InstanceKilled => {
                self.gates[one].kill();
                sleep(lasts).await;
                self.gates[one].restart().await;
            }
            Fault::RollingRestart => {
                for gate in &mut self.gates {
                    gate.term();
                    gate.wait_exit(PEACEFUL_END).await;
                    gate.restart().await;
                    sleep(lasts).await;
                }
            }
            Fault::WrongClock => {
                let mut wrong = self.setups[one].clone();
                assert!(Path::new(FAKETIME).exists(), "libfaketime is missing: dev/install-test installs it");
                for (name, value) in [("LD_PRELOAD", FAKETIME), ("FAKETIME", "+600"), ("DONT_FAKE_MONOTONIC", "1")] {
                    wrong.environment.push((name.to_owned(), value.to_owned()));
                }
                for setup in [wrong, self.setups[one].clone()] {
                    self.gates[one].kill();
                    self.gates[one].configure(setup);
                    self.gates[one].restart().await;
                    sleep(lasts).await;
                }
            }
            _ => {
                for gate in 0..INSTANCES {
                    self.setups[gate].room = format!("title = \"At {}\"", dice.within(1, 1_000_000));
                    self.gates[gate].configure(self.setups[gate].clone());
                    self.gates[gate].reload();
                }
            }
        }
    }

    /// The primary dies, the sentinel promotes the replica; the dead one comes back as its replica.
    async fn fail_over(&mut self, lasts: Duration) {
        let Store::Sentinel(group) = &mut self.store else { return };
        let before = group.primary_port().await;
        group.present_primary().await.kill9();
        let after = group.await_new_primary(before).await;
        sleep(lasts).await;
        group.brings_back(before, after).await;
    }

    async fn strike_cluster(&mut self, fault: Fault, lasts: Duration) {
        let Store::Cluster(cluster) = &mut self.store else { return };
        let slot = cluster.slot("gk:{checkout}:line").await;
        let from = cluster.owner(slot).await;
        if fault == Fault::ClusterNodeKilled {
            cluster.nodes[from].kill9();
            sleep(lasts).await;
            cluster.nodes[from].restart().await;
            return settled(cluster).await;
        }
        cluster.move_slot(slot, from, (from + 1) % cluster.nodes.len()).await;
    }

    async fn keeps_a_copy(&self) {
        let Store::Single { redis, .. } = &self.store else { return };
        let _none_yet = fs::remove_dir_all(earlier(redis));
        copy(&data(redis), &earlier(redis));
    }
}

async fn settled(cluster: &RedisCluster) {
    for node in &cluster.nodes {
        eventually(SOON, async || {
            let info: String = node.says(&["CLUSTER", "INFO"]).await?;
            info.contains("cluster_state:ok").then_some(())
        })
        .await;
    }
}

async fn tell(redis: &Redis, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    eventually(SOON, async || redis.says::<String>(&words).await).await;
}

fn data(redis: &Redis) -> PathBuf {
    redis.directory().join("appendonlydir")
}

fn earlier(redis: &Redis) -> PathBuf {
    redis.directory().join("earlier")
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.unwrap().success(), "{} could not be copied", from.display());
}
