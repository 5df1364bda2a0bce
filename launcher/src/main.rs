//! The launcher as a program of its own, for this crate's tests.

use std::process::ExitCode;

use clap::Parser;
use warren_launcher::{Arguments, launcher};

/// The command line of `warren launcher`.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    match launcher(&Cli::parse().arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warren: {error}");
            ExitCode::from(2)
        }
    }
}
