//! The ends of a worker, a launcher and a template, at any moment.

use crate::RIGHTS;
use crate::harness::{Launcher, host};

/// Returns a launcher with a program that would sleep for minutes, and every process of it.
fn busy(rights: &str) -> (Launcher, Vec<u32>) {
    let launcher = Launcher::start(&["--rights", rights]);
    let mut sandbox = launcher.launch();
    sandbox.start("import time; time.sleep(600)");
    let template = launcher.template();
    host::until("the program runs", || host::family(template).len() == 3);
    // Its streams stay open, so that their end is not what ends it.
    std::mem::forget(sandbox);
    let family = host::family(launcher.process.id());
    assert_eq!(family.len(), 4);
    (launcher, family)
}

#[test]
fn a_worker_that_is_gone_takes_everything_with_it() {
    for rights in RIGHTS {
        let (mut launcher, family) = busy(rights);
        assert!(launcher.close().success());
        assert!(!family.iter().any(|pid| host::lives(*pid)), "{rights}");
        launcher.assert_nothing_left();
    }
}

#[test]
fn a_launcher_that_is_killed_takes_everything_with_it() {
    for rights in RIGHTS {
        let (mut launcher, family) = busy(rights);
        host::kill(launcher.process.id());
        host::until("all of them end", || {
            !family[1..].iter().any(|pid| host::lives(*pid))
        });
        launcher.close();
        // Groups are all that the kernel does not remove.
        assert!(launcher.groups_of_sandboxes() > 0);
        let next = Launcher::start(&["--rights", rights]);
        assert_eq!(next.ready.swept, 1, "{rights}");
        assert_eq!(host::groups(&launcher.instance), [""; 0]);
        drop(next);
    }
}

#[test]
fn a_template_that_is_killed_takes_everything_with_it() {
    for rights in RIGHTS {
        let (mut launcher, family) = busy(rights);
        host::kill(launcher.template());
        assert!(launcher.next_report().is_none(), "the socket closes");
        assert!(!launcher.close().success(), "the launcher ends, too");
        assert!(!family.iter().any(|pid| host::lives(*pid)), "{rights}");
        launcher.assert_nothing_left();
    }
}

#[test]
fn a_sandbox_that_is_killed_is_told_of() {
    let launcher = Launcher::start(&[]);
    let sandbox = launcher.launch();
    let [init] = host::children(launcher.template())[..] else {
        panic!("not one sandbox");
    };
    host::kill(init);
    match launcher.report() {
        warren_launcher::wire::Report::Ended { id, death, .. } => {
            assert_eq!(id, sandbox.id);
            assert_eq!(death, warren_launcher::wire::Death::Signalled(9));
        }
        other => panic!("{other:?}"),
    }
    launcher.remove(sandbox.id);
}
