//! `warren-runner`: PID 1 of every Warren container, which runs one job and reports each run.
//!
//! It takes the job from the worker over its standard streams, runs the user's program once for
//! each input, and concludes how each run ended. The worker turns that into verdicts. It has one
//! thread and no runtime, and no program can reach any of it.
//!
//! Each module uses only modules of the lines below it:
//!
//! ```text
//! main
//! job
//! run  posture
//! park  watch
//! sandbox
//! conversation  launch  usage
//! reap  shield  scratch  filter  landlock  locks  process
//! wait  life  args
//! error  program  sys  cgroup  capture  ending  in_flight
//! ```

// Without the standard library's start: it maps a second stack, reads the memory map and installs
// handlers, all for a message when the stack overflows, and `shield` takes those handlers away again. That
// is 0.09 ms for each container.
#![cfg_attr(not(test), no_main)]

mod args;
mod capture;
mod cgroup;
mod conversation;
mod devices;
mod ending;
mod error;
mod filter;
mod in_flight;
mod job;
mod landlock;
mod launch;
mod life;
mod locks;
mod park;
mod posture;
mod process;
mod program;
mod reap;
mod run;
mod sandbox;
mod scratch;
mod shield;
mod sys;
mod usage;
mod wait;
mod watch;

use std::ffi::c_int;
use std::time::Duration;

use warren_runner::wire::{FromRunner, ToRunner, VERSION};

use crate::args::Args;
use crate::conversation::Conversation;
use crate::error::{Doing, Error};
use crate::launch::Launcher;
use crate::life::Life;
use crate::reap::Reaper;
use crate::sandbox::Sandbox;
use crate::usage::Meter;

/// Runs the runner, called by the C library. Returns the exit status.
#[cfg_attr(
    not(test),
    expect(unsafe_code, reason = "the C library calls it by this name")
)]
// SAFETY: no other function of this name is linked.
#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main() -> c_int {
    // With glibc they are there without the standard library's start, too.
    let result = match Args::parse(std::env::args().skip(1)) {
        Ok(Args::Serve { max_life }) => serve(max_life),
        Ok(Args::Posture) => posture::print().doing("printing the posture"),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) | Err(Error::WorkerGone) => libc::EXIT_SUCCESS,
        Err(error) => {
            sys::diagnose(&error);
            libc::EXIT_FAILURE
        }
    }
}

/// Runs the runner from start to end: raises the shield, greets the worker, runs a job, and waits
/// to be removed. Returning ends PID 1, and with it every process in the container.
fn serve(max_life: Duration) -> Result<(), Error> {
    let life = Life::starting_now(max_life);

    let shield = shield::raise()?;
    let mut conversation = Conversation::new(shield.worker)?;
    conversation.report_panics()?;
    let meter = Meter::open();
    let mut sandbox = Sandbox {
        launcher: Launcher::new(shield.oom, meter.charged_sockets())?,
        reaper: Reaper::new()?,
        meter,
        life,
    };

    conversation.send(&FromRunner::Ready { version: VERSION }, life)?;
    let served = job::serve(&mut sandbox, &mut conversation);
    if let Err(error) = &served
        && error.is_worth_reporting()
    {
        let reason = error.to_string();
        conversation.send(&FromRunner::Failed { reason }, life)?;
    }
    served?;
    conversation.send(&FromRunner::Done, life)?;
    loop {
        // The worker may not yet know that the job's time is over, and ask for the next run.
        let ToRunner::Continue = conversation.receive(life)? else {
            return Err(Error::BadJob("it is the second one"));
        };
    }
}
