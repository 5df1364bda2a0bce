//! A process that shares the runner's memory until it is a program, as by `vfork`.
//!
//! A fork would copy the runner's page tables, and both would fault at every page that they then
//! touch: that costs several times what the kernel takes to make a process.

#![expect(
    unsafe_code,
    reason = "the standard library copies its memory for a process that takes steps before exec"
)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::program::Program;

/// The number of pages of the stack on which a new process takes its steps, which are a few system calls.
const STACK: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// The means to start processes.
pub(crate) struct Starter {
    stack: Box<[MaybeUninit<Page>]>,
}

/// The steps of a new process, in memory that it shares with the runner.
struct Steps<'a> {
    before: &'a mut dyn FnMut() -> io::Result<()>,
    program: &'a mut Program,
    failure: Option<io::Error>,
}

impl Starter {
    pub(crate) fn new() -> Self {
        Self {
            stack: Box::new_uninit_slice(STACK),
        }
    }

    /// Starts a process, which takes some steps and becomes the program. Returns its number as soon as the kernel has replaced its image, or it is dead.
    ///
    /// The steps make system calls only. What they change of the runner's memory stays changed; its
    /// descriptors, signals and directory are not the runner's.
    ///
    /// # Errors
    /// No process can be made, or the first of its steps that fails.
    pub(crate) fn start(
        &mut self,
        program: &mut Program,
        before: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<u32> {
        let mut steps = Steps {
            before,
            program,
            failure: None,
        };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the new process has a stack of its own, and this one, which has one thread and no
        // signal handlers, stands still until the other has left the memory that both share. The
        // steps live as long.
        let pid = unsafe {
            let top = self.stack.as_mut_ptr_range().end;
            libc::clone(take, top.cast(), flags, (&raw mut steps).cast())
        };
        let Ok(pid) = u32::try_from(pid) else {
            return Err(io::Error::last_os_error());
        };
        match steps.failure {
            None => Ok(pid),
            Some(error) => {
                forget(pid);
                Err(error)
            }
        }
    }
}

/// Takes the steps, and becomes the program. In the new process.
extern "C" fn take(steps: *mut c_void) -> c_int {
    // SAFETY: `Starter::start` passes its own, which it does not touch meanwhile.
    let steps = unsafe { &mut *steps.cast::<Steps<'_>>() };
    let error = match (steps.before)() {
        Ok(()) => steps.program.execute(),
        Err(error) => error,
    };
    steps.failure = Some(error);
    // SAFETY: does not return, and takes none of the C library's last steps, which are the runner's.
    unsafe { libc::_exit(127) }
}

/// Reaps a process that has not become a program.
fn forget(pid: u32) {
    let pid = libc::pid_t::try_from(pid).unwrap_or(-1);
    // SAFETY: no status is written.
    while unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::fs::PermissionsExt;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Starts a program with its standard output in a pipe, and returns what it writes.
    fn output(args: &[&str], environment: &[(&str, &str)]) -> io::Result<String> {
        let mut program =
            Program::new(&words(args), &environment.iter().copied().collect()).unwrap();
        let (ours, theirs): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let pid = Starter::new().start(&mut program, &mut || {
            Ok(rustix::stdio::dup2_stdout(&theirs)?)
        });
        drop(theirs);
        let mut text = String::new();
        File::from(ours).read_to_string(&mut text).unwrap();
        forget(pid?);
        Ok(text)
    }

    #[test]
    fn a_program_is_found_by_its_own_path_and_gets_what_it_is_given() {
        let variables = [("PATH", "/nowhere:/usr/bin:/bin"), ("B", "2"), ("A", "1")];
        assert_eq!(
            output(&["env"], &variables).unwrap(),
            "A=1\nB=2\nPATH=/nowhere:/usr/bin:/bin\n"
        );
        let not_found = output(&["env"], &[("PATH", "/nowhere")]).unwrap_err();
        assert_eq!(not_found.kind(), io::ErrorKind::NotFound);
        let echoed = output(&["sh", "-c", "echo $0-$1", "a", "b c"], &variables).unwrap();
        assert_eq!(echoed, "a-b c\n");
    }

    #[test]
    fn a_step_that_fails_is_the_error_and_leaves_nothing_behind() {
        let mut program = Program::new(&words(&["true"]), &BTreeMap::new()).unwrap();
        let mut pid = 0;
        let failed = Starter::new().start(&mut program, &mut || {
            pid = std::process::id();
            Err(io::Error::from_raw_os_error(libc::EDOM))
        });
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::EDOM));
        assert_ne!(pid, std::process::id(), "the steps are another process's");
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "it is reaped"
        );
    }

    #[test]
    fn what_the_steps_do_to_descriptors_is_not_done_to_the_runner() {
        let open = File::open("/dev/null").unwrap();
        let mut program = Program::new(&words(&["/bin/true"]), &BTreeMap::new()).unwrap();
        let number = open.as_raw_fd();
        let started = Starter::new().start(&mut program, &mut || {
            // SAFETY: the descriptor is open in this process, too, which ends without using it.
            unsafe { libc::close(number) };
            Ok(())
        });
        forget(started.unwrap());
        assert!(open.metadata().is_ok());
    }

    #[test]
    fn a_file_that_the_kernel_does_not_know_is_the_shells() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("script");
        fs::write(&file, "echo from $0 with $1").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let path = [("PATH", directory.path().to_str().unwrap())];
        let expected = format!("from {} with a\n", file.display());
        assert_eq!(output(&["script", "a"], &path).unwrap(), expected);
        assert_eq!(
            output(&[file.to_str().unwrap(), "a"], &path).unwrap(),
            expected
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = output(&["script"], &path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
