//! A measurement: the CPU time that a sandbox costs, beside a plain fork and exec.
//!
//! `cargo test --release -p warren-launcher --test sandboxes cost -- --ignored --nocapture` prints it. It
//! asserts nothing about this machine.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::RIGHTS;
use crate::harness::{Launcher, host, static_runner};

const COUNT: u32 = 400;

#[test]
#[ignore = "a measurement, which says nothing while other tests run"]
fn the_cost_of_a_sandbox() {
    let before = host::cpu_of_children(std::process::id());
    let begun = Instant::now();
    for _ in 0..COUNT {
        // It is no PID 1 and says so, after having started.
        let mut plain = Command::new(static_runner());
        plain.args(["--max-life", "9"]).env_clear();
        let status = plain.stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
    let plain = host::cpu_of_children(std::process::id()) - before;
    show("fork and exec of the runner", plain, begun.elapsed());
    for rights in RIGHTS {
        for network in ["recycled", "fresh"] {
            let launcher = Launcher::start(&["--rights", rights, "--network", network]);
            let template = launcher.template();
            for _ in 0..20 {
                launcher.remove(launcher.launch().id);
            }
            let before = host::cpu_of(template) + host::cpu_of_children(template);
            let begun = Instant::now();
            for _ in 0..COUNT {
                launcher.remove(launcher.launch().id);
            }
            let used = host::cpu_of(template) + host::cpu_of_children(template) - before;
            let what = format!("{rights}, {network}: launched, greeted, killed, removed");
            show(&what, used, begun.elapsed());
        }
    }
}

fn show(what: &str, cpu: Duration, wall: Duration) {
    let each = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(COUNT);
    eprintln!("{what}: {:.2} ms CPU, {:.2} ms", each(cpu), each(wall));
}
