//! Measures Gatekeeper against its peers and writes docs/performance.md. `dev/bench` builds everything and calls this.
//!
//! Every server has one core, the load, the origin and Redis have another. What a request costs is the CPU time of the
//! server's process, user and system, by the number of answers: far steadier than how many came per second.
//!
//! To measure something else: a function in `sections.rs`, its line in `sections::ALL`, its markers in the document.

mod call;
mod load;
mod origin;
mod plot;
mod process;
mod report;
mod rounds;
mod sections;
mod stage;

use rounds::Effort;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

struct Arguments {
    programs: stage::Programs,
    docs: PathBuf,
    effort: Effort,
    /// Sections or rows; empty: all.
    only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut words = std::env::args().skip(1);
    let (mut gatekeeper, mut peer, mut conf, mut docs) = (None, None, None, None);
    let (mut effort, mut only) = (Effort { rounds: 12, seconds: 2.0 }, Vec::new());
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--gatekeeper" => gatekeeper = Some(PathBuf::from(value)),
            "--peer" => peer = Some(PathBuf::from(value)),
            "--conf" => conf = Some(PathBuf::from(value)),
            "--docs" => docs = Some(PathBuf::from(value)),
            "--rounds" => effort.rounds = value.parse().map_err(|_| "--rounds needs a number")?,
            "--seconds" => effort.seconds = value.parse().map_err(|_| "--seconds needs a number")?,
            "--only" => only = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("what is {word}?")),
        }
    }
    let is_known =
        |word: &String| sections::ALL.iter().any(|(name, rows, _)| name == word || rows.contains(&word.as_str()));
    if let Some(unknown) = only.iter().find(|word| !is_known(word)) {
        let all: Vec<_> = sections::ALL.iter().map(|(name, rows, _)| format!("{name} ({})", rows.join(", "))).collect();
        return Err(format!("--only {unknown}: there are {}", all.join(", ")));
    }
    let (Some(gatekeeper), Some(peer), Some(conf), Some(docs)) = (gatekeeper, peer, conf, docs) else {
        return Err("--gatekeeper, --peer, --conf and --docs are needed; dev/bench gives them".to_owned());
    };
    let absolute = |path: PathBuf| fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()));
    let programs = stage::Programs { gatekeeper: absolute(gatekeeper)?, peer: absolute(peer)?, conf: absolute(conf)? };
    Ok(Arguments { programs, docs: absolute(docs)?, effort, only })
}

fn run(arguments: Arguments) -> io::Result<()> {
    let Arguments { programs, docs, effort, only } = arguments;
    let directory = std::env::temp_dir().join(format!("gatekeeper-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let document = docs.join("performance.md");
    let machine = sections::machine();
    println!("{machine}");
    let result = stage::Stage::set(programs, &directory).and_then(|mut stage| {
        for (name, rows, measure) in sections::ALL {
            let is_wanted = only.is_empty() || only.iter().any(|word| word == name || rows.contains(&word.as_str()));
            if !is_wanted {
                continue;
            }
            println!("== {name} (rows {})", rows.join(", "));
            let began = Instant::now();
            let section = measure(&mut stage, effort)?;
            let how = format!(
                "{}: `dev/bench --only {name} --rounds {} --seconds {}`. {machine}.",
                today()?,
                effort.rounds,
                effort.seconds
            );
            let text = format!("{how}\n\n{}", section.text);
            println!("{text}\n({:.0} s)", began.elapsed().as_secs_f64());
            report::put(&document, name, &text)?;
            for (file, plot) in section.plots {
                fs::write(docs.join(file), plot)?;
            }
        }
        Ok(())
    });
    match &result {
        Ok(()) => fs::remove_dir_all(&directory)?,
        Err(_) => eprintln!("bench: what the servers said is in {}", directory.display()),
    }
    result
}

/// The date, UTC.
fn today() -> io::Result<String> {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
