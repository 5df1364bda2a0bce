//! The way of a new process from its clone to the runner.
//!
//! It makes system calls, and does nothing else. Everything that takes memory was made before (`Order`,
//! `Plan`). The order matters: what a step needs, no step before it has given up. A step that fails
//! is reported, and the process ends: there is no weaker sandbox.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, chdir, set_dumpable_behavior, setrlimit, setsid,
};
use rustix::thread::{
    CapabilitySet, Gid, LinkNameSpaceType, Uid, UnshareFlags, move_into_link_name_space,
    remove_capability_from_bounding_set, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    unshare_unsafe,
};

use super::fault::Fault;
use super::paths::{EMPTY_DIRECTORY, EMPTY_FILE, MASKED, Masked, READ_ONLY};
use super::step::Step;
use crate::cgroup::Join;
use crate::network::bring_up_loopback;
use crate::seccomp::Program;
use crate::sys::{self, Pointers};

/// The descriptor of the report while it is the only one beside the streams.
const REPORT: i32 = 3;

/// The size of a core file: too small for one. At any other limit the kernel starts the host's handler for
/// crashes, where there is one (`fs/coredump.c`).
const CORE_FILE: u64 = 1;

/// Mounts of the kernel's own file systems and of scratch directories: nothing in them is a program or
/// a device.
const PLAIN: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// The score by which a sandbox's processes are likelier to be killed than the host's own when the host
/// runs out of memory.
const OOM_SCORE_ADJ: &[u8] = b"500";

/// What is the same for all sandboxes of a template.
pub(crate) struct Plan {
    /// The mounts that show a sandbox its control groups: directory, kind, options.
    pub(crate) views: Vec<(CString, CString, CString)>,
    /// The filter.
    pub(crate) filter: Program,
    /// The environment of PID 1.
    pub(crate) environment: Pointers<'static>,
    pub(crate) fault: Fault,
}

/// What is one sandbox's.
pub(super) struct Order<'a> {
    pub(super) join: Join<'a>,
    /// `None` if the process was cloned into a new one.
    pub(super) network: Option<BorrowedFd<'a>>,
    pub(super) streams: [BorrowedFd<'a>; 3],
    /// The pipe for a failed step's report, which exec closes.
    pub(super) report: BorrowedFd<'a>,
    /// Its user and group.
    pub(super) user: u32,
    pub(super) open_files: u64,
    /// The options of both writable mounts.
    pub(super) scratch: &'a CStr,
    pub(super) shared_memory: &'a CStr,
    pub(super) program: &'a CStr,
    pub(super) arguments: Pointers<'a>,
}

/// A step that failed, with the kernel's number of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: i32,
}

/// The length of a report.
pub(super) const REPORT_LEN: usize = 5;

impl Failure {
    fn to_bytes(self) -> [u8; REPORT_LEN] {
        let [a, b, c, d] = self.errno.to_le_bytes();
        [self.step as u8, a, b, c, d]
    }

    /// Reads a report; `None` if it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (step, errno) = bytes.split_first()?;
        Some(Self {
            step: Step::numbered(*step)?,
            errno: i32::from_le_bytes(errno.try_into().ok()?),
        })
    }
}

/// Becomes the sandbox's PID 1, or reports the step that failed and ends.
pub(super) fn run(plan: &Plan, order: &Order<'_>) -> ! {
    let Err(failure) = go(plan, order);
    // The report's descriptor has its own number from a certain step on, and both until then.
    let report = order.report;
    let bytes = failure.to_bytes();
    if rustix::io::write(report, &bytes).is_err() {
        #[expect(unsafe_code, reason = "borrowing a descriptor by number")]
        // SAFETY: the report was put there.
        let moved = unsafe { BorrowedFd::borrow_raw(REPORT) };
        // If this fails too, the template sees the process end.
        let _ = rustix::io::write(moved, &bytes);
    }
    sys::exit(1)
}

