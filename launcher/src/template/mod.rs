//! A language's template: the process that sandboxes are cloned from.
//!
//! Its mount namespace *is* a sandbox's, but for what must be fresh. It is PID 1 of a process namespace
//! that all its sandboxes are in: when it ends, the kernel ends them.

mod devices;
mod mounted;
mod mounts;
mod service;
mod setting;

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    DumpableBehavior, Signal, pidfd_send_signal, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::system::{setdomainname, sethostname};

pub(crate) use setting::Setting;

use crate::confine;
use crate::error::{Doing, Error};
use crate::log::note;
use crate::network::Network;
use crate::sandbox::{Means, Plan};
use crate::seccomp::Program;
use crate::socket::Socket;
use crate::sys::{self, Cloned, Namespaces, Pointers};

/// The longest time that a template takes to be set up.
const SETTING_UP: Duration = Duration::from_secs(30);

/// The longest text of a failure that a template tells.
const MAX_TEXT: u64 = 4096;

/// A template's answer when it is set up.
const DONE: &str = "done";

/// The search path of PID 1, which the runner hands on: that of most images.
const ENVIRONMENT: [&std::ffi::CStr; 3] = [
    c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    c"HOSTNAME=warren",
    c"HOME=/tmp",
];

/// A template that is set up.
pub(crate) struct Template {
    pub(crate) language: String,
    pub(crate) process: OwnedFd,
    /// Its own end of its socket, by which the launcher can close it.
    pub(crate) socket: Socket,
}

/// Starts a language's template, and waits until it is set up. Returns it with the worker's end of its
/// socket. `inherited` is closed in it: what the launcher alone may have.
///
/// # Errors
/// The reason why there is none; nothing is left of it.
pub(crate) fn start<T>(
    language: &str,
    number: usize,
    root: &Path,
    setting: &Setting,
    inherited: &mut T,
) -> Result<(Template, OwnedFd), String>
where
    T: Default,
{
    let (socket, workers) = Socket::pair().map_err(|error| error.to_string())?;
    let (answer, answering) = pipe().map_err(|error| error.to_string())?;
    let cloned = sys::clone(Namespaces::WITH_NETWORK, None);
    let process = match cloned.map_err(|error| format!("cannot clone a template: {error}"))? {
        Cloned::Child => {
            drop((answer, workers, std::mem::take(inherited)));
            let status = run(number, root, setting, socket, answering);
            sys::exit(i32::from(status.is_err()))
        }
        Cloned::Parent(process) => process,
    };
    drop(answering);
    match hear(answer) {
        Some(text) if text == DONE => {
            let template = Template {
                language: language.to_owned(),
                process,
                socket,
            };
            Ok((template, workers))
        }
        heard => {
            // It fails only for a process that has ended.
            let _ = pidfd_send_signal(&process, Signal::KILL);
            let silent = || "its template ended or hung before it was set up".to_owned();
            Err(heard.filter(|text| !text.is_empty()).unwrap_or_else(silent))
        }
    }
}

/// Waits for a template's answer; `None` if none came in time.
fn hear(answer: PipeReader) -> Option<String> {
    let mut waiting = [PollFd::new(&answer, PollFlags::IN)];
    let timeout = Timespec::try_from(SETTING_UP).ok();
    let heard = poll(&mut waiting, timeout.as_ref()).ok()?;
    let mut text = String::new();
    let read = (heard > 0).then(|| answer.take(MAX_TEXT).read_to_string(&mut text));
    read?.ok().map(|_| text)
}

/// Runs a template from start to end.
fn run(
    number: usize,
    root: &Path,
    setting: &Setting,
    socket: Socket,
    mut answering: PipeWriter,
) -> Result<(), ()> {
    let means = match set_up(root, setting) {
        Ok(means) => means,
        Err(error) => {
            // Nobody hears it only if the launcher is gone.
            let _ = answering.write_all(error.to_string().as_bytes());
            return Err(());
        }
    };
    // Not written if the launcher is gone, which this process must not outlive.
    answering.write_all(DONE.as_bytes()).map_err(drop)?;
    drop(answering);
    let served = service::serve(number, setting, means, &socket);
    served.map_err(|error| note(&error.to_string()))
}

fn set_up(root: &Path, setting: &Setting) -> Result<Means, Error> {
    // The launcher's end is this process's, and with it every sandbox's.
    set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tying a template to its launcher")?;
    // After a change of user, a process's own files in /proc are closed to it. Confinement closes them
    // again.
    set_dumpable_behavior(DumpableBehavior::Dumpable).doing("opening a template's own files")?;
    // Each sandbox gets a namespace of names with a copy of these.
    sethostname(b"warren").doing("setting the sandboxes' host name")?;
    setdomainname(b"(none)").doing("setting the sandboxes' domain name")?;
    mounts::enter(root, setting.groups.view())?;
    let network = Network::new(setting.network)?;
    let views = setting.groups.view().iter();
    let views = views.map(|view| {
        (
            view.directory.clone(),
            view.kind.clone(),
            view.options.clone(),
        )
    });
    let plan = Plan {
        views: views.collect(),
        filter: Program::build(),
        environment: Pointers::to(&ENVIRONMENT),
        fault: setting.fault,
    };
    confine::template()?;
    Ok(Means {
        groups: setting.groups.clone(),
        network,
        plan,
    })
}
