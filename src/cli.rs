//! The commands: `run`, `check`, `page`, `demo`, `crowd`.

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
    /// The waiting page: to be looked at, or to start your own from.
    Page(PageArguments),
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

/// One of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct PageWhat {
    /// Shows every state in every language on this address.
    #[arg(long, num_args = 0..=1, default_missing_value = "127.0.0.1:8001")]
    preview: Option<std::net::SocketAddr>,
    /// Prints the texts of a language that comes with the program, as in `--texts en > locales/sv.ftl`.
    #[arg(long, value_name = "LANGUAGE")]
    texts: Option<String>,
    /// Prints the built-in template.
    #[arg(long)]
    template: bool,
}

#[derive(Debug, clap::Args)]
struct PageArguments {
    #[command(flatten)]
    what: PageWhat,
    /// Whose pages to preview; without it the built-in one.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    // Redis over TLS uses the process's one provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Arguments::parse().command {
        Command::Run { config, upgrade } => run(config, upgrade),
        Command::Check { config } => check(config.as_ref()),
        Command::Page(arguments) => page(arguments),
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

fn page(arguments: PageArguments) -> Result<(), StartError> {
    let PageArguments { what, config } = arguments;
    if let Some(listen) = what.preview {
        return crate::preview::run(listen, Box::new(move || load(config.as_ref())));
    }
    let Some(tag) = what.texts else {
        return print(crate::page::BUILT_IN);
    };
    let known = || crate::page::built_in_languages().collect::<Vec<_>>().join(", ");
    let none =
        || StartError::new(vec![format!("no language \"{tag}\" comes with the program; there are: {}", known())]);
    print(crate::page::built_in_texts(&tag).ok_or_else(none)?)
}

/// To be kept in a file; a reader that has enough is no failure.
fn print(text: &str) -> Result<(), StartError> {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a command talks to the terminal")]
fn say(line: &str) {
    eprintln!("{line}");
}