/// Takes the steps.
fn go(plan: &Plan, order: &Order<'_>) -> Result<Infallible, Failure> {
    let take = |step: Step, calls: &dyn Fn() -> io::Result<()>| {
        let done = plan.fault.at(step).and_then(|()| calls());
        done.map_err(|error| Failure {
            step,
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })
    };
    // From the first moment on, all that this takes is the sandbox's.
    take(Step::JoinGroups, &|| join(order.join))?;
    // After joining, so that its own group is the root that it sees.
    take(Step::GroupNamespace, &unshare_groups)?;
    take(Step::Network, &|| network(order.network))?;
    take(Step::Session, &|| Ok(setsid().map(drop)?))?;
    take(Step::Proc, &|| {
        Ok(mount(c"proc", c"/proc", c"proc", PLAIN, None)?)
    })?;
    take(Step::Mask, &mask)?;
    take(Step::ReadOnly, &make_read_only)?;
    take(Step::ShowGroups, &|| show_groups(plan))?;
    // After the masks, which need what it covers.
    take(Step::Scratch, &|| scratch(c"/tmp", order.scratch))?;
    take(Step::SharedMemory, &|| {
        scratch(c"/dev/shm", order.shared_memory)
    })?;
    take(Step::Directory, &|| Ok(chdir(c"/tmp")?))?;
    take(Step::OomScore, &raise_oom_score)?;
    take(Step::Streams, &|| place_streams(order))?;
    take(Step::Descriptors, &|| sys::close_from(REPORT + 1))?;
    take(Step::Limits, &|| limit(order.open_files))?;
    // While it may still do so: later it lacks the capability.
    take(Step::Bounding, &empty_bounding_set)?;
    let (uid, gid) = (Uid::from_raw(order.user), Gid::from_raw(order.user));
    take(Step::Groups, &|| Ok(set_thread_groups(&[gid])?))?;
    // This empties the sets of capabilities as well, since no user of it is root any more.
    take(Step::User, &|| {
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    })?;
    // Last: it forbids most of the above. Without capabilities, the kernel takes it only from a process that
    // can gain no privileges, as the template cannot (`confine`).
    take(Step::Filter, &|| plan.filter.load())?;
    take(Step::Execute, &|| {
        Err(sys::execute(
            order.program,
            &order.arguments,
            &plan.environment,
        ))
    })?;
    Err(Failure {
        step: Step::Execute,
        errno: libc::EIO,
    })
}

fn join(join: Join<'_>) -> io::Result<()> {
    match join {
        // It was cloned into it.
        Join::Into(_) => Ok(()),
        // Zero is the process that writes.
        Join::Write(files) => files
            .iter()
            .try_for_each(|file| Ok(rustix::io::write(file, b"0").map(drop)?)),
    }
}

fn unshare_groups() -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "other flags could unshare memory or descriptors"
    )]
    // SAFETY: it is a namespace only.
    let done = unsafe { unshare_unsafe(UnshareFlags::NEWCGROUP) };
    Ok(done?)
}

fn network(namespace: Option<BorrowedFd<'_>>) -> io::Result<()> {
    match namespace {
        Some(namespace) => {
            let kind = Some(LinkNameSpaceType::Network);
            Ok(move_into_link_name_space(namespace, kind)?)
        }
        None => bring_up_loopback(),
    }
}

/// Masks each path that this kernel has.
fn mask() -> io::Result<()> {
    for masked in &MASKED {
        let (empty, path) = match masked {
            Masked::File(path) => (EMPTY_FILE, path),
            Masked::Directory(path) => (EMPTY_DIRECTORY, path),
        };
        if_there(mount_bind(empty, *path))?;
    }
    Ok(())
}

/// Makes each path read-only that this kernel has, by a mount of itself.
fn make_read_only() -> io::Result<()> {
    let flags = PLAIN | MountFlags::BIND | MountFlags::RDONLY;
    for path in READ_ONLY {
        if if_there(mount_bind(path, path))? {
            mount_remount(path, flags, c"")?;
        }
    }
    Ok(())
}

/// Returns whether a path was there, which is no failure if it was not: kernels differ.
fn if_there(result: Result<(), Errno>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn show_groups(plan: &Plan) -> io::Result<()> {
    let flags = PLAIN | MountFlags::RDONLY;
    for (directory, kind, options) in &plan.views {
        mount(kind, directory, kind, flags, options.as_c_str())?;
    }
    Ok(())
}

fn scratch(path: &CStr, options: &CStr) -> io::Result<()> {
    Ok(mount(c"tmpfs", path, c"tmpfs", PLAIN, options)?)
}

fn raise_oom_score() -> io::Result<()> {
    // What is not dumpable may not write to its own files here. Exec decides on it anew.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = open(c"/proc/self/oom_score_adj", flags, Mode::empty())?;
    rustix::io::write(file, OOM_SCORE_ADJ)?;
    Ok(())
}

/// Makes the sandbox's streams 0, 1 and 2, and the report's pipe 3. All of them have greater numbers
/// before, but for the report perhaps.
fn place_streams(order: &Order<'_>) -> io::Result<()> {
    for (number, stream) in (0..).zip(order.streams) {
        sys::duplicate_to(stream, number, true)?;
    }
    if order.report.as_raw_fd() != REPORT {
        sys::duplicate_to(order.report, REPORT, false)?;
    }
    Ok(())
}

fn limit(open_files: u64) -> io::Result<()> {
    for (resource, limit) in [(Resource::Core, CORE_FILE), (Resource::Nofile, open_files)] {
        let both = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, both)?;
    }
    Ok(())
}

fn empty_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            // The kernel's last one was the one before.
            Err(Errno::INVAL) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}
