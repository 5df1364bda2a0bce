//! Control groups of version 1: one group in each hierarchy.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::{io, iter};

use super::controller::Controller;
use super::cpus;
use super::error::{Error, Result};
use super::folder::Folder;
use super::homes::{CgroupMount, Home, Homes, Version};
use super::host::Parent;
use super::policy::{CPU_PERIOD_US, CPU_SHARES, number, quota_us};
use crate::wire::{Consumed, Limits};

/// Makes the launcher's group in each hierarchy but the first, whose is made and locked already.
pub(super) fn prepare(
    (first, home): (&Parent, Folder),
    others: &[Parent],
    name: &str,
    owner: Option<(u32, u32)>,
) -> Result<Homes> {
    let mut home = Some(home);
    let mut list = Vec::new();
    let mut cpuset = None;
    let mut view = Vec::new();
    for parent in iter::once(first).chain(others) {
        let folder = match home.take() {
            Some(folder) => folder,
            None => parent.folder.ensure(name)?,
        };
        if parent.controllers.contains(&Controller::Cpuset) {
            if parent.controllers.len() > 1 {
                return Err(Error::Shared(parent.options.clone()));
            }
            // These groups stay the preparer's: the launcher holds their files open.
            cpus::inherit(&parent.folder, &folder)?;
            cpuset = Some(folder);
            continue;
        }
        if let Some(owner) = owner {
            folder.give(&[], owner)?;
        }
        let controllers = parent.controllers.clone();
        view.extend(
            controllers
                .iter()
                .filter_map(|c| mount(*c, &parent.options)),
        );
        list.push(Home {
            folder,
            controllers,
        });
    }
    let cpuset = cpuset.ok_or(Error::NotMounted(Controller::Cpuset))?;
    let cores = cpus::make(&cpuset)?;
    Ok(Homes {
        list,
        version: Version::V1 { cpuset, cores },
        view,
    })
}

/// Returns the mount that shows a controller's files, under its own name also where the hierarchy is
/// shared, as the runner and Node look for it.
fn mount(controller: Controller, options: &str) -> Option<CgroupMount> {
    Some(CgroupMount {
        directory: CString::new(format!("/sys/fs/cgroup/{controller}")).ok()?,
        kind: c"cgroup".to_owned(),
        options: CString::new(options).ok()?,
    })
}

/// Sets a new group's limits in one hierarchy. Returns the file to join it by.
pub(super) fn limit(home: &Home, name: &str, limits: &Limits) -> Result<OwnedFd> {
    let folder = &home.folder;
    let write = |file: &str, value: &dyn ToString| {
        folder.write(&format!("{name}/{file}"), &value.to_string())
    };
    for controller in &home.controllers {
        match controller {
            Controller::Memory => {
                write("memory.limit_in_bytes", &limits.memory)?;
                // Memory and swap together: equal, so that there is no swap on top.
                write("memory.memsw.limit_in_bytes", &limits.memory).map_err(no_swap_limit)?;
            }
            Controller::Cpu => {
                write("cpu.cfs_period_us", &CPU_PERIOD_US)?;
                write("cpu.cfs_quota_us", &quota_us(limits.cpu_percent))?;
                write("cpu.shares", &CPU_SHARES)?;
            }
            Controller::Pids => write("pids.max", &limits.pids)?,
            Controller::Cpuacct | Controller::Cpuset => {}
        }
    }
    folder.open_to_write(&format!("{name}/tasks"))
}

fn no_swap_limit(error: Error) -> Error {
    match error {
        Error::Write { file, source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Error::NoSwapLimit(file)
        }
        other => other,
    }
}

/// Reads the resources that a group has used so far.
pub(super) fn consumed(homes: &Homes, name: &str) -> Result<Consumed> {
    let read = |controller: Controller, file: &str| {
        let folder = homes.with(controller)?;
        let file = format!("{name}/{file}");
        let text = folder.read(&file)?;
        number(&text).ok_or_else(|| folder.strange(&file, &text))
    };
    Ok(Consumed {
        cpu: Duration::from_nanos(read(Controller::Cpuacct, "cpuacct.usage")?),
        memory: read(Controller::Memory, "memory.max_usage_in_bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A kernel booted without `swapaccount=1` has no file for memory and swap together. No option of
    /// a running one takes it away, so a directory has the files of such a kernel.
    #[test]
    fn a_kernel_that_does_not_limit_swap_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("box")).unwrap();
        fs::write(directory.path().join("box/memory.limit_in_bytes"), "").unwrap();
        let home = Home {
            folder: Folder::open(directory.path()).unwrap(),
            controllers: vec![Controller::Memory],
        };
        let limits = Limits {
            memory: 1 << 20,
            cpu_percent: 50,
            pids: 1,
            open_files: 1,
            scratch: 0,
        };
        let error = limit(&home, "box", &limits).expect_err("refused");
        assert!(matches!(error, Error::NoSwapLimit(_)), "{error}");
        assert!(error.to_string().contains("swapaccount=1"), "{error}");
    }
}
