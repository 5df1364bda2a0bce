//! The ordinary life of a sandbox, from the request to the last report.

use std::collections::BTreeSet;

use warren_launcher::wire::{Death, Report, Request, Rights};

use crate::RIGHTS;
use crate::harness::{Launcher, host};

#[test]
fn a_program_runs_and_nothing_is_left() {
    for rights in RIGHTS {
        let mut launcher = Launcher::start(&["--rights", rights]);
        let mut sandbox = launcher.launch();
        assert_eq!(sandbox.output_of("print('hello')"), "hello\n");
        launcher.send(&Request::Consumed(sandbox.id));
        match launcher.report() {
            Report::Consumed(id, consumed) => {
                assert_eq!(id, sandbox.id);
                assert!(!consumed.cpu.is_zero() && consumed.memory > 1 << 20);
            }
            other => panic!("{other:?}"),
        }
        sandbox.input = None;
        match launcher.report() {
            Report::Ended { id, death, .. } => {
                assert_eq!((id, death), (sandbox.id, Death::Exited(0)));
            }
            other => panic!("{other:?}"),
        }
        launcher.remove(sandbox.id);
        assert_eq!(launcher.groups_of_sandboxes(), 0);
        assert!(!host::has_mount("/root-python"));
        assert!(launcher.close().success());
        launcher.assert_nothing_left();
    }
}

#[test]
fn each_network_mode_has_a_loopback_that_is_up() {
    // Version 1 has no limit for internet sockets, so the runner lets no program make any: look at routes.
    const SHOWS_ROUTES: &str = "print('127.0.0.1' in open('/proc/net/fib_trie').read())";
    for mode in ["recycled", "fresh"] {
        for rights in RIGHTS {
            let launcher = Launcher::start(&["--rights", rights, "--network", mode]);
            for _ in 0..2 {
                let mut sandbox = launcher.launch();
                assert_eq!(sandbox.output_of(SHOWS_ROUTES), "True\n");
                launcher.remove(sandbox.id);
            }
        }
    }
}

#[test]
fn a_sandbox_is_killed_on_request() {
    let launcher = Launcher::start(&[]);
    let sandbox = launcher.launch();
    launcher.send(&Request::Ping);
    assert_eq!(launcher.report(), Report::Pong);
    launcher.send(&Request::Remove(sandbox.id));
    assert!(matches!(
        launcher.report(),
        Report::Ended {
            death: Death::Killed,
            ..
        }
    ));
    assert_eq!(launcher.report(), Report::Removed(sandbox.id));
    // Removing what is not there is no fault: a worker may ask twice.
    launcher.send(&Request::Remove(sandbox.id));
    assert_eq!(launcher.report(), Report::Removed(sandbox.id));
}

#[test]
fn a_death_for_lack_of_memory_is_told() {
    let launcher = Launcher::start(&[]);
    let mut request = launcher.request();
    // Not even enough for the runner.
    request.limits.memory = 64 << 10;
    let _streams = launcher.ask(&request);
    let ended = loop {
        match launcher.report() {
            Report::Launched(_) => {}
            Report::Ended { death, .. } => break death,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ended, Death::OutOfMemory);
}

#[test]
fn two_launchers_have_no_user_in_common() {
    let launchers = RIGHTS.map(|rights| Launcher::start(&["--rights", rights]));
    let mut users = BTreeSet::new();
    for launcher in &launchers {
        let expected = usize::try_from(launcher.ready.users.end - launcher.ready.users.start);
        assert_eq!(Ok(8), expected);
        for user in launcher.ready.users.clone() {
            assert!(users.insert(user), "{user} twice");
        }
        let sandbox = launcher.launch();
        let [init] = host::children(launcher.template())[..] else {
            panic!("not one sandbox");
        };
        let user = sandbox.user.to_string();
        assert_eq!(host::status(init, "Uid"), [user.as_str(); 4].join("\t"));
        assert_eq!(host::status(init, "Gid"), [user.as_str(); 4].join("\t"));
        assert_eq!(host::status(init, "Groups"), user);
        let root = host::status(launcher.process.id(), "Uid");
        match launcher.ready.rights {
            Rights::Root => assert_eq!(root, "0\t0\t0\t0"),
            Rights::Rootless => {
                let own = (launcher.ready.users.start - 1).to_string();
                assert_eq!(root, [own.as_str(); 4].join("\t"));
            }
        }
    }
}

#[test]
fn sandboxes_live_side_by_side() {
    let launcher = Launcher::start(&[]);
    let mut sandboxes: Vec<_> = (0..4).map(|_| launcher.launch()).collect();
    for (number, sandbox) in sandboxes.iter_mut().enumerate() {
        let output = sandbox.output_of(&format!("print({number})"));
        assert_eq!(output, format!("{number}\n"));
    }
    assert_eq!(launcher.groups_of_sandboxes(), 4 * launcher.hierarchies());
    for sandbox in &sandboxes {
        launcher.remove(sandbox.id);
    }
    assert_eq!(launcher.groups_of_sandboxes(), 0);
}
