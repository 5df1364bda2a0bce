//! A forked child that tells its parent what it finds.

use std::any::Any;
use std::ffi::CStr;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Where a child is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Host,
    /// In a user namespace, whose users are nobody's on the host.
    UserNamespace,
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::UserNamespace];
}

/// The users of a namespace, by the host's numbers: `newuidmap`'s usual ones.
const MAP: &str = "0 100000 65536";

/// A child process. It has one thread, whatever the test's process has.
pub(crate) struct Child {
    pub(crate) pid: i32,
    reports: BufReader<PipeReader>,
    go_on: PipeWriter,
}

/// A child's ends of the pipes.
pub(crate) struct Ends {
    reports: PipeWriter,
    go_on: PipeReader,
}

impl Ends {
    /// Tells the parent one line.
    pub(crate) fn report(&mut self, line: &str) {
        self.reports
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Becomes another program, whose output the parent gets.
    pub(crate) fn execute(&self, program: &CStr, argument: &CStr) {
        let arguments = [program.as_ptr(), argument.as_ptr(), ptr::null()];
        // SAFETY: both lists end in a null pointer, and the texts live.
        unsafe {
            libc::dup2(self.reports.as_raw_fd(), 1);
            libc::execve(program.as_ptr(), arguments.as_ptr(), [ptr::null()].as_ptr());
        }
        panic!("{}", io::Error::last_os_error());
    }

    /// Waits until the parent has looked.
    pub(crate) fn wait(&mut self) {
        self.go_on.read_exact(&mut [0]).unwrap();
    }
}

impl Child {
    /// Starts a child that is root in that place and does the work.
    pub(crate) fn start(place: Place, work: impl FnOnce(&mut Ends)) -> Self {
        // SAFETY: changes nothing.
        let user = unsafe { libc::geteuid() };
        assert_eq!(user, 0, "run the launcher's tests as root");
        let (reports, to_parent) = pipe().unwrap();
        let (from_parent, go_on) = pipe().unwrap();
        // SAFETY: the child runs this function's code alone and ends in it. It allocates, which the C
        // library permits after a fork.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "a process");
        if pid == 0 {
            drop((reports, go_on));
            let mut ends = Ends {
                reports: to_parent,
                go_on: from_parent,
            };
            let done = catch_unwind(AssertUnwindSafe(|| {
                enter(place, &mut ends);
                work(&mut ends);
            }));
            if let Err(panic) = &done {
                ends.report(&text(panic.as_ref()));
            }
            // SAFETY: does not return.
            unsafe { libc::_exit(i32::from(done.is_err())) };
        }
        drop((to_parent, from_parent));
        let mut child = Self {
            pid,
            reports: BufReader::new(reports),
            go_on,
        };
        if place == Place::UserNamespace {
            assert_eq!(child.report(), "unshared");
            for map in ["uid_map", "gid_map"] {
                fs::write(format!("/proc/{pid}/{map}"), MAP).unwrap();
            }
            child.go_on();
        }
        child
    }

    /// Returns the next line that the child reports; empty if it has ended.
    pub(crate) fn report(&mut self) -> String {
        let mut line = String::new();
        self.reports.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Returns all that it still says, until it ends.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.reports.read_to_string(&mut rest).unwrap();
        rest
    }

    pub(crate) fn go_on(&mut self) {
        self.go_on.write_all(&[0]).unwrap();
    }

    /// Reads a field of its status.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let values = status.lines().filter_map(|line| line.split_once(':'));
        let value = values.into_iter().find(|(name, _)| *name == field);
        value
            .unwrap_or_else(|| panic!("{field}: {status}"))
            .1
            .trim()
            .to_owned()
    }

    /// Waits for its end, and checks that it was not a panic.
    pub(crate) fn end(mut self) {
        let rest = self.rest();
        let mut status = 0;
        // SAFETY: `status` is valid for writing.
        let ended = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        assert_eq!((ended, status), (self.pid, 0), "{rest}");
    }
}

/// Makes the calling process root of the place.
fn enter(place: Place, ends: &mut Ends) {
    if place == Place::Host {
        return;
    }
    assert_eq!(
        call(libc::SYS_unshare, [number(libc::CLONE_NEWUSER), 0, 0, 0, 0]),
        0
    );
    ends.report("unshared");
    ends.wait();
    assert_eq!(call(libc::SYS_setgroups, [0; 5]), 0);
    assert_eq!(call(libc::SYS_setresgid, [0; 5]), 0);
    assert_eq!(call(libc::SYS_setresuid, [0; 5]), 0);
}

fn text(panic: &(dyn Any + Send)) -> String {
    let formatted = panic.downcast_ref::<String>().cloned();
    let text = formatted.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default().replace('\n', " ")
}

/// Makes a system call in a child. Returns its error number, 0 if it succeeds.
pub(crate) fn call(number: libc::c_long, arguments: [usize; 5]) -> i32 {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the callers are children that are thrown away, and pass no address that the kernel writes
    // to.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 {
        io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        0
    }
}

/// Returns a flag as an argument of a call.
pub(crate) fn number(flag: i32) -> usize {
    flag.cast_unsigned().try_into().unwrap()
}
