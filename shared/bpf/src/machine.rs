//! The tables of system calls that this machine has, and the kernel's bounds.

/// This machine's own table of system calls, as the kernel names it to filters (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
pub const ARCHITECTURE: u32 = 0xc000_003e;
/// This machine's own table of system calls, as the kernel names it to filters (`linux/audit.h`).
#[cfg(target_arch = "aarch64")]
pub const ARCHITECTURE: u32 = 0xc000_00b7;

/// The first number that belongs to no call of the own table. On x86_64 the same calls can be
/// made by a second set of numbers, with this bit set (the x32 ABI), which rules that compare
/// numbers do not see.
pub const FOREIGN: u32 = 0x4000_0000;

/// The most instructions of a program that the kernel takes (`BPF_MAXINSNS`).
pub const MOST_INSTRUCTIONS: usize = 4096;
