//! The commands: `run`, `check`, `demo`, `crowd`.

use crate::app::{self, Reload, StartError, Watch};
use crate::config::{Config, process_environment};
use crate::crowd;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The configuration is wrong (sysexits.h, EX_CONFIG).
const EXIT_CONFIG: u8 = 78;
/// What was asked for can't be done (EX_USAGE).
const EXIT_USAGE: u8 = 64;
/// Another process is in the way: try again later (EX_TEMPFAIL).
const EXIT_BUSY: u8 = 75;

/// A waiting room in front of your site.
#[derive(Debug, Parser)]
#[command(name = "gatekeeper", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run {
        /// The configuration; without it, environment variables make a one-site gate (see .env.example).
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Take over the listeners of the running process, with no connection refused: start this one, then send SIGQUIT
        /// to the old one. Both need the same server.state_dir.
        #[arg(long)]
        upgrade: bool,
    },
    /// Say everything that is wrong with a configuration, each with its place.
    Check {
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// A small shop behind a tight gate, with a crowd: open the printed address and see the line.
    Demo {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8000")]
        listen: std::net::SocketAddr,
    },
    /// Rehearse a sale: a crowd of simulated visitors in front of a running gate. Exits with 1 where something was not as
    /// expected.
    Crowd(Box<crowd::Options>),
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    // Redis over TLS uses the process's one provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Arguments::parse().command {
        Command::Run { config, upgrade } => run(config, upgrade),
        Command::Check { config } => check(config.as_ref()),
        Command::Demo { listen } => crate::demo::run(listen),
        Command::Crowd(options) => return rehearse(*options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(if error.is_busy { EXIT_BUSY } else { EXIT_CONFIG })
        }
    }
}

fn rehearse(options: crowd::Options) -> ExitCode {
    match options.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(refusal) => {
            say(&refusal.to_string());
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn load(path: Option<&PathBuf>) -> Result<Config, StartError> {
    Config::load(path.map(PathBuf::as_path), &process_environment())
        .map_err(|errors| StartError::new(errors.iter().map(ToString::to_string).collect()))
}

fn run(path: Option<PathBuf>, upgrade: bool) -> Result<(), StartError> {
    let watch = Watch::of(path.clone());
    let config = load(path.as_ref())?;
    let started = app::start(config, upgrade)?;
    let reload = Reload { load: Box::new(move || load(path.as_ref())), watch };
    app::run(started, reload, Vec::new())
}

fn check(path: Option<&PathBuf>) -> Result<(), StartError> {
    let config = load(path)?;
    for warning in &config.warnings {
        say(&format!("warning: {warning}"));
    }
    app::check(&config)?;
    say("the configuration is fine");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a command talks to the terminal")]
fn say(line: &str) {
    eprintln!("{line}");
}
