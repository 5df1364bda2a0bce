//! A running launcher with one template, that of Python.

use std::cell::Cell;
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use warren_launcher::wire::{Launch, Limits, Ready, Report, Request, Rights, SandboxId};

use super::sandbox::Sandbox;
use super::socket::Socket;
use super::{groups, host, python};

pub(crate) struct Launcher {
    pub(crate) process: Child,
    pub(crate) ready: Ready,
    pub(crate) instance: String,
    control: Option<Socket>,
    template: Option<Socket>,
    errors: Option<PipeReader>,
    next: Cell<u64>,
}

impl Launcher {
    /// Starts one with these further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with_fault(arguments, "")
    }

    pub(crate) fn start_with_fault(arguments: &[&str], fault: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let instance = format!("test-{}-{number}", std::process::id());
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let (errors, to_errors) = pipe().unwrap();
        // Not many of the host's users: other tests need some.
        let few = ["--sandboxes", "8"];
        let is_told = arguments.contains(&few[0]);
        let few: &[&str] = if is_told { &[] } else { &few };
        // The shell puts the socket where a launcher expects it, and leaves it what it must get rid of.
        let mut process = Command::new("sh");
        process
            .args(["-c", "umask 0; trap '' TERM USR1; exec \"$0\" \"$@\" 3<&0 9</etc/hostname </dev/null >/dev/null"])
            .arg(env!("CARGO_BIN_EXE_warren-launcher"))
            .args(["--instance", &instance])
            .arg("--root")
            .arg(format!("python={}", python().display()))
            .args(["--cgroup", &groups::base()])
            .args(arguments)
            .args(few)
            .env_clear()
            .env("SECRET", "hunter2")
            .env("WARREN_LAUNCHER_FAULT", fault)
            .stdin(Stdio::from(far))
            .stderr(to_errors);
        let child = process.spawn().unwrap();
        drop(process);
        let control = Socket::new(near);
        let mut launcher = Self {
            process: child,
            ready: Ready {
                version: 0,
                rights: Rights::Root,
                cgroups: 0,
                users: 0..0,
                swept: 0,
            },
            instance,
            control: None,
            template: None,
            errors: Some(errors),
            next: Cell::new(1),
        };
        match control.receive() {
            Some((Report::Ready(ready), None)) => launcher.ready = ready,
            other => panic!("{other:?}: {}", launcher.last_words()),
        }
        match control.receive() {
            Some((Report::Template { language }, Some(socket))) if language == "python" => {
                launcher.template = Some(Socket::new(socket));
            }
            other => panic!("{other:?}"),
        }
        launcher.control = Some(control);
        launcher
    }

    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let _ = self.process.wait();
        if let Some(mut errors) = self.errors.take() {
            let _ = errors.read_to_string(&mut text);
        }
        text
    }

    /// Returns the process id of its template.
    pub(crate) fn template(&self) -> u32 {
        let [template] = host::children(self.process.id())[..] else {
            panic!("not one template");
        };
        template
    }

    pub(crate) fn send(&self, request: &Request) {
        self.template.as_ref().unwrap().send(request, &[]);
    }

    pub(crate) fn report(&self) -> Report {
        self.next_report().expect("the template is there")
    }

    pub(crate) fn next_report(&self) -> Option<Report> {
        let report = self.template.as_ref().unwrap().receive();
        report.map(|(report, _)| report)
    }

    /// Returns a request for a sandbox that no other has the user of.
    pub(crate) fn request(&self) -> Launch {
        let id = self.next.get();
        self.next.set(id + 1);
        let users = self.ready.users.len() as u64;
        Launch {
            id: SandboxId(id),
            user: self.ready.users.start + u32::try_from(id % users).unwrap(),
            cpu: 0,
            limits: limits(),
            max_life: Duration::from_secs(600),
        }
    }

    /// Asks for a sandbox. Returns the worker's ends of its streams.
    pub(crate) fn ask(&self, launch: &Launch) -> (PipeWriter, PipeReader, PipeReader) {
        let (theirs_in, input) = pipe().unwrap();
        let (output, theirs_out) = pipe().unwrap();
        let (errors, theirs_err) = pipe().unwrap();
        let descriptors = [theirs_in.as_fd(), theirs_out.as_fd(), theirs_err.as_fd()];
        let request = Request::Launch(launch.clone());
        self.template.as_ref().unwrap().send(&request, &descriptors);
        (input, output, errors)
    }

    /// Launches a sandbox and waits until its runner greets.
    pub(crate) fn launch(&self) -> Sandbox {
        let launch = self.request();
        let streams = self.ask(&launch);
        assert_eq!(self.report(), Report::Launched(launch.id));
        Sandbox::greeted(&launch, streams)
    }

    /// Removes a sandbox that runs, and waits until nothing is left of it.
    pub(crate) fn remove(&self, id: SandboxId) {
        self.send(&Request::Remove(id));
        loop {
            match self.report() {
                Report::Removed(removed) if removed == id => return,
                Report::Ended { id: ended, .. } if ended == id => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the number of directories that sandboxes have in all hierarchies.
    pub(crate) fn groups_of_sandboxes(&self) -> usize {
        let groups = host::groups(&self.instance);
        let names = groups.iter().filter_map(|path| path.rsplit('/').next());
        names.filter(|name| name.starts_with("0-")).count()
    }

    /// Returns the number of directories that one sandbox has.
    pub(crate) fn hierarchies(&self) -> usize {
        match self.ready.cgroups {
            1 => 4,
            _ => 1,
        }
    }

    /// Asserts that of a launcher that has ended by itself nothing is left but its own, empty group, and
    /// not even that once another launcher has begun.
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.groups_of_sandboxes(), 0);
        let next = Self::start(&[]);
        assert_eq!(next.ready.swept, 0);
        assert_eq!(host::groups(&self.instance), [""; 0]);
    }

    /// Closes the worker's ends, as its death does, and waits for the launcher's end.
    pub(crate) fn close(&mut self) -> ExitStatus {
        self.control = None;
        self.template = None;
        self.process.wait().unwrap()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.control = None;
        self.template = None;
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

/// The limits of the contract.
pub(crate) fn limits() -> Limits {
    Limits {
        memory: 256 << 20,
        cpu_percent: 50,
        pids: 50,
        open_files: 256,
        scratch: 16 << 20,
    }
}
