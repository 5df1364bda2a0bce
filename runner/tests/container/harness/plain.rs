//! Programs run without the runner, in a container of the same kind.
//!
//! They run as from a shell: `python3 main.py`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Image;
use super::engine::{Deviation, Wanted, create};
use super::permits::Permit;

/// The seconds after which the programs of one container are killed; the results of the rest are
/// missing then.
const PATIENCE_S: u32 = 120;

/// A program to be run plainly.
pub(crate) struct Plain<'a> {
    pub(crate) command: &'a [&'a str],
    pub(crate) file_name: &'a str,
    pub(crate) code: &'a [u8],
    pub(crate) input: &'a [u8],
}

/// A program as seen from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its exit status as a shell reports it: for a signal, 128 plus its number.
    pub(crate) exit: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs each in turn in one container, on an empty scratch directory and with pipes for streams.
pub(crate) fn run_plainly(image: Image, programs: &[Plain<'_>]) -> Vec<Seen> {
    let _permit = Permit::take();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let wanted = Wanted {
        name: &format!("warren-plain-test-{}-{number}", std::process::id()),
        image: &image.name(),
        command: &["sh", "-c", "cat >/seen/script; . /seen/script"],
        binds: &[],
        writable: &["/seen"],
        deviation: Deviation::None,
    };
    let mut engine = create(&wanted)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker is installed; `make test` provisions it");
    let mut stdin = engine.stdin.take().unwrap();
    stdin.write_all(script(programs).as_bytes()).unwrap();
    drop(stdin);
    let output = engine.wait_with_output().unwrap();

    let mut rest = output.stdout.as_slice();
    let mut seen = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut numbers = head.split(' ').map(|number| number.parse::<i32>().unwrap());
        let mut next = || numbers.next().expect("exit status and two lengths");
        let (exit, out, err) = (next(), next(), next());
        let (stdout, after) = rest[end + 1..].split_at(usize::try_from(out).unwrap());
        let (stderr, after) = after.split_at(usize::try_from(err).unwrap());
        seen.push(Seen {
            exit,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        });
        rest = after;
    }
    assert_eq!(seen.len(), programs.len(), "every program was run plainly");
    seen
}

/// Makes the script, for any POSIX shell.
fn script(programs: &[Plain<'_>]) -> String {
    let mut script = format!("( sleep {PATIENCE_S}; kill -9 -1 ) &\ncd /tmp\n");
    for program in programs {
        let (code, input) = (escaped(program.code), escaped(program.input));
        let (file_name, command) = (program.file_name, program.command.join(" "));
        // A fourth descriptor, closed to the program itself, carries its errors past the pipe of
        // its output. The shell's own message about a killed program goes to neither.
        write!(
            script,
            "find /tmp -mindepth 1 -delete\n\
             printf '{code}' >{file_name}\n\
             printf '{input}' >/seen/in\n\
             {{ cat /seen/in | {{ ( exec setsid env -i PATH=\"$PATH\" HOME=/tmp TMPDIR=/tmp \
             LANG=C.UTF-8 {command} 2>&3 3>&- ); echo $? >/seen/exit; }} 2>/dev/null | cat >/seen/out; }} \
             3>&1 | cat >/seen/err\n\
             echo $(cat /seen/exit) $(wc -c </seen/out) $(wc -c </seen/err)\n\
             cat /seen/out /seen/err\n"
        )
        .unwrap();
    }
    script
}

/// Escapes the bytes for `printf`, whose escapes can stand for every byte.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:03o}").unwrap();
        text
    })
}
