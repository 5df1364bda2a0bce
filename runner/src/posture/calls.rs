//! Tries every system call of the architecture by its number.

use super::facts::FactSheet;
use super::trial::{Answer, Call, Manner, try_all};

/// The names by number, each line beginning with its first number. From Linux 6.17's
/// `syscall_64.tbl` and `asm-generic/unistd.h`.
#[cfg(target_arch = "x86_64")]
const NAMES: &str = include_str!("x86_64.txt");
#[cfg(not(target_arch = "x86_64"))]
const NAMES: &str = include_str!("aarch64.txt");

/// Numbers that are tried without having a name: those between the names, and some after them.
const LAST: i64 = 511;

/// An argument that is no descriptor, no address, no process, and no set of flags that any call
/// knows.
const WRONG: i64 = -1;

/// The arguments of calls that a filter may refuse for their arguments, or that the wrong ones
/// would not show: a form that every program may use, without any effect.
fn arguments(name: &str) -> [i64; 6] {
    let unnamed: i64 = libc::AF_UNIX.into();
    let stream: i64 = libc::SOCK_STREAM.into();
    match name {
        // No thread without shared signal handlers: the kernel refuses it as invalid.
        "clone" => [libc::CLONE_THREAD.into(), 0, 0, 0, 0, 0],
        "fcntl" => [WRONG, libc::F_GETFD.into(), 0, 0, 0, 0],
        // A word at address zero, so that nobody is woken.
        "futex" => [0, 1, 0, 0, 0, 0],
        "init_module" => [WRONG, 0, WRONG, 0, 0, 0],
        "ioctl" => [WRONG, FIONBIO, WRONG, 0, 0, 0],
        "ioprio_set" => [1, 0, WRONG, 0, 0, 0],
        // Of no length, which no mapping may have.
        "mmap" => [0, 0, 0, PRIVATE, WRONG, 0],
        "modify_ldt" => [0; 6],
        // The query, in 32 bits as the C library passes it.
        "personality" => [0xffff_ffff, 0, 0, 0, 0, 0],
        "prctl" => [libc::PR_GET_DUMPABLE.into(), 0, 0, 0, 0, 0],
        "prlimit64" => [0, NOFILE, 0, WRONG, 0, 0],
        "sched_setaffinity" | "sched_setattr" | "sched_setparam" => [0; 6],
        "sched_setscheduler" => [0, WRONG, 0, 0, 0, 0],
        "setpriority" => [0, 0, 19, 0, 0, 0],
        "setsockopt" => [
            WRONG,
            libc::SOL_SOCKET.into(),
            libc::SO_REUSEADDR.into(),
            WRONG,
            4,
            0,
        ],
        "socket" => [unnamed, stream, 0, 0, 0, 0],
        "socketpair" => [unnamed, stream, 0, WRONG, 0, 0],
        _ => [WRONG; 6],
    }
}

const FIONBIO: i64 = 0x5421;
const PRIVATE: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;
const NOFILE: i64 = libc::RLIMIT_NOFILE as i64;

fn manner(name: &str) -> Manner {
    match name {
        "pause" => Manner::Waits,
        "rt_sigreturn" => Manner::BySignal,
        "vfork" => Manner::Vfork,
        _ => Manner::Plain,
    }
}

/// Returns why a number is not tried, if it is not.
fn reason_to_skip(number: i64) -> Option<&'static str> {
    // The kernel itself lets these pass every filter, and kills who calls them by hand.
    let probes = cfg!(target_arch = "x86_64") && (335..=336).contains(&number);
    probes.then_some("not tried: return probes, which no filter sees")
}

/// Reads the names as numbers with names.
fn names() -> impl Iterator<Item = (i64, &'static str)> {
    NAMES.lines().flat_map(|line| {
        let mut words = line.split(' ');
        let first: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        (first..).zip(words)
    })
}

