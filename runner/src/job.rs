//! Runs a job: its program once for each input, always on an empty scratch directory.

use std::time::Instant;

use warren_runner::wire::{Command, Execute, FromRunner, Pace, Start, ToRunner};

use crate::conversation::Conversation;
use crate::error::Error;
use crate::life::later;
use crate::park::Parked;
use crate::posture;
use crate::run::Started;
use crate::sandbox::Sandbox;
use crate::scratch::Scratch;
use crate::sys;

/// Serves the worker's requests: describes the container and parks an interpreter, if asked to, then
/// runs the one job.
///
/// # Errors
/// Those of the runner itself; never the program's.
pub(crate) fn serve(sandbox: &mut Sandbox, conversation: &mut Conversation) -> Result<(), Error> {
    let mut scratch = Scratch::open()?;
    let life = sandbox.life;
    let first = match conversation.receive(life)? {
        ToRunner::Describe => {
            conversation.send(&FromRunner::Described(posture::of_init()), life)?;
            conversation.receive(life)?
        }
        message => message,
    };
    let (parked, message) = match first {
        ToRunner::Park(park) => {
            check(&park.command)?;
            check_environment(&park.environment)?;
            let parked = Parked::start(park, sandbox, &mut scratch, conversation)?;
            conversation.send(&FromRunner::Parked, life)?;
            (Some(parked), conversation.receive(life)?)
        }
        message => (None, message),
    };
    let ToRunner::Execute(execute) = message else {
        return Err(Error::BadJob("the message is not a job"));
    };
    run(&execute, parked, sandbox, &mut scratch, conversation)
}

/// Runs the program and reports each run as it ends.
fn run(
    execute: &Execute,
    parked: Option<Parked>,
    sandbox: &mut Sandbox,
    scratch: &mut Scratch,
    conversation: &mut Conversation,
) -> Result<(), Error> {
    check(&execute.command)?;
    let life = sandbox.life;
    let budget_end = later(Instant::now(), execute.budget).min(life.end());
    let mut parked = usable(parked, execute, sandbox)?;

    let mut inputs = execute.inputs.iter();
    let mut has_run = false;
    while let Some(input) = inputs.next() {
        let started = Started::begin(parked.take(), execute, input, sandbox, scratch, budget_end);
        let (frame, clean) = match started {
            Ok(started) => {
                let over = started.see_through(execute, sandbox, budget_end, conversation)?;
                let frame = over.report.map_or(FromRunner::NotRun, FromRunner::Finished);
                (frame, over.clean)
            }
            Err(error) if error.ends_the_runs(has_run) => {
                sys::diagnose(&error);
                (FromRunner::NotRun, true)
            }
            Err(error) => return Err(error),
        };
        has_run = true;
        // The verdict leaves before anything else is done.
        conversation.send(&frame, life)?;
        life.check()?;
        let wanted = clean
            && frame != FromRunner::NotRun
            && (inputs.len() == 0 || is_continued(execute.pace, budget_end, conversation)?);
        if !wanted {
            break;
        }
    }
    for _ in inputs {
        conversation.send(&FromRunner::NotRun, life)?;
    }
    Ok(())
}

/// Returns the parked interpreter if it is the one that this job asks for and still waits. Ends any
/// other.
fn usable(
    parked: Option<Parked>,
    execute: &Execute,
    sandbox: &Sandbox,
) -> Result<Option<Parked>, Error> {
    let Some(parked) = parked else {
        return Ok(None);
    };
    if execute.start == Start::Parked
        && parked.command == execute.command
        && !execute.inputs.is_empty()
        && parked.is_waiting(sandbox)?
    {
        return Ok(Some(parked));
    }
    sandbox.clear(parked.launched.pid)?;
    Ok(None)
}

/// Returns whether the next input is to be run. If the pace is stepwise, waits for the worker to
/// continue, at most until the job's time is over.
fn is_continued(
    pace: Pace,
    budget_end: Instant,
    conversation: &mut Conversation,
) -> Result<bool, Error> {
    match pace {
        Pace::Through => Ok(true),
        Pace::Stepwise => match conversation.receive_by(budget_end)? {
            Some(ToRunner::Continue) => Ok(true),
            Some(ToRunner::Park(_) | ToRunner::Execute(_) | ToRunner::Describe) => {
                Err(Error::BadJob("another message arrived before it was done"))
            }
            None => Ok(false),
        },
    }
}

/// Checks what this crate relies on, although the worker has checked it before.
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

/// Checks the variables of a parked interpreter, as [`check`] does its command.
fn check_environment(environment: &[(String, String)]) -> Result<(), Error> {
    let usable = |(name, value): &(String, String)| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    if environment.iter().all(usable) {
        Ok(())
    } else {
        Err(Error::BadJob(
            "a variable's name is empty or holds a '=' or a NUL",
        ))
    }
}
