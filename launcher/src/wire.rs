//! The messages between a worker and its launcher.
//!
//! They go over sockets of type `SOCK_SEQPACKET`: one message is one packet, in postcard's encoding,
//! with its descriptors beside it (`SCM_RIGHTS`). The control socket is the launcher's descriptor 3.
//! Over it come [`Report::Ready`] and one [`Report::Template`] for each language, which brings the
//! socket that this language's sandboxes are asked for on. A socket that closes ends its peer: a
//! template kills and removes its sandboxes, a launcher its templates.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The version of these messages. Both sides are one binary, so this only guards a launcher that an
/// operator started from another build.
pub const VERSION: u32 = 1;

/// The largest message, in bytes. The longest ones hold an error's text.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// The number that a worker gives a sandbox. Never used twice on one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxId(pub u64);

/// A request of a worker to a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes a sandbox. Three descriptors come with it: its PID 1's standard input, output and error.
    Launch(Launch),
    /// Kills the sandbox if it still runs, and removes it. [`Report::Removed`] follows, once; at once
    /// if there is no sandbox of that number. It never follows if something of the sandbox is left.
    Remove(SandboxId),
    /// Asks for the resources that the sandbox has used so far: nothing if there is none of that number.
    Consumed(SandboxId),
    /// Asks whether the template still answers. [`Report::Pong`] follows.
    Ping,
}

/// A sandbox to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Its number.
    pub id: SandboxId,
    /// The user that its processes run as, inside the launcher's user namespace; one of
    /// [`Ready::users`] that no other sandbox has.
    pub user: u32,
    /// The one CPU that they run on.
    pub cpu: u32,
    /// The limits that they are held to.
    pub limits: Limits,
    /// The time after which PID 1 ends itself.
    pub max_life: Duration,
}

/// The limits of one sandbox, as the kernel is given them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, without any swap on top.
    pub memory: u64,
    /// The share of one CPU, in percent.
    pub cpu_percent: u32,
    /// The number of processes and threads.
    pub pids: u32,
    /// The number of open files of a process.
    pub open_files: u32,
    /// The size of the scratch directory in bytes.
    pub scratch: u64,
}

/// A report of a launcher or template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The launcher is set up. Comes first on the control socket.
    Ready(Ready),
    /// A language's template waits for requests on the socket that comes with this.
    Template {
        /// The language.
        language: String,
    },
    /// A language has no template, so it cannot be run.
    NoTemplate {
        /// The language.
        language: String,
        /// The reason and what to do about it.
        reason: String,
    },
    /// The sandbox's PID 1 has been executed, or was killed before that: then [`Report::Ended`] follows.
    Launched(SandboxId),
    /// There is no sandbox of that number, and nothing is left of the attempt.
    NotLaunched {
        /// Its number.
        id: SandboxId,
        /// The step that failed, and how.
        reason: String,
    },
    /// PID 1 has ended, and every other process with it.
    Ended {
        /// The sandbox's number.
        id: SandboxId,
        /// How it ended.
        death: Death,
        /// The resources that it used.
        consumed: Consumed,
    },
    /// Nothing is left of the sandbox: its user may be used again.
    Removed(SandboxId),
    /// The resources that a sandbox has used so far.
    Consumed(SandboxId, Consumed),
    /// The template answers.
    Pong,
}

/// A launcher that is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// [`VERSION`].
    pub version: u32,
    /// Its rights on the host.
    pub rights: Rights,
    /// The version of the host's control groups: 1 or 2.
    pub cgroups: u8,
    /// The users that sandboxes may be given, which no other launcher of this host gives.
    pub users: Range<u32>,
    /// The number of sandboxes of launchers that are gone, which it has removed.
    pub swept: u32,
}

/// The rights of a launcher on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rights {
    /// Root in a user namespace of its own only: its users are nobody on the host.
    Rootless,
    /// The host's root.
    Root,
}

/// The way in which a sandbox's PID 1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// The kernel killed it for lack of memory.
    OutOfMemory,
    /// The launcher killed it, for [`Request::Remove`].
    Killed,
    /// It exited with this status.
    Exited(i32),
    /// Another signal ended it.
    Signalled(i32),
}

/// The resources that a sandbox has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// The most memory that it held, in bytes.
    pub memory: u64,
}
