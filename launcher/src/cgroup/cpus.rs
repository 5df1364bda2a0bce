//! The groups of version 1 that each hold processes to one CPU.
//!
//! They are made once and shared, since they carry no state from one sandbox to the next.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::error::{Error, Result};
use super::folder::Folder;
use super::names;

/// The most CPUs that are looked at, above what any kernel is built for (`NR_CPUS` is at most 8192).
const MAX_CPUS: usize = 8192;

/// Makes a group for each CPU of `home`, and returns the file of each that a process joins it by.
pub(super) fn make(home: &Folder) -> Result<BTreeMap<u32, OwnedFd>> {
    let text = home.read("cpuset.cpus")?;
    let memory = home.read("cpuset.mems")?;
    let cpus = parse(&text).ok_or_else(|| home.strange("cpuset.cpus", &text))?;
    cpus.into_iter()
        .map(|cpu| {
            let core = home.ensure(&names::core(cpu))?;
            core.write("cpuset.cpus", &cpu.to_string())?;
            core.write("cpuset.mems", &memory)?;
            Ok((cpu, core.open_to_write("tasks")?))
        })
        .collect()
}

/// Gives a new cpuset its parent's CPUs and memory nodes: it begins with none, and no process can
/// join it then. Leaves one alone that has some.
pub(super) fn inherit(parent: &Folder, child: &Folder) -> Result<()> {
    for (file, effective) in [
        ("cpuset.cpus", "cpuset.effective_cpus"),
        ("cpuset.mems", "cpuset.effective_mems"),
    ] {
        if child.read(file)?.is_empty() {
            child.write(file, &parent.read(effective)?)?;
        }
    }
    Ok(())
}

/// Returns the refusal of a CPU that is not among those made.
pub(super) fn missing(cpu: u32, home: &Folder, cores: &BTreeMap<u32, OwnedFd>) -> Error {
    let cpus: Vec<_> = cores.keys().map(ToString::to_string).collect();
    Error::NoCpu {
        cpu,
        group: home.path().to_owned(),
        cpus: cpus.join(","),
    }
}

/// Parses the kernel's list format, as in `0-3,8`.
pub(super) fn parse(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let range = first.parse::<u32>().ok()?..=last.parse().ok()?;
        cpus.extend(range.take(MAX_CPUS));
    }
    (cpus.len() <= MAX_CPUS).then_some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_parsed() {
        assert_eq!(parse("0"), Some(vec![0]));
        assert_eq!(parse("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(parse(""), None);
        assert_eq!(parse("a-b"), None);
        assert_eq!(parse("0-4294967295,0-9"), None);
    }
}
