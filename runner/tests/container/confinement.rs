//! The runner's confinement of programs, where nothing else confines them.

use warren_runner::wire::{Ending, Exit, ToRunner};

use crate::harness::{Container, Deviation, Image, Job, internet_sockets, python};

/// Runs a program that prints `contained` if it could do nothing that it should not.
fn is_contained(container: &mut Container, program: Job) {
    let report = container.run(program);
    let stderr = String::from_utf8_lossy(&report.stderr.bytes);
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)), "{stderr}");
    assert!(report.stdout.bytes.ends_with(b"contained\n"), "{stderr}");
}

fn hostile(name: &str) -> Job {
    let path = format!(
        "{}/../tests/corpus/hostile/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    python(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_filter_alone_refuses_each_call_even_to_root() {
    let mut container = Container::start_deviating(Image::Python, Deviation::AllPowers);
    is_contained(&mut container, hostile("forbidden_calls.py"));
}

/// (Below the engine's own profile it would kill.)
#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_by_the_32_bit_table_fails_and_kills_nobody() {
    let mut container = Container::start(Image::Python);
    let code = "import ctypes, mmap\n\
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n\
        page.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20 (getpid); int 0x80; ret\n\
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n\
        print(ctypes.CFUNCTYPE(ctypes.c_int)(address)())";
    let report = container.run(python(code));
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)));
    assert_eq!(report.stdout.bytes, b"-38\n");
}

#[test]
fn internet_sockets_are_to_be_had_where_somebody_is_charged_for_them() {
    let code = "import socket\n\
        a, b = socket.socketpair()\n\
        a.send(b'x')\n\
        assert b.recv(1) == b'x'\n\
        for family in (socket.AF_INET, socket.AF_INET6):\n  \
          try: print(socket.socket(family).type)\n  \
          except OSError as error: print('refused', error.errno)";
    let report = Container::start(Image::Python).run(python(code));
    let stdout = String::from_utf8_lossy(&report.stdout.bytes);
    let expected = if internet_sockets() {
        "1\n1\n"
    } else {
        "refused 97\nrefused 97\n"
    };
    assert_eq!(stdout, expected);
}

#[test]
fn the_times_of_devices_tell_nothing_of_the_last_run() {
    let code = "import os, sys, time\n\
        devices = [f'/dev/{name}' for name in ('null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'mqueue', 'shm')]\n\
        if input() == 'mark':\n  \
          touched = 0\n  \
          for device in devices:\n    \
            try: os.utime(device); touched += 1\n    \
            except OSError: pass\n  \
          while time.time_ns() - os.stat('/dev/null').st_mtime_ns < 100_000_000: pass\n  \
          print(touched >= 6)\n\
        else:\n  \
          earliest = min(min(found.st_atime_ns, found.st_mtime_ns) for found in map(os.stat, filter(os.path.exists, devices[:6])))\n  \
          print(earliest > os.stat('main.py').st_mtime_ns - 50_000_000)";
    let mut container = Container::start(Image::Python);
    container.send(&ToRunner::Execute(
        python(code).inputs(&["mark", "look"]).execute,
    ));
    for _ in 0..2 {
        let report = container.finished();
        let stderr = String::from_utf8_lossy(&report.stderr.bytes);
        assert_eq!(report.stdout.bytes, b"True\n", "{stderr}");
    }
}
