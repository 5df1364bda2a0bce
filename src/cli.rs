//! The command line: commands, arguments, help.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use warren_bench::BenchArguments;
use warren_config::Reader;
use warren_protocol::ids::{JobId, RoomId};

use crate::environment;

/// The part of `--help` on exit statuses.
const EXIT_STATUSES: &str = "\
Exit status of up, api and worker:
  0         stopped by SIGTERM or SIGINT, with everything finished
  2         failed to start, or failed for good; standard error says why
  3         stopped, but the grace period ended first: requests were cut off, or jobs went back to the queue
  130, 143  ended immediately by a second signal (SIGINT, SIGTERM)
Exit status of the other commands: 0 success, 1 the program or the check failed, 2 Warren failed to carry out the command.";

/// Runs untrusted JavaScript and Python behind a REST API, each job in a fresh hardened container.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_STATUSES)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// A command of `warren`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run API and worker in this one process; needs only Docker (and RabbitMQ if RABBITMQ_URL is set)
    #[command(after_help = environment::HINT, after_long_help = environment::help(Reader::Both))]
    Up,
    /// Run the REST API (port 5000); needs RABBITMQ_URL
    #[command(after_help = environment::HINT, after_long_help = environment::help(Reader::Api))]
    Api,
    /// Run a worker (port 5001); needs RABBITMQ_URL and Docker. Start as many as you like
    #[command(after_help = environment::HINT, after_long_help = environment::help(Reader::Worker))]
    Worker,
    /// Submit a file to a Warren server and print its output (on a terminal with control characters
    /// escaped, into a file or pipe as it is)
    Run(RunArguments),
    /// Show the result of a job and its output
    Result(ResultArguments),
    /// List the executions of a room, newest first
    History(HistoryArguments),
    /// Cancel a queued or running job
    Cancel(CancelArguments),
    /// Print every environment variable, its value, and unusable ones (exit status 1)
    Config,
    /// Query a health address; exit status 0 only if it answers and is not down
    Health(HealthArguments),
    /// Examine the sandboxes from inside and the host; needs only Docker. Exit status 0 all is well,
    /// 1 the host weakens the sandbox, 2 a sandbox is weaker than it must be or cannot be examined
    Doctor(DoctorArguments),
    /// Measure Warren against `docker run` and the bare interpreter on this machine
    Bench(BenchArguments),
    /// Print a completion script for a shell, to source in its start file
    Completions(CompletionsArguments),
    /// Make sandboxes for a worker, which starts this itself (WARREN_ENGINE=native)
    #[command(hide = true)]
    Launcher(warren_launcher::Arguments),
    /// Manage API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage the languages' root file systems, which the native engine uses
    #[command(subcommand)]
    Rootfs(RootfsCommand),
}

/// A command of `warren rootfs`.
#[derive(Debug, Subcommand)]
pub enum RootfsCommand {
    /// Make the root of a language from an image, an archive or a directory; without arguments, of
    /// each language from its configured image, where it is missing or outdated
    Import(ImportArguments),
    /// List the languages' roots: where they are, and what each was made from
    List,
    /// Check everything in the languages' roots, as workers do before they use one; exit status 1 if
    /// one is not fit for use
    Check(CheckArguments),
}

/// Arguments of `warren rootfs import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The language; by default each
    pub language: Option<String>,
    /// An image of the local Docker (pulled if it is missing), or a path: an OCI image layout, a
    /// `docker save` or `docker export` archive, a directory. By default the configured image, unless
    /// the root is up to date or was made from something that you chose
    #[arg(value_name = "IMAGE|PATH", requires = "language")]
    pub source: Option<String>,
}

/// Arguments of `warren rootfs check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The language; by default each
    pub language: Option<String>,
}

/// A command of `warren key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Print a new key, and the stanza for the file that WARREN_API_KEYS_FILE names
    New(NewKeyArguments),
}

/// Arguments of `warren key new`.
#[derive(Debug, Args)]
pub struct NewKeyArguments {
    /// The owner's name: 1 to 64 letters, digits, '-', '_' or '.'
    pub name: String,
}

/// Arguments of `warren run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The program's source
    pub file: PathBuf,
    /// Its standard input: a text, or - for this command's own standard input
    #[arg(long, value_name = "TEXT|-", allow_hyphen_values = true)]
    pub input: Option<String>,
    /// Its language; by default guessed from the file's extension
    #[arg(long)]
    pub language: Option<String>,
    /// The test cases: a JSON array of {"input", "expectedOutput"}, or a directory of NAME.in and NAME.out
    #[arg(long, value_name = "FILE|DIR")]
    pub cases: Option<PathBuf>,
    /// The comparison of outputs with the expected ones: trimmed, exact, tokens, float or unordered
    #[arg(long, requires = "cases")]
    pub compare: Option<String>,
    /// Do not wait; print the job's id for `warren result`
    #[arg(long)]
    pub r#async: bool,
    /// Print the server's answer unchanged, and nothing else
    #[arg(long)]
    pub json: bool,
    /// The room to submit to
    #[arg(long, default_value = "cli")]
    pub room: RoomId,
    /// The server and the API key
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The server and the API key.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// The Warren server
    #[arg(long, env = "WARREN_SERVER", default_value = "http://127.0.0.1:5000")]
    pub server: String,
    /// An API key or an ID token, if the server requires one. The variable keeps it out of the
    /// list of processes
    #[arg(long, env = "WARREN_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// Arguments of `warren result`.
#[derive(Debug, Args)]
pub struct ResultArguments {
    /// The job's id
    pub id: JobId,
    /// The time to wait for the result
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub wait: u64,
    /// Print the server's answer unchanged, and nothing else
    #[arg(long)]
    pub json: bool,
    /// The server and the API key
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments of `warren history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// The room
    pub room: RoomId,
    /// Only executions of this language
    #[arg(long)]
    pub language: Option<String>,
    /// Only executions with this status: completed, runtime_error, failed…
    #[arg(long)]
    pub status: Option<String>,
    /// The most executions to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print them as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
    /// The server and the API key
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments of `warren cancel`.
#[derive(Debug, Args)]
pub struct CancelArguments {
    /// The job's id
    pub id: JobId,
    /// The server and the API key
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments of `warren completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// Prints a completion script.
pub fn completions(arguments: &CompletionsArguments) {
    let mut command = Cli::command();
    clap_complete::generate(
        arguments.shell,
        &mut command,
        "warren",
        &mut std::io::stdout(),
    );
}

/// Arguments of `warren doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Print everything that was read as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `warren health`.
#[derive(Debug, Args)]
pub struct HealthArguments {
    /// The health address, such as http://127.0.0.1:5000/api/health or http://127.0.0.1:5001/health
    #[arg(default_value = "http://127.0.0.1:5000/api/health")]
    pub url: String,
}

#[cfg(test)]
mod tests {
    use warren_config::{Unset, variables};

    use super::*;

    #[test]
    fn options_that_read_a_variable_agree_with_the_list() {
        let command = Cli::command();
        let mut read = 0;
        for subcommand in command.get_subcommands() {
            for option in subcommand.get_arguments() {
                let Some(name) = option.get_env() else {
                    continue;
                };
                let name = name.to_str().unwrap();
                let variable = variables::find(name).unwrap_or_else(|| panic!("{name} is listed"));
                assert_eq!(variable.reader, Reader::Client, "{name}");
                if let [default] = option.get_default_values() {
                    let default = default.to_str().unwrap();
                    assert!(matches!(variable.unset, Unset::Value(value) if value == default));
                }
                read += 1;
            }
        }
        assert!(read > 0, "some options read variables");
    }
}
