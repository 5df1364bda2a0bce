//! The binary `warren`: reads the command line and runs the command.

mod cli;
mod client;
mod compose;
mod doctor;
mod environment;
mod exit;
mod greeting;
mod key;
mod roles;
mod rootfs;
mod serve;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use warren_bench::bench;
use warren_launcher::Arguments;

use cli::{Cli, Command};
use roles::Roles;
use settings::Settings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // First of all, while there is one thread: it has no use for .env, which may hold secrets.
    if let Command::Launcher(arguments) = &cli.command {
        return launcher(arguments);
    }
    // A missing .env counts as an empty one; a broken one is an error.
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => {
            exit::complain(&anyhow::anyhow!(
                "cannot read the file .env: {error}; correct or remove it"
            ));
            return ExitCode::from(exit::EXIT_TROUBLE);
        }
        Ok(_) | Err(_) => {}
    }
    let result = match cli.command {
        Command::Up => serve::serve(Roles::Both),
        Command::Api => serve::serve(Roles::Api),
        Command::Worker => serve::serve(Roles::Worker),
        Command::Run(arguments) => client::run::run(&arguments),
        Command::Result(arguments) => client::result::result(&arguments),
        Command::History(arguments) => client::history::history(&arguments),
        Command::Cancel(arguments) => client::result::cancel(&arguments),
        Command::Completions(arguments) => {
            cli::completions(&arguments);
            Ok(ExitCode::SUCCESS)
        }
        Command::Config => environment::config(),
        Command::Health(arguments) => client::health::health(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Bench(arguments) => {
            Settings::of_process().and_then(|settings| bench(&arguments, &settings.into_setup()))
        }
        Command::Key(command) => key::key(&command),
        Command::Launcher(arguments) => return launcher(&arguments),
        Command::Rootfs(command) => rootfs::rootfs(&command),
    };
    result.unwrap_or_else(|error| {
        exit::complain(&error);
        ExitCode::from(exit::EXIT_TROUBLE)
    })
}

/// Makes sandboxes until the worker that started this process is gone.
fn launcher(arguments: &Arguments) -> ExitCode {
    match warren_launcher::launcher(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            exit::complain(&error.into());
            ExitCode::from(exit::EXIT_TROUBLE)
        }
    }
}
