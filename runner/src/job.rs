//! A whole job: the program, once for each input, each time on an empty scratch directory.

use std::time::Instant;

use warren_runner::wire::{Execute, FromRunner, ToRunner};

use crate::conversation::Conversation;
use crate::error::Error;
use crate::launch::Launcher;
use crate::life::Life;
use crate::reap::Reaper;
use crate::run::later;
use crate::scratch::Scratch;
use crate::usage::Meter;

/// What a job is run with.
pub(crate) struct Job {
    pub(crate) launcher: Launcher,
    pub(crate) reaper: Reaper,
    pub(crate) meter: Meter,
    pub(crate) life: Life,
}

impl Job {
    /// Runs what the worker asks for and reports each run as it ends.
    ///
    /// # Errors
    /// Those of the runner itself; never the program's.
    pub(crate) fn run(
        &mut self,
        message: &ToRunner,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let ToRunner::Execute(execute) = message else {
            return Err(Error::BadJob("it is no job"));
        };
        check(execute)?;
        let mut scratch = Scratch::open()?;
        let budget_end = later(Instant::now(), execute.budget).min(self.life.end());

        let mut inputs = execute.inputs.iter();
        for input in inputs.by_ref() {
            match scratch.empty(budget_end) {
                // Whatever the last program left is for the engine to throw away.
                Err(Error::ScratchStuck) => {
                    conversation.send(&FromRunner::NotRun, self.life)?;
                    break;
                }
                emptied => emptied?,
            }
            scratch.write(&execute.command.file_name, &execute.code)?;
            let over = self.run_once(execute, input, budget_end, conversation)?;
            // The verdict leaves before anything else is done.
            let frame = over.report.map_or(FromRunner::NotRun, FromRunner::Finished);
            conversation.send(&frame, self.life)?;
            if !over.clean {
                return Err(Error::Unkillable);
            }
            self.life.check()?;
        }
        for _ in inputs {
            conversation.send(&FromRunner::NotRun, self.life)?;
        }
        Ok(())
    }
}

/// What the worker has checked before, and what this crate relies on.
fn check(execute: &Execute) -> Result<(), Error> {
    let name = execute.command.file_name.as_str();
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::BadJob("its file name is not a plain name"));
    }
    let args = &execute.command.args;
    if args.is_empty() || args.iter().any(|arg| arg.contains('\0')) {
        return Err(Error::BadJob("its command is empty or holds a NUL"));
    }
    Ok(())
}
