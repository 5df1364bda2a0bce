//! The arguments of calls that filters tell apart, each tried.
//!
//! A call that takes a descriptor is given none, so that what gets through reaches no object.

use super::descriptors::{self, NONE, Try};
use super::facts::FactSheet;
use super::trial::{Answer, Call, Manner, try_all};

/// A process that does not exist, but might.
const OTHER: i64 = 0x3fff_ffff;

pub(super) fn read(facts: &mut FactSheet) {
    let tries: Vec<Try> = [
        sockets(),
        descriptors::options_of_sockets(),
        descriptors::requests(),
        options_of_processes(),
        flags_of_clone(),
        descriptors::commands_of_files(),
        flags_of_memory(),
        others(),
    ]
    .concat();
    let plain = tries.iter().map(|(_, number, arguments)| Call {
        number: *number,
        arguments: *arguments,
        manner: Manner::Plain,
    });
    let calls: Vec<Call> = plain.collect();
    match try_all(&calls) {
        Err(error) => facts.add("arguments", format!("cannot be tried: {error}")),
        Ok(answers) => {
            for ((key, number, arguments), answer) in tries.iter().zip(answers) {
                facts.add(key, word(*number, *arguments, answer));
            }
        }
    }
    other_tables(facts);
    landlock(facts);
}

/// Returns the answer's word. No call on a descriptor that does not exist can succeed: if one
/// does, a filter has answered it.
fn word(number: i64, arguments: [i64; 6], answer: Answer) -> &'static str {
    let on_descriptor = [libc::SYS_setsockopt, libc::SYS_ioctl, libc::SYS_fcntl];
    match answer {
        Answer::Returned(_) if on_descriptor.contains(&number) && arguments[0] == NONE => {
            "answered, not done"
        }
        answer => answer.word(),
    }
}

fn sockets() -> Vec<Try> {
    // Families that nearly every kernel has built in, so that no trial loads a module.
    let families: [(&str, i64, i64); 5] = [
        ("unix", 1, 1),
        ("inet", 2, 1),
        ("inet6", 10, 1),
        ("netlink", 16, 3),
        ("packet", 17, 3),
    ];
    let of_family = families.into_iter().map(|(name, family, kind)| {
        let key = format!("socket {name}");
        (key, libc::SYS_socket, [family, kind, 0, 0, 0, 0])
    });
    let protocols: [(&str, i64, i64); 7] = [
        ("tcp", 1, 6),
        ("udp", 2, 17),
        ("icmp", 2, 1),
        ("raw icmp", 3, 1),
        ("raw", 3, 255),
        ("udplite", 2, 136),
        ("mptcp", 1, 262),
    ];
    let of_protocol = protocols.into_iter().map(|(name, kind, protocol)| {
        let key = format!("socket inet {name}");
        (key, libc::SYS_socket, [2, kind, protocol, 0, 0, 0])
    });
    let pairs = [("unix", 1), ("inet", 2)]
        .into_iter()
        .map(|(name, family)| {
            let key = format!("socketpair {name}");
            (key, libc::SYS_socketpair, [family, 1, 0, NONE, 0, 0])
        });
    of_family.chain(of_protocol).chain(pairs).collect()
}

fn options_of_processes() -> Vec<Try> {
    const OPTIONS: [(&str, i64); 17] = [
        ("cap_ambient", 47),
        ("capbset_drop", 24),
        ("sched_core", 62),
        ("set_child_subreaper", 36),
        ("set_dumpable", 4),
        ("set_io_flusher", 57),
        ("set_keepcaps", 8),
        ("set_mdwe", 65),
        ("set_mm", 35),
        ("set_name", 15),
        ("set_no_new_privs", 38),
        ("set_pdeathsig", 1),
        ("set_ptracer", 0x5961_6d61),
        ("set_seccomp", 22),
        ("set_securebits", 28),
        ("set_thp_disable", 41),
        ("set_tsc", 26),
    ];
    let options = OPTIONS.into_iter().map(|(name, option)| {
        let key = format!("prctl {name}");
        (key, libc::SYS_prctl, [option, NONE, NONE, NONE, NONE, 0])
    });
    options.collect()
}

fn flags_of_clone() -> Vec<Try> {
    const FLAGS: [(&str, i32); 7] = [
        ("newcgroup", libc::CLONE_NEWCGROUP),
        ("newipc", libc::CLONE_NEWIPC),
        ("newnet", libc::CLONE_NEWNET),
        ("newns", libc::CLONE_NEWNS),
        ("newpid", libc::CLONE_NEWPID),
        ("newuser", libc::CLONE_NEWUSER),
        ("newuts", libc::CLONE_NEWUTS),
    ];
    let flags = FLAGS.into_iter().map(|(name, flag)| {
        // A thread without shared signal handlers is invalid, so that no process is made.
        let flags = i64::from(flag) | i64::from(libc::CLONE_THREAD);
        let key = format!("clone {name}");
        (key, libc::SYS_clone, [flags, 0, 0, 0, 0, 0])
    });
    flags.collect()
}

