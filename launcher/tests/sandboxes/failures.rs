//! Launches that fail: refused, or given up at a step.

use std::io::Read;

use warren_launcher::wire::{Report, Request};

use crate::RIGHTS;
use crate::harness::{Launcher, host};

/// The steps of `sandbox/step.rs`.
const STEPS: [&str; 20] = [
    "joining the control groups",
    "unsharing the control group namespace",
    "entering the network namespace",
    "beginning a session",
    "mounting /proc",
    "masking paths of /proc",
    "making paths of /proc read-only",
    "mounting the control groups",
    "mounting /tmp",
    "mounting /dev/shm",
    "changing to /tmp",
    "setting the memory killer's score",
    "placing the standard streams",
    "closing all other descriptors",
    "setting resource limits",
    "emptying the bounding set",
    "leaving all groups",
    "becoming its user",
    "loading the filter",
    "executing the runner",
];

#[test]
fn a_step_that_fails_is_a_launch_that_fails() {
    for step in STEPS {
        let mut launcher = Launcher::start_with_fault(&[], &format!("fail:{step}"));
        for _ in 0..2 {
            let request = launcher.request();
            let (_input, mut output, _errors) = launcher.ask(&request);
            match launcher.report() {
                Report::NotLaunched { id, reason } => {
                    assert_eq!(id, request.id);
                    assert!(reason.starts_with(step), "{step}: {reason}");
                }
                other => panic!("{step}: {other:?}"),
            }
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            assert_eq!(text, "", "no runner has begun");
            assert_eq!(launcher.groups_of_sandboxes(), 0, "{step}");
            assert_eq!(host::children(launcher.template()), [0; 0], "{step}");
        }
        assert!(launcher.close().success());
        launcher.assert_nothing_left();
    }
}

#[test]
fn whoever_dies_at_a_step_nothing_is_left() {
    for rights in RIGHTS {
        for step in STEPS {
            let fault = format!("hang:{step}");
            let mut launcher = Launcher::start_with_fault(&["--rights", rights], &fault);
            let request = launcher.request();
            let _streams = launcher.ask(&request);
            let template = launcher.template();
            host::until("a process hangs at the step", || {
                !host::children(template).is_empty()
            });
            let family = host::family(launcher.process.id());
            host::kill(launcher.process.id());
            host::until("all of them end", || {
                !family[1..].iter().any(|pid| host::lives(*pid))
            });
            launcher.close();
            let next = Launcher::start(&["--rights", rights]);
            assert_eq!(next.ready.swept, 1, "{rights}: {step}");
            assert_eq!(host::groups(&launcher.instance), [""; 0]);
        }
    }
}

#[test]
fn a_request_that_cannot_be_is_refused() {
    let launcher = Launcher::start(&["--sandboxes", "3"]);
    let first = launcher.launch();
    let refused = |change: &dyn Fn(&mut warren_launcher::wire::Launch)| {
        let mut request = launcher.request();
        change(&mut request);
        let _streams = launcher.ask(&request);
        match launcher.report() {
            Report::NotLaunched { id, reason } => {
                assert_eq!(id, request.id);
                reason
            }
            other => panic!("{other:?}"),
        }
    };
    let foreign = refused(&|request| request.user = 0);
    assert_eq!(foreign, "its user is not this launcher's");
    let taken = refused(&|request| request.user = first.user);
    assert_eq!(taken, "another sandbox has its user");
    let again = refused(&|request| request.id = first.id);
    assert_eq!(again, "there is a sandbox of this number");
    let no_cpu = refused(&|request| request.cpu = 9_999);
    assert!(no_cpu.contains("9999"), "{no_cpu}");
    launcher.send(&Request::Launch(launcher.request()));
    assert!(matches!(launcher.report(), Report::NotLaunched { .. }));
    assert_eq!(launcher.groups_of_sandboxes(), launcher.hierarchies());
    // The first one has noticed none of it.
    launcher.remove(first.id);
}
