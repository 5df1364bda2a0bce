//! The controllers that a sandbox needs.

use std::fmt;

/// A controller of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Memory and swap.
    Memory,
    /// The quota and weight of CPU time.
    Cpu,
    /// The count of CPU time; version 2 has it in `cpu`.
    Cpuacct,
    /// The number of processes.
    Pids,
    /// The CPUs to run on.
    Cpuset,
}

impl Controller {
    /// The hierarchies of version 1, in the order in which a sandbox's groups are made: the first one has
    /// the lock.
    pub(super) const V1: [Self; 5] = [
        Self::Memory,
        Self::Cpu,
        Self::Cpuacct,
        Self::Pids,
        Self::Cpuset,
    ];

    /// The controllers of version 2.
    pub(super) const V2: [Self; 4] = [Self::Cpu, Self::Cpuset, Self::Memory, Self::Pids];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Pids => "pids",
            Self::Cpuset => "cpuset",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
