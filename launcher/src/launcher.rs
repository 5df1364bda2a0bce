//! The launcher: sets everything up once, then supervises its templates.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, chdir, getrlimit,
    pidfd_send_signal, setrlimit, umask, waitid,
};

use crate::arguments::Arguments;
use crate::cgroup::{Groups, Sweeper};
use crate::confine;
use crate::error::{Doing, Error};
use crate::log::note;
use crate::sandbox::Fault;
use crate::socket::Socket;
use crate::spawn::CONTROL;
use crate::template::{self, Setting, Template};
use crate::users::Users;
use crate::wire::{Ready, Report, Rights, VERSION};
use crate::{sys, userns};

/// The time in which templates remove their sandboxes when the worker is gone.
const ENDING: Duration = Duration::from_secs(5);

/// What the launcher alone has: no template may keep a worker's or a sibling's socket open.
#[derive(Default)]
struct Own {
    control: Option<Socket>,
    templates: Vec<Template>,
}

/// Runs a launcher from start to end: until the worker closes its end of descriptor 3.
///
/// The process must have one thread, and it is changed for good: its environment, signals, and rights.
///
/// # Errors
/// It cannot be set up, or a template ended by itself. Nothing of it is left then, but for control groups
/// that cannot be removed.
pub fn launcher(arguments: &Arguments) -> Result<(), Error> {
    let fault = Fault::of_environment();
    become_plain()?;
    let control = sys::take_descriptor(CONTROL).and_then(Socket::new);
    let control = control.ok_or(Error::NoWorker)?;

    let rights = userns::decide(arguments.rights)?;
    let users = Users::take(arguments.sandboxes)?;
    let base = arguments.cgroup.as_deref();
    // Opened now: later, this process has neither the place nor the rights to find them.
    let sweeper = Sweeper::open(base)?;
    let swept = sweeper.sweep().unwrap_or_else(|error| {
        note(&format!(
            "cannot remove all that other launchers have left: {error}"
        ));
        0
    });
    let own_name = || std::process::id().to_string();
    let instance = arguments.instance.clone().unwrap_or_else(own_name);
    let owner = match rights {
        Rights::Rootless => userns::owner(&users),
        Rights::Root => None,
    };
    // Before the user namespace, which has no right to any group but those that it is given here.
    let groups = Groups::prepare(base, &instance, owner)?;
    if rights == Rights::Rootless {
        userns::enter(&users)?;
    }

    control.send(
        &Report::Ready(Ready {
            version: VERSION,
            rights,
            cgroups: groups.version(),
            users: users.sandboxes.clone(),
            swept,
        }),
        None,
    )?;
    let setting = Setting {
        groups,
        users: users.sandboxes.clone(),
        network: arguments.network.into(),
        max_sandboxes: usize::try_from(arguments.sandboxes).unwrap_or(usize::MAX),
        fault,
    };
    let mut own = Own {
        control: Some(control),
        templates: Vec::new(),
    };
    let run = start_templates(arguments, &setting, &mut own)
        .and_then(|()| confine::launcher())
        .and_then(|()| supervise(&mut own));
    end(own.templates);
    // Frees the lock on its groups, so that they count as those of a launcher that is gone.
    drop(setting);
    // What templates that were killed have left. Its own group stays, empty, where its parent is not
    // writable for it: without root, and at the root of a hierarchy. Then the next launcher removes it.
    let _ = sweeper.sweep();
    run
}

/// Makes this process what a launcher is: alone, and without anything of the one that started it.
fn become_plain() -> Result<(), Error> {
    let threads = std::fs::read_dir("/proc/self/task").doing("counting threads")?;
    let threads = threads.count();
    if threads != 1 {
        return Err(Error::Threads(threads));
    }
    sys::wipe_environment();
    sys::default_signals();
    umask(Mode::from_raw_mode(0o022));
    chdir("/").doing("changing to /")?;
    raise_open_files()
}

/// Takes as many descriptors as this process may have: a template keeps about ten for each sandbox, and
/// the usual limit is 1024.
fn raise_open_files() -> Result<(), Error> {
    let most = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, raised).doing("raising the limit of open files")
}

fn start_templates(arguments: &Arguments, setting: &Setting, own: &mut Own) -> Result<(), Error> {
    for (number, root) in arguments.roots.iter().enumerate() {
        // In the template, everything of the launcher's own is dropped by this.
        let mut inherited = std::mem::take(own);
        let language = &root.language;
        let started = template::start(language, number, &root.directory, setting, &mut inherited);
        *own = inherited;
        let Some(control) = &own.control else {
            return Err(Error::NoWorker);
        };
        let language = language.clone();
        match started {
            Ok((template, workers)) => {
                control.send(&Report::Template { language }, Some(workers.as_fd()))?;
                own.templates.push(template);
            }
            Err(reason) => control.send(&Report::NoTemplate { language, reason }, None)?,
        }
    }
    Ok(())
}

/// Waits until the worker closes, or a template ends by itself.
///
/// # Errors
/// [`Error::TemplateEnded`]. No other is made: this process has given up the rights that it takes.
fn supervise(own: &mut Own) -> Result<(), Error> {
    let Some(control) = &own.control else {
        return Err(Error::NoWorker);
    };
    loop {
        let mut all = vec![PollFd::new(control, PollFlags::IN)];
        let processes = own.templates.iter().map(|it| it.process.as_fd());
        all.extend(processes.map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN)));
        match poll(&mut all, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno).doing("waiting for the worker"),
        }
        // Nothing is ever said to a launcher, so this is the end, or as good as that.
        if !all[0].revents().is_empty() {
            return Ok(());
        }
        let ended = all[1..].iter().position(|fd| !fd.revents().is_empty());
        if let Some(number) = ended {
            let template = own.templates.remove(number);
            // It ends well when the worker has closed its socket, as it does before the launcher's.
            if wait(&template.process).and_then(|it| it.exit_status()) != Some(0) {
                return Err(Error::TemplateEnded(template.language));
            }
        }
    }
}

/// Waits for a process that has ended or is about to. The kernel ends every process in its namespace before.
fn wait(process: &OwnedFd) -> Option<WaitIdStatus> {
    waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED).ok()?
}

/// Ends all templates: they remove their sandboxes, or are killed, and their sandboxes with them.
fn end(templates: Vec<Template>) {
    for template in &templates {
        template.socket.close_for_all();
    }
    let give_up = Instant::now() + ENDING;
    for template in templates {
        if !ends_until(&template.process, give_up) {
            note(&format!(
                "the template of {} hangs; killing it",
                template.language
            ));
            // It fails only for a process that has ended.
            let _ = pidfd_send_signal(&template.process, Signal::KILL);
        }
        wait(&template.process);
    }
}

/// Waits until a process has ended or that moment has come. Returns whether it has.
fn ends_until(process: &OwnedFd, moment: Instant) -> bool {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        let mut waiting = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut waiting, Timespec::try_from(left).ok().as_ref()) {
            Err(Errno::INTR) => {}
            polled => return polled.is_ok_and(|ready| ready > 0),
        }
    }
}
