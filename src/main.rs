//! The program: see `gatekeeper::cli`.

fn main() -> std::process::ExitCode {
    gatekeeper::cli::main()
}
