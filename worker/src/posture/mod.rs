//! The posture of a sandbox: its confinement, read from inside as a program sees it.
//!
//! The runner in the image is run as a program of the language, and prints what it finds. What no
//! program may see, such as the limits of control groups, PID 1 describes.

mod expectation;
mod facts;

use std::collections::BTreeMap;
use std::time::Duration;

use warren_languages::Language;
use warren_protocol::limits::Limits;
use warren_runner::wire::{Command, Ending, Execute, Exit, Pace, RunReport, Start};

use crate::engine::{Engine, Launch, Purpose, RUNNER};
use crate::sandbox::{Conversation, Next};
use crate::{Error, Result};

pub use expectation::Fault;
pub use facts::Posture;

/// The longest time that it may take to read one, from the container's start. It takes a tenth of
/// a second of CPU.
const WITHIN: Duration = Duration::from_secs(20);

impl Posture {
    /// Starts a sandbox of the language, reads its posture, and has it removed.
    ///
    /// # Errors
    /// There is no sandbox, or it does not run the runner as a program.
    pub(crate) async fn read(engine: &dyn Engine, language: &Language) -> Result<Self> {
        let limits = Limits::default();
        let launch = Launch {
            language: language.name().clone(),
            purpose: Purpose::Park,
            limits: limits.clone(),
            max_life: WITHIN,
        };
        let mut conversation = Conversation::open(engine.launch(&launch).await?).await?;
        let mut facts = conversation.describe().await?;
        let mut run = None;
        let execute = execute(language, &limits);
        let report = |report| {
            run = report;
            Next::Stop
        };
        conversation.execute(execute, report).await?;
        let run = run.ok_or(Error::PostureUnread("it had no time".to_owned()))?;
        facts.extend(parse(&run)?);
        Ok(Self::of(facts))
    }

    /// Returns what it falls short of, if programs of these limits may run in such a sandbox.
    pub(crate) fn faults(&self, limits: &Limits) -> Vec<Fault> {
        expectation::faults(self, limits)
    }
}

/// Makes the job that has the runner read its confinement.
fn execute(language: &Language, limits: &Limits) -> Execute {
    Execute {
        command: Command {
            args: vec![RUNNER.to_owned(), "--posture".to_owned()],
            file_name: language.file_name().to_owned(),
            pipe_size: limits.output_flood.get(),
        },
        start: Start::Fresh,
        pace: Pace::Through,
        code: b"\n".to_vec(),
        inputs: vec![Vec::new()],
        // On a busy machine it must end all the same: this is no user's program.
        time_limit: WITHIN,
        budget: WITHIN,
        output_kept: limits.output_kept.get(),
        output_flood: limits.output_flood.get(),
    }
}

fn parse(run: &RunReport) -> Result<BTreeMap<String, String>> {
    if run.ending != Ending::Ended(Exit::Status(0)) || run.stdout.truncated {
        let says = String::from_utf8_lossy(&run.stderr.bytes);
        let last = says.lines().last().unwrap_or_default();
        return Err(Error::PostureUnread(format!("{:?}, {last}", run.ending)));
    }
    let text = String::from_utf8_lossy(&run.stdout.bytes);
    let facts = text.lines().map(|line| match line.split_once(" = ") {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::PostureUnread("a line is no fact".to_owned())),
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use warren_runner::wire::Stream;

    use super::*;

    fn printed(text: &str, ending: Ending) -> RunReport {
        RunReport {
            ending,
            stdout: Stream {
                bytes: text.into(),
                truncated: false,
            },
            stderr: Stream::default(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 0,
        }
    }

    #[test]
    fn only_facts_of_a_run_that_ended_well_are_believed() {
        let well = Ending::Ended(Exit::Status(0));
        let facts = parse(&printed("a = b = c\nd e = -\n", well)).unwrap();
        let expected = [("a", "b = c"), ("d e", "-")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(facts, BTreeMap::from(expected));
        for (text, ending) in [
            ("hello", well),
            ("a = b\n", Ending::Ended(Exit::Status(1))),
            ("a = b\n", Ending::TimeLimit),
        ] {
            assert!(parse(&printed(text, ending)).is_err(), "{text} {ending:?}");
        }
        let mut cut = printed("a = b\n", well);
        cut.stdout.truncated = true;
        assert!(parse(&cut).is_err());
    }
}
