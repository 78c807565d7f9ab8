//! What is shown of a campaign: the figures, and the histories behind each violation.

use super::Plan;
use super::diary::{Diary, Ms, Note, Story, Told, Trouble, Watch};
use super::fault::Fault;
use super::judge::way;
use super::verdict::{Offence, Verdict, Violation};
use std::collections::BTreeMap;

/// So many violations of a kind are shown with their histories.
const SHOWN: usize = 3;

pub fn show(plan: &Plan, verdict: &Verdict, diary: &Diary, watch: Watch) {
    let (stories, troubles) = (diary.stories.lock().unwrap(), diary.troubles.lock().unwrap());
    for offence in Offence::ALL {
        let all = verdict.violations.iter().filter(|violation| violation.offence == offence);
        for violation in all.take(SHOWN) {
            tell(violation, &stories, watch);
        }
    }
    println!(
        "\n{}, seed {}, {} people, {} visits, {} admitted",
        plan.kind.name(),
        plan.seed,
        plan.crowd,
        stories.len(),
        verdict.admitted
    );
    let mut by_fault: BTreeMap<_, Vec<Ms>> = BTreeMap::new();
    for (fault, took) in &verdict.recoveries {
        by_fault.entry(*fault).or_default().push(*took);
    }
    println!("{:<24}{:>9}{:>18}", "fault", "injected", "slowest recovery");
    for (fault, times) in &by_fault {
        let slowest = times.iter().max().copied().unwrap_or_default();
        println!("{:<24}{:>9}{:>16.1} s", fault.name(), times.len(), slowest as f64 / 1000.0);
    }
    let starved: Vec<&Trouble> = troubles.iter().filter(|trouble| trouble.fault == Fault::MachineStarved).collect();
    let seconds = starved.iter().map(|trouble| trouble.end - trouble.begin).sum::<Ms>() as f64 / 1000.0;
    println!("{:<24}{:>9}", "in all", troubles.len() - starved.len());
    println!(
        "{:<24}{:>9}   {seconds:.1} s in all, of which nothing is known",
        Fault::MachineStarved.name(),
        starved.len()
    );
    for offence in Offence::ALL {
        let count = verdict.violations.iter().filter(|violation| violation.offence == offence).count();
        println!("{:<33}{count:>9}", offence.name());
    }
}

fn tell(violation: &Violation, stories: &[Story], watch: Watch) {
    println!("\n{} at {:.1} s: {}", violation.offence.name(), watch.since_start(violation.at), violation.what);
    for story in stories.iter().filter(|story| violation.who.contains(&story.name)) {
        println!("  {} {}, then {:?}; the token says {:?}", story.name, way(story), story.end, story.token);
        for note in &story.notes {
            println!("    {}", line(note, watch));
        }
    }
}

fn line(note: &Note, watch: Watch) -> String {
    let Note { asked, answered, door, told } = note;
    let what = match told {
        Told::Waiting { position, next } => format!("waiting at {position}, ask again in {next} ms"),
        other => format!("{other:?}"),
    };
    format!("{:8.2} s  +{:4} ms  instance {door}: {what}", watch.since_start(*asked), answered - asked)
}
