//! Puts PID 1 out of reach of the programs in its container.
//!
//! They share its user id as well. The runner raises the shield before anything else.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, open, utimensat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{DumpableBehavior, getpid, set_dumpable_behavior};

use crate::devices::DEVICES;
use crate::error::{Doing, Error};
use crate::sys;

/// The lowest number of the runner's own descriptors. Those below are left to programs' streams.
const LOWEST_OWN_FD: i32 = 10;

/// What else a container may have in `/dev` that every user may write, and so set the times of to the
/// present.
const ALSO_TOUCHABLE: [&str; 3] = ["/dev/ptmx", "/dev/mqueue", "/dev/shm"];

/// The present, as a time that a user may set without owning the file.
const TIME_NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: UTIME_NOW,
};

/// The handles that the runner keeps behind its shield.
pub(crate) struct Shield {
    pub(crate) worker: WorkerEnds,
    pub(crate) oom: OomScore,
}

/// The worker's two streams, at numbers and with flags that no child inherits.
pub(crate) struct WorkerEnds {
    pub(crate) from: OwnedFd,
    pub(crate) to: OwnedFd,
}

/// Raises the shield.
///
/// # Errors
/// [`Error::NotInit`] outside of a container, or a failed system call.
pub(crate) fn raise() -> Result<Shield, Error> {
    let pid = std::process::id();
    if !getpid().is_init() {
        return Err(Error::NotInit(pid));
    }
    // A file of its own in /proc is only writable while the process is dumpable.
    let oom = OomScore::open()?;
    // From here on /proc/1 belongs to root, and no program may trace this process or read its
    // memory, descriptors or environment.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("closing /proc/1 to others")?;
    sys::close_all_on_exec();
    // The kernel shields PID 1 from every signal that has no handler; and what the engine's parent
    // ignored, every program would inherit.
    sys::default_all_signals();
    sys::ignore_sigpipe();
    Ok(Shield {
        worker: take_standard_streams()?,
        oom,
    })
}

fn take_standard_streams() -> Result<WorkerEnds, Error> {
    let from = fcntl_dupfd_cloexec(rustix::stdio::stdin(), LOWEST_OWN_FD).doing("taking fd 0")?;
    let to = fcntl_dupfd_cloexec(rustix::stdio::stdout(), LOWEST_OWN_FD).doing("taking fd 1")?;
    // Numbers 0 and 1 stay taken, so that no later descriptor gets them.
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .doing("opening /dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd()).doing("replacing fd 0")?;
    rustix::stdio::dup2_stdout(null.as_fd()).doing("replacing fd 1")?;
    Ok(WorkerEnds { from, to })
}

/// Sets the times of what every user may touch outside of the scratch directory to the present, so
/// that the last program cannot have left a mark in them.
pub(crate) fn wipe_device_times() {
    let now = Timestamps {
        last_access: TIME_NOW,
        last_modification: TIME_NOW,
    };
    for path in DEVICES.into_iter().chain(ALSO_TOUCHABLE) {
        // Not every container has every one, and only some let this user touch them.
        let _ = utimensat(CWD, path, &now, AtFlags::empty());
    }
}

/// The score by which the kernel chooses a process to kill when memory runs out.
pub(crate) struct OomScore {
    file: File,
    own: Vec<u8>,
}

impl OomScore {
    /// The kernel kills processes of this score first.
    const FIRST: &[u8] = b"1000";

    fn open() -> Result<Self, Error> {
        let what = "opening /proc/self/oom_score_adj";
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/self/oom_score_adj")
            .doing(what)?;
        let mut own = Vec::new();
        file.read_to_end(&mut own).doing(what)?;
        Ok(Self { file, own })
    }

    /// Runs `fork` while the runner has the highest score, which the child thereby inherits: it
    /// could not set its own before exec, since until then it is as closed to itself as PID 1.
    pub(crate) fn with_expendable_child<T>(
        &mut self,
        fork: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        self.set(Self::FIRST)?;
        let result = fork();
        let own = std::mem::take(&mut self.own);
        let restored = self.set(&own);
        self.own = own;
        restored.map(|()| result)
    }

    fn set(&mut self, score: &[u8]) -> Result<(), Error> {
        let what = "setting the memory killer's score";
        self.file.seek(SeekFrom::Start(0)).doing(what)?;
        self.file.write_all(score).doing(what)
    }
}
