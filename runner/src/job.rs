//! A whole job: the program, once for each input, each time on an empty scratch directory.

use std::time::Instant;

use warren_runner::wire::{Command, Execute, FromRunner, Pace, Start, ToRunner};

use crate::conversation::Conversation;
use crate::error::Error;
use crate::launch::Launcher;
use crate::life::Life;
use crate::park::Parked;
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
    /// Does what the worker asks for: parks an interpreter, if it is to, then runs the one job.
    ///
    /// # Errors
    /// Those of the runner itself; never the program's.
    pub(crate) fn serve(&mut self, conversation: &mut Conversation) -> Result<(), Error> {
        let mut scratch = Scratch::open()?;
        let (parked, message) = match conversation.receive(self.life)? {
            ToRunner::Park(park) => {
                check(&park.command)?;
                let parked = self.park(park.command, &mut scratch, conversation)?;
                conversation.send(&FromRunner::Parked, self.life)?;
                (Some(parked), conversation.receive(self.life)?)
            }
            message => (None, message),
        };
        let ToRunner::Execute(execute) = message else {
            return Err(Error::BadJob("it is no job"));
        };
        self.run(&execute, parked, &mut scratch, conversation)
    }

    /// Runs the program and reports each run as it ends.
    fn run(
        &mut self,
        execute: &Execute,
        parked: Option<Parked>,
        scratch: &mut Scratch,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        check(&execute.command)?;
        let budget_end = later(Instant::now(), execute.budget).min(self.life.end());
        let mut parked = self.wanted(parked, execute)?;

        let mut inputs = execute.inputs.iter();
        while let Some(input) = inputs.next() {
            let started = self.begin(parked.take(), execute, input, scratch, budget_end);
            let frame = match started {
                Ok(started) => {
                    let over = self.see_through(started, execute, budget_end, conversation)?;
                    // The verdict leaves before anything else is done.
                    let frame = over.report.map_or(FromRunner::NotRun, FromRunner::Finished);
                    conversation.send(&frame, self.life)?;
                    if !over.clean {
                        return Err(Error::Unkillable);
                    }
                    frame
                }
                // Whatever the last program left is for the engine to throw away.
                Err(Error::ScratchStuck) => {
                    conversation.send(&FromRunner::NotRun, self.life)?;
                    FromRunner::NotRun
                }
                Err(error) => return Err(error),
            };
            self.life.check()?;
            let wanted = frame != FromRunner::NotRun
                && (inputs.len() == 0 || is_continued(execute.pace, budget_end, conversation)?);
            if !wanted {
                break;
            }
        }
        for _ in inputs {
            conversation.send(&FromRunner::NotRun, self.life)?;
        }
        Ok(())
    }

    /// The parked interpreter, if it is the one that this job asks for and still waits. Any other
    /// is ended.
    fn wanted(&self, parked: Option<Parked>, execute: &Execute) -> Result<Option<Parked>, Error> {
        let Some(parked) = parked else {
            return Ok(None);
        };
        if execute.start == Start::Parked
            && parked.command == execute.command
            && !execute.inputs.is_empty()
            && self.is_waiting(&parked)?
        {
            return Ok(Some(parked));
        }
        self.discard(parked.launched.pid)?;
        Ok(None)
    }
}

/// Whether the next input's turn comes before the job's time is over.
fn is_continued(
    pace: Pace,
    budget_end: Instant,
    conversation: &mut Conversation,
) -> Result<bool, Error> {
    match pace {
        Pace::Through => Ok(true),
        Pace::Stepwise => match conversation.receive_by(budget_end)? {
            Some(ToRunner::Continue) => Ok(true),
            Some(ToRunner::Park(_) | ToRunner::Execute(_)) => {
                Err(Error::BadJob("another comes in the midst of it"))
            }
            None => Ok(false),
        },
    }
}

/// What the worker has checked before, and what this crate relies on.
fn check(command: &Command) -> Result<(), Error> {
    let name = command.file_name.as_str();
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::BadJob("its file name is not a plain name"));
    }
    if command.args.is_empty() || command.args.iter().any(|arg| arg.contains('\0')) {
        return Err(Error::BadJob("its command is empty or holds a NUL"));
    }
    Ok(())
}
