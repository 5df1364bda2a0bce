//! Launches a sandbox: makes what it takes, and clones its PID 1.

use std::ffi::{CString, NulError};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};

use super::child::{self, Order, Plan};
use super::{Remains, Sandbox};
use crate::cgroup::{Group, Groups, Join};
use crate::network::{self, Namespace, Network};
use crate::sys::{self, Cloned, Namespaces, Pointers};
use crate::wire::{Consumed, Death, Launch};

/// The runner's path in every sandbox.
pub(crate) const RUNNER: &std::ffi::CStr = c"/.warren/runner";

/// The most files and directories in the scratch directory. Empty ones take none of its bytes, but
/// cost the kernel memory and PID 1 the time to remove them.
const SCRATCH_FILES: u32 = 4_096;

/// The options of `/dev/shm`: a `multiprocessing.Pool` needs five files, each `Lock` one. What is in it
/// counts as the sandbox's memory, as in any tmpfs.
const SHARED_MEMORY: &std::ffi::CStr = c"size=4194304,nr_inodes=256,mode=1777";

/// The longest time that the runner takes for its life, in seconds.
const MAX_LIFE: u64 = 86_400;

/// What a template launches with.
pub(crate) struct Means {
    pub(crate) groups: Groups,
    pub(crate) network: Network,
    pub(crate) plan: Plan,
}

/// A failure to launch a sandbox. Nothing is left of the attempt.
#[derive(Debug)]
pub(crate) enum LaunchError {
    /// This one cannot be made.
    Failed(String),
    /// The template is in a sandbox's network namespace, and must end.
    Stranded(network::Error),
}

impl<E: std::error::Error> From<E> for LaunchError {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Launches a sandbox, whose groups get this name.
///
/// # Errors
/// It cannot be made.
pub(crate) fn launch(
    means: &mut Means,
    launch: &Launch,
    streams: &[OwnedFd; 3],
    name: &str,
) -> Result<Sandbox, LaunchError> {
    let texts = Texts::of(launch)?;
    let (report, reporting) = pipe_with(PipeFlags::CLOEXEC)?;
    let group = means.groups.make(name, &launch.limits, launch.cpu)?;
    let namespace = match means.network.take() {
        Ok(namespace) => namespace,
        Err(error) => {
            undo(means, group, None);
            return Err(match error {
                network::Error::Stranded(_) => LaunchError::Stranded(error),
                error => error.into(),
            });
        }
    };

    let join = group.join();
    let into = match join {
        Join::Into(directory) => Some(directory),
        Join::Write(_) => None,
    };
    let [input, output, errors] = streams;
    let order = Order {
        join,
        network: namespace.as_ref().map(Namespace::descriptor),
        streams: [input.as_fd(), output.as_fd(), errors.as_fd()],
        report: reporting.as_fd(),
        user: launch.user,
        open_files: launch.limits.open_files.into(),
        scratch: &texts.scratch,
        shared_memory: SHARED_MEMORY,
        program: RUNNER,
        arguments: Pointers::to(&[RUNNER, c"--max-life", &texts.max_life]),
    };
    let namespaces = match namespace {
        Some(_) => Namespaces::WITHOUT_NETWORK,
        None => Namespaces::WITH_NETWORK,
    };
    match sys::clone(namespaces, into) {
        Ok(Cloned::Child) => child::run(&means.plan, &order),
        Ok(Cloned::Parent(process)) => Ok(Sandbox {
            id: launch.id,
            user: launch.user,
            process,
            report: Some(report),
            begun: Instant::now(),
            group,
            namespace,
            is_unwanted: false,
        }),
        Err(error) => {
            undo(means, group, namespace);
            Err(error.into())
        }
    }
}

/// Removes what an attempt has made.
fn undo(means: &mut Means, group: Group, namespace: Option<Namespace>) {
    let remains = Remains {
        death: Death::Killed,
        consumed: Consumed::default(),
        group,
        namespace,
    };
    remains.remove(&mut means.network);
}

/// The texts that the new process needs, made before the clone.
struct Texts {
    scratch: CString,
    max_life: CString,
}

impl Texts {
    fn of(launch: &Launch) -> Result<Self, NulError> {
        let bytes = launch.limits.scratch;
        let scratch = format!("size={bytes},nr_inodes={SCRATCH_FILES},mode=1777");
        let max_life = launch.max_life.as_secs().clamp(1, MAX_LIFE);
        Ok(Self {
            scratch: CString::new(scratch)?,
            max_life: CString::new(max_life.to_string())?,
        })
    }
}