fn flags_of_memory() -> Vec<Try> {
    const FLAGS: [(&str, i32); 6] = [
        ("growsdown", libc::MAP_GROWSDOWN),
        ("hugetlb", libc::MAP_HUGETLB),
        ("locked", libc::MAP_LOCKED),
        ("populate", libc::MAP_POPULATE),
        ("stack", libc::MAP_STACK),
        ("noreserve", libc::MAP_NORESERVE),
    ];
    let flags = FLAGS.into_iter().map(|(name, flag)| {
        let flags = i64::from(flag | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // Of no length, which is invalid.
        (
            format!("mmap {name}"),
            libc::SYS_mmap,
            [0, 0, 0, flags, NONE, 0],
        )
    });
    flags.collect()
}

/// Reaching for other processes, personalities, and devices.
fn others() -> Vec<Try> {
    let list: [(&str, i64, [i64; 6]); 15] = [
        (
            "ioprio_set group",
            libc::SYS_ioprio_set,
            [2, 0, NONE, 0, 0, 0],
        ),
        (
            "ioprio_set other",
            libc::SYS_ioprio_set,
            [1, OTHER, NONE, 0, 0, 0],
        ),
        (
            "ioprio_set user",
            libc::SYS_ioprio_set,
            [3, 0, NONE, 0, 0, 0],
        ),
        (
            "personality linux",
            libc::SYS_personality,
            [0, 0, 0, 0, 0, 0],
        ),
        (
            "personality linux32",
            libc::SYS_personality,
            [8, 0, 0, 0, 0, 0],
        ),
        (
            "personality no_randomize",
            libc::SYS_personality,
            [0x4_0000, 0, 0, 0, 0, 0],
        ),
        (
            "prlimit of other, reading",
            libc::SYS_prlimit64,
            [OTHER, 7, 0, NONE, 0, 0],
        ),
        (
            "prlimit of other, setting",
            libc::SYS_prlimit64,
            [OTHER, 7, NONE, 0, 0, 0],
        ),
        (
            "sched_setaffinity other",
            libc::SYS_sched_setaffinity,
            [OTHER, 0, 0, 0, 0, 0],
        ),
        (
            "sched_setattr other",
            libc::SYS_sched_setattr,
            [OTHER, 0, 0, 0, 0, 0],
        ),
        (
            "sched_setparam other",
            libc::SYS_sched_setparam,
            [OTHER, NONE, 0, 0, 0, 0],
        ),
        (
            "sched_setscheduler other",
            libc::SYS_sched_setscheduler,
            [OTHER, NONE, 0, 0, 0, 0],
        ),
        (
            "setpriority group",
            libc::SYS_setpriority,
            [1, OTHER, 19, 0, 0, 0],
        ),
        (
            "setpriority other",
            libc::SYS_setpriority,
            [0, OTHER, 19, 0, 0, 0],
        ),
        (
            "setpriority user",
            libc::SYS_setpriority,
            [2, OTHER, 19, 0, 0, 0],
        ),
    ];
    let owned = list
        .into_iter()
        .map(|(key, number, arguments)| (key.to_owned(), number, arguments));
    owned.collect()
}

/// Tries calls by the architecture's other tables.
fn other_tables(facts: &mut FactSheet) {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    /// `getpid` in the 32-bit table, and in the x32 one.
    const GETPID_32: i64 = 20;
    const GETPID_X32: i64 = 0x4000_0000 | 39;
    let call = |number, manner| Call {
        number,
        arguments: [0; 6],
        manner,
    };
    let calls = [
        call(GETPID_X32, Manner::Plain),
        call(GETPID_32, Manner::Foreign),
    ];
    let Ok(answers) = try_all(&calls) else {
        return;
    };
    for (key, answer) in ["call of the x32 table", "call of the 32-bit table"]
        .iter()
        .zip(answers)
    {
        match answer {
            // By the filter, or because the kernel has no such table.
            Answer::Killed(_) => facts.add(*key, "killed"),
            answer => facts.add(*key, answer.word()),
        }
    }
}

/// Finds out by its effect, since programs are refused its calls: everybody may read this directory by
/// its permissions.
fn landlock(facts: &mut FactSheet) {
    let read = std::fs::read_dir("/sys/kernel").map_err(|error| error.raw_os_error());
    let state = match read {
        Err(Some(libc::EACCES)) => "in force",
        _ => "none",
    };
    facts.add("landlock", state);
}
