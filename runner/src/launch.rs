//! Starts a program: a new process with pipes for its streams, and nothing else.

use std::collections::BTreeMap;
use std::ffi::NulError;
use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Resource, Rlimit, chdir, setpriority_process, setrlimit, setsid};
use warren_runner::wire;

use crate::error::{Doing, Error};
use crate::filter::{Filter, Sockets};
use crate::landlock::Landlock;
use crate::locks::{Handover, Locks};
use crate::process::Starter;
use crate::program::Program;
use crate::scratch;
use crate::shield::{self, OomScore};
use crate::sys;

/// The search path for interpreters if the image sets none.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The resources whose limits are zero for a program, hard and soft. A POSIX message queue would
/// outlive it; a real-time process would starve PID 1.
const FORBIDDEN: [Resource; 3] = [Resource::Msgqueue, Resource::Rtprio, Resource::Nice];

/// The size of a core file, in bytes. Too small for one; and where the host hands crashes to a handler
/// (`kernel.core_pattern` with a pipe), which runs outside of every limit, the kernel starts it at
/// any limit but this one (`fs/coredump.c`). The filter keeps programs from changing it.
const CORE_FILE: u64 = 1;

/// The number of signals that may be queued: the kernel counts them by user id, across containers.
const QUEUED_SIGNALS: u64 = 256;
/// The lowest priority (`nice` 19): every process may take it, and none can raise it again.
const LOWEST_PRIORITY: i32 = 19;

/// The largest pipe that the kernel grants to unprivileged processes, in bytes.
const WIDEST_PIPE: usize = 1024 * 1024;

/// A process that has just begun to run its program.
pub(crate) struct Launched {
    pub(crate) pid: u32,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Its calls that lock files; `None` where the kernel does not ask about them.
    pub(crate) locks: Option<Locks>,
}

/// A launcher of programs, with everything prepared that can be.
pub(crate) struct Launcher {
    starter: Starter,
    oom: OomScore,
    landlock: Landlock,
    filter: Filter,
    path: String,
}

impl Launcher {
    pub(crate) fn new(oom: OomScore, sockets: Sockets) -> Result<Self, Error> {
        Ok(Self {
            starter: Starter::new(),
            oom,
            landlock: Landlock::build(scratch::PATH)?,
            filter: Filter::build(sockets)?,
            path: std::env::var("PATH").unwrap_or_else(|_| USUAL_PATH.to_owned()),
        })
    }

    /// Starts a program. Returns as soon as the kernel has replaced the new process's image by it.
    /// Its output pipes are as wide as the command asks, if the kernel grants that. `environment` is
    /// added to the variables that every program gets.
    ///
    /// # Errors
    /// [`Error::Start`] if it cannot be executed.
    pub(crate) fn start(
        &mut self,
        command: &wire::Command,
        environment: &[(String, String)],
    ) -> Result<Launched, Error> {
        let Some(name) = command.args.first() else {
            return Err(Error::BadJob("its command is empty"));
        };
        let failed = |source| Error::Start {
            program: name.clone(),
            source,
        };
        let mut program = self
            .program(command, environment)
            .map_err(|nul| failed(nul.into()))?;
        let (their_stdin, stdin) = pipe()?;
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        let theirs = [&their_stdin, &their_stdout, &their_stderr];
        shield::wipe_device_times();
        let handover = Handover::prepare()?;
        let Self {
            starter,
            oom,
            landlock,
            filter,
            ..
        } = self;
        let pid = oom.with_expendable_child(|| {
            starter.start(&mut program, &mut || {
                move_in(theirs)?;
                confine(landlock, filter, &handover)
            })
        })?;
        Ok(Launched {
            pid: pid.map_err(failed)?,
            stdin: unblocked(stdin)?,
            stdout: widened(unblocked(stdout)?, command.pipe_size),
            stderr: widened(unblocked(stderr)?, command.pipe_size),
            locks: handover.receive(),
        })
    }

    fn program(
        &self,
        command: &wire::Command,
        environment: &[(String, String)],
    ) -> Result<Program, NulError> {
        let mut variables = BTreeMap::from([
            ("PATH", self.path.as_str()),
            ("HOME", scratch::PATH),
            ("TMPDIR", scratch::PATH),
            ("LANG", "C.UTF-8"),
        ]);
        let added = environment.iter();
        variables.extend(added.map(|(name, value)| (name.as_str(), value.as_str())));
        Program::new(&command.args, &variables)
    }
}

/// Makes a pipe: the end to read and the end to write.
fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe_with(PipeFlags::CLOEXEC).doing("piping a stream of the program")
}

/// Makes the runner's end of a pipe non-blocking.
fn unblocked(end: OwnedFd) -> Result<OwnedFd, Error> {
    rustix::io::ioctl_fionbio(&end, true).doing("making a program's stream non-blocking")?;
    Ok(end)
}

/// Makes its ends of the pipes the new process's streams, and goes to the scratch directory.
fn move_in([stdin, stdout, stderr]: [&OwnedFd; 3]) -> io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(chdir(scratch::PATH)?)
}

/// Widens the pipe to as many bytes if the kernel grants them. Node queues in memory what a pipe
/// does not take at once, and loses it at `process.exit()`.
fn widened(pipe: OwnedFd, bytes: u64) -> OwnedFd {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // Refused if this user id has too much in pipes already: then the pipe keeps its usual size.
    let _ = fcntl_setpipe_size(&pipe, bytes.min(WIDEST_PIPE));
    pipe
}

/// Confines the new process: its last steps before it becomes the user's program.
fn confine(landlock: &Landlock, filter: &Filter, locks: &Handover) -> io::Result<()> {
    setsid()?;
    // The container's share of a CPU is the program's and the runner's together. Fifty busy
    // processes must not keep the runner from noticing that their time is over.
    setpriority_process(None, LOWEST_PRIORITY)?;
    sys::restore_signals()?;
    for resource in FORBIDDEN {
        set_limit(resource, 0)?;
    }
    set_limit(Resource::Core, CORE_FILE)?;
    set_limit(Resource::Sigpending, QUEUED_SIGNALS)?;
    sys::close_all_on_exec();
    landlock.apply()?;
    // Last: it forbids some of the calls above.
    if let Some(listener) = filter.apply()? {
        locks.send(&listener);
    }
    Ok(())
}

fn set_limit(resource: Resource, limit: u64) -> io::Result<()> {
    let limits = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    Ok(setrlimit(resource, limits)?)
}
