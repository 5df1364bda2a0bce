//! Sandboxes of a real launcher, with the real runner on a root file system of Python.
//!
//! They run as root, since only root can start both kinds of launcher without a set-up of the host.

mod harness;

use warren_launcher::wire::{Death, Report, Request};

use harness::{Launcher, host};

/// Both kinds of a launcher.
const RIGHTS: [&str; 2] = ["root", "rootless"];

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
        assert!(launcher.close().success());
        assert_eq!(host::groups(&launcher.instance), Vec::<std::path::PathBuf>::new());
    }
}
