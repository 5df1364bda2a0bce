//! The commands on a terminal: what a program prints is shown, and not obeyed.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{machine, warren::Warren};

/// Sets the title, writes to the clipboard, erases lines, in the 7-bit and the 8-bit form of the
/// sequences, overrides the order of writing; in both streams.
const PROGRAM: &str = r"
text = '\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\\x1b[1A\x1b[2K\x9b2K\x9d52;c;aGk=\x9c\u202eback\x7f\r'
print('begin' + text + 'end')
raise ValueError(text)
";

/// A pseudo-terminal: the end that a person looks at, and the end for a command.
fn terminal() -> (OwnedFd, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&screen).expect("granted");
    unlockpt(&screen).expect("unlocked");
    let name = ptsname(&screen, Vec::new()).expect("its name");
    let path = Path::new(name.to_str().expect("text"));
    let command = OpenOptions::new().read(true).write(true).open(path);
    (screen, command.expect("the command's end"))
}

/// Returns what a terminal has been sent, once no command has it open.
fn sent_to(screen: OwnedFd) -> String {
    let mut screen = File::from(screen);
    let (mut sent, mut part) = (Vec::new(), [0; 4096]);
    // Linux reports the other end's closing as an error (EIO).
    while let Ok(n @ 1..) = screen.read(&mut part) {
        sent.extend_from_slice(&part[..n]);
    }
    String::from_utf8(sent).expect("text")
}

fn warren_run(server: &str, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .args(["run", "--server", server])
        .arg(file)
        .current_dir(std::env::temp_dir())
        .env_remove("WARREN_SERVER")
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_cannot_command_the_terminal_and_a_pipe_gets_every_byte() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let server = warren.api.clone().expect("an API");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("hostile.py");
    std::fs::write(&file, PROGRAM).expect("written");

    let both = tokio::task::spawn_blocking(move || {
        let piped = warren_run(&server, &file).output().expect("it runs");

        // Standard error has the spinner's own sequences on a terminal, so one stream at a time.
        let (screen, end) = terminal();
        let child = warren_run(&server, &file)
            .stdout(end)
            .stderr(Stdio::null())
            .spawn();
        let reader = std::thread::spawn(move || sent_to(screen));
        child.expect("it starts").wait().expect("it ends");
        let stdout = reader.join().expect("read");

        let (screen, end) = terminal();
        let child = warren_run(&server, &file)
            .stdout(Stdio::null())
            .stderr(end)
            .spawn();
        let reader = std::thread::spawn(move || sent_to(screen));
        child.expect("it starts").wait().expect("it ends");
        (piped, stdout, reader.join().expect("read"))
    });
    let (piped, stdout, stderr) = both.await.expect("no panic");

    let text = "\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\\x1b[1A\x1b[2K\u{9b}2K\u{9d}52;c;aGk=\u{9c}\u{202e}back\x7f\r";
    let escaped = r"\u001b]0;title\u0007\u001b]52;c;aGk=\u001b\\u001b[1A\u001b[2K\u009b2K\u009d52;c;aGk=\u009c\u202eback\u007f\u000d";
    assert_eq!(
        String::from_utf8_lossy(&piped.stdout),
        format!("begin{text}end\n")
    );
    assert!(
        String::from_utf8_lossy(&piped.stderr).contains(&format!("ValueError: {text}\n")),
        "{piped:?}"
    );
    // A terminal's driver ends lines with a carriage return as well.
    assert_eq!(stdout, format!("begin{escaped}end\r\n"));
    assert!(
        stderr.contains(&format!(
            "ValueError: {}",
            escaped.trim_end_matches(r"\u000d")
        )),
        "{stderr:?}"
    );
    let obeyed = ["\x1b]", "\x1b[1A", "\u{9b}", "\u{9d}", "\u{202e}", "\x7f"];
    for sequence in obeyed {
        assert!(!stderr.contains(sequence), "{sequence:?} in {stderr:?}");
    }
    let last = stderr.lines().last().expect("a verdict");
    assert!(last.contains("✗ runtime error (exit status 1)"), "{last:?}");
}
