//! The one binary `warren`: reads the command line and hands over to the command.

mod cli;
mod client;
mod compose;
mod environment;
mod key;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use warren_bench::bench;

use cli::{Cli, Command};
use serve::Roles;
use settings::Settings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A missing .env is as good as an empty one; a broken one is not.
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => {
            cli::complain(&anyhow::anyhow!(
                "the file .env cannot be read: {error}; correct or remove it"
            ));
            return ExitCode::from(cli::EXIT_TROUBLE);
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
        Command::Config => Ok(environment::config()),
        Command::Health(arguments) => client::health::health(&arguments),
        Command::Bench(arguments) => {
            Settings::of_process().and_then(|settings| bench(&arguments, &settings.into_setup()))
        }
        Command::Key(command) => key::key(&command),
    };
    result.unwrap_or_else(|error| {
        cli::complain(&error);
        ExitCode::from(cli::EXIT_TROUBLE)
    })
}