pub(super) fn read(facts: &mut FactSheet) {
    let mut named: Vec<Option<&str>> = vec![None; usize::try_from(LAST).unwrap_or(0) + 1];
    for (number, name) in names() {
        if let Some(place) = usize::try_from(number)
            .ok()
            .and_then(|at| named.get_mut(at))
        {
            *place = Some(name);
        }
    }
    let numbers: Vec<(i64, Option<&str>)> = (0..).zip(named).collect();
    let tried = numbers.iter().filter(|it| reason_to_skip(it.0).is_none());
    let tried: Vec<(i64, Option<&str>)> = tried.copied().collect();
    let calls: Vec<Call> = tried
        .iter()
        .map(|(number, name)| call(*number, *name))
        .collect();
    match try_all(&calls) {
        Err(error) => facts.add("calls", format!("cannot be tried: {error}")),
        Ok(answers) => {
            for ((_, name), answer) in tried.iter().zip(&answers) {
                if let Some(name) = name {
                    facts.add(format!("call {name}"), answer.word());
                }
            }
            let unnamed = tried
                .iter()
                .zip(&answers)
                .filter(|((_, name), _)| name.is_none());
            let unnamed: Vec<(i64, Answer)> = unnamed.map(|((at, _), it)| (*at, *it)).collect();
            for (range, word) in ranges(&unnamed) {
                facts.add(format!("call number {range}"), word);
            }
        }
    }
    for (number, _) in numbers {
        if let Some(reason) = reason_to_skip(number) {
            facts.add(format!("call number {number}"), reason);
        }
    }
}

fn call(number: i64, name: Option<&str>) -> Call {
    Call {
        number,
        arguments: name.map_or([WRONG; 6], arguments),
        manner: name.map_or(Manner::Plain, manner),
    }
}

/// Joins numbers that follow each other and have the same answer.
fn ranges(answers: &[(i64, Answer)]) -> Vec<(String, &'static str)> {
    let mut ranges: Vec<(i64, i64, &str)> = Vec::new();
    for (number, answer) in answers {
        match ranges.last_mut() {
            Some((_, last, word)) if *last + 1 == *number && *word == answer.word() => {
                *last = *number;
            }
            _ => ranges.push((*number, *number, answer.word())),
        }
    }
    let shown = |(first, last, word)| (format!("{first} to {last}"), word);
    ranges.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_names_have_the_numbers_of_the_c_library() {
        let all: Vec<(i64, &str)> = names().collect();
        for known in [
            (libc::SYS_read, "read"),
            (libc::SYS_setsockopt, "setsockopt"),
            (libc::SYS_prlimit64, "prlimit64"),
            (libc::SYS_seccomp, "seccomp"),
            (libc::SYS_memfd_create, "memfd_create"),
            (libc::SYS_rseq, "rseq"),
            (libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
            (libc::SYS_clone3, "clone3"),
            (libc::SYS_process_mrelease, "process_mrelease"),
            (libc::SYS_landlock_restrict_self, "landlock_restrict_self"),
            (libc::SYS_mseal, "mseal"),
        ] {
            assert!(all.contains(&known), "{known:?}");
        }
        let names: BTreeSet<&str> = all.iter().map(|(_, name)| *name).collect();
        assert_eq!(names.len(), all.len(), "each name once");
        assert!(all.len() > 300 && all.iter().all(|(number, _)| *number <= LAST));
    }

    #[test]
    fn numbers_with_the_same_answer_are_shown_as_a_range() {
        let no = Answer::Failed(libc::ENOSYS);
        let answers = [(3, no), (4, no), (6, no), (7, Answer::Returned(0))];
        let shown = ranges(&answers);
        let shown: Vec<_> = shown
            .iter()
            .map(|(at, word)| (at.as_str(), *word))
            .collect();
        let expected = [
            ("3 to 4", "ENOSYS"),
            ("6 to 6", "ENOSYS"),
            ("7 to 7", "reached"),
        ];
        assert_eq!(shown, expected);
    }
}
