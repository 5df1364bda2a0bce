//! `warren-runner`: PID 1 of every Warren container. It takes one job from the worker over its
//! standard streams, runs the user's program once for each input, and alone decides what became
//! of it. One thread, no runtime, and nothing of it is within the program's reach.

mod args;
mod capture;
mod cgroup;
mod conversation;
mod error;
mod filter;
mod job;
mod judge;
mod launch;
mod life;
mod park;
mod reap;
mod run;
mod scratch;
mod shield;
mod sys;
mod usage;
mod watch;

use std::process::ExitCode;

use warren_runner::wire::{FromRunner, ToRunner, VERSION};

use crate::args::Args;
use crate::conversation::Conversation;
use crate::error::Error;
use crate::job::Job;
use crate::launch::Launcher;
use crate::life::Life;
use crate::reap::Reaper;
use crate::usage::Meter;

fn main() -> ExitCode {
    match serve() {
        Ok(()) | Err(Error::WorkerGone) => ExitCode::SUCCESS,
        Err(error) => {
            sys::diagnose(&error);
            ExitCode::FAILURE
        }
    }
}

/// The runner's whole life: shield, greet, take a job, run it, wait to be removed. Returning ends
/// PID 1, and with it every process in the container.
fn serve() -> Result<(), Error> {
    let args = Args::parse(std::env::args().skip(1))?;
    let life = Life::starting_now(args.max_life);

    let shield = shield::raise()?;
    let mut conversation = Conversation::new(shield.worker)?;
    conversation.tell_of_panics()?;
    let mut job = Job {
        launcher: Launcher::new(shield.oom)?,
        reaper: Reaper::new()?,
        meter: Meter::open(),
        life,
    };

    conversation.send(&FromRunner::Ready { version: VERSION }, life)?;
    let served = job.serve(&mut conversation);
    if let Err(error) = &served
        && error.is_worth_telling()
    {
        let reason = error.to_string();
        conversation.send(&FromRunner::Failed { reason }, life)?;
    }
    served?;
    conversation.send(&FromRunner::Done, life)?;
    loop {
        // A worker that has been told that the job's time is over may still say to go on.
        let ToRunner::Continue = conversation.receive(life)? else {
            return Err(Error::BadJob("there was one before"));
        };
    }
}
