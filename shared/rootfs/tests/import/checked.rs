//! A root is refused for each fault, with its path and its remedy.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use warren_rootfs::{Addition, Faults, Problem, RUNNER, check, examine};

use crate::harness::{Ground, Tar, runner};

fn imported() -> Ground {
    let ground = Ground::new();
    let archive = Tar::new().file("usr/bin/python3", "#!").folder("var/tmp");
    ground.import(&archive.bytes()).unwrap();
    ground
}

fn faults(ground: &Ground) -> Faults {
    check(&ground.root(), &runner()).unwrap_err()
}

/// Returns the only fault after a change to a good root: its path in the root, and the problem.
fn after(change: impl FnOnce(&Path)) -> (String, Problem) {
    let ground = imported();
    change(&ground.root());
    let faults = faults(&ground);
    let [fault] = faults.listed() else {
        panic!("{faults}");
    };
    let text = faults.to_string();
    assert!(text.contains(fault.problem.remedy()), "{text}");
    assert!(text.contains(fault.path.to_str().unwrap()), "{text}");
    let path = fault.path.strip_prefix(ground.root()).unwrap();
    (path.to_str().unwrap().to_owned(), fault.problem.clone())
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_imported_root_is_fit() {
    let ground = imported();
    let root = check(&ground.root(), &runner()).unwrap();
    assert_eq!(Some(root.provenance()), ground.place().current().as_ref());
    assert!(root.path() == ground.root() && root.directory().metadata().unwrap().is_dir());
}

#[test]
fn bits_of_modes_are_refused() {
    let python = "usr/bin/python3";
    for (path, mode, problem) in [
        (python, 0o4755, Problem::SetId),
        (python, 0o2755, Problem::SetId),
        (python, 0o646, Problem::Writable),
        ("var/tmp", 0o1777, Problem::Writable),
        ("etc", 0o757, Problem::Writable),
        ("", 0o757, Problem::Writable),
    ] {
        let found = after(|root| chmod(&root.join(path), mode));
        assert_eq!(found, (path.to_owned(), problem), "{mode:o}");
    }
}

#[test]
fn what_is_mounted_over_may_be_open() {
    let ground = imported();
    for point in ["tmp", "dev/shm"] {
        chmod(&ground.root().join(point), 0o1777);
    }
    check(&ground.root(), &runner()).unwrap();
}

#[test]
fn pipes_and_sockets_are_refused() {
    let pipe = after(|root| {
        let mode = Mode::from_raw_mode(0o600);
        mknodat(CWD, root.join("pipe"), FileType::Fifo, mode, 0).unwrap();
    });
    assert_eq!(pipe, ("pipe".to_owned(), Problem::Kind));
    let socket = after(|root| {
        drop(UnixListener::bind(root.join("socket")).unwrap());
        chmod(&root.join("socket"), 0o755);
    });
    assert_eq!(socket, ("socket".to_owned(), Problem::Kind));
}

#[test]
fn a_missing_mount_point_is_refused() {
    for point in ["proc", "sys", "dev/shm", "tmp"] {
        let found = after(|root| fs::remove_dir(root.join(point)).unwrap());
        assert_eq!(found, (point.to_owned(), Problem::NoMountPoint));
    }
    let link = after(|root| {
        fs::remove_dir(root.join("proc")).unwrap();
        symlink("/etc", root.join("proc")).unwrap();
    });
    assert_eq!(link, ("proc".to_owned(), Problem::NoMountPoint));
}

#[test]
fn another_runner_is_refused() {
    let place = RUNNER[1..].to_owned();
    let runner = |root: &Path| root.join(&place);
    for content in [&b"Runner"[..], b"runner and more", b"runn", b""] {
        let found = after(|root| {
            chmod(&runner(root), 0o755);
            fs::write(runner(root), content).unwrap();
        });
        assert_eq!(found, (place.clone(), Problem::OtherRunner));
    }
    let absent = after(|root| fs::remove_file(runner(root)).unwrap());
    assert_eq!(absent, (place.clone(), Problem::OtherRunner));
    let link = after(|root| {
        fs::rename(runner(root), root.join("moved")).unwrap();
        symlink("/moved", runner(root)).unwrap();
    });
    assert_eq!(link, (place.clone(), Problem::OtherRunner));
}

#[test]
fn another_builds_root_is_outdated() {
    let ground = imported();
    let mut additions = runner();
    additions.push(Addition::Default {
        at: "/etc/more",
        content: "",
    });
    let faults = check(&ground.root(), &additions).unwrap_err();
    assert_eq!(faults.listed()[0].problem, Problem::Outdated);
}

#[test]
fn what_no_import_made_is_refused() {
    let ground = Ground::new();
    assert_eq!(faults(&ground).listed()[0].problem, Problem::Missing);
    fs::create_dir_all(ground.root()).unwrap();
    assert_eq!(faults(&ground).listed()[0].problem, Problem::NoRecord);
}

#[test]
fn many_faults_are_cut_short() {
    let ground = imported();
    for number in 0..100 {
        let path = ground.root().join(format!("{number}"));
        fs::write(&path, "").unwrap();
        chmod(&path, 0o666);
    }
    let faults = faults(&ground);
    assert_eq!(faults.listed().len(), 20);
    assert!(
        faults.to_string().ends_with("and more of the like"),
        "{faults}"
    );
}

#[test]
fn a_walk_is_remembered_until_the_root_is_another() {
    let ground = imported();
    check(&ground.root(), &runner()).unwrap();
    let su = ground.root().join("usr/bin/su");
    fs::write(&su, "").unwrap();
    chmod(&su, 0o4755);
    check(&ground.root(), &runner()).expect("a walk is remembered");
    examine(&ground.root(), &runner()).expect_err("and not when everything is to be looked at");
    fs::remove_file(&su).unwrap();
    check(&ground.root(), &runner()).unwrap();
    // What is looked at each time.
    fs::remove_file(ground.root().join(&RUNNER[1..])).unwrap();
    faults(&ground);

    let archive = Tar::new().file("usr/bin/python3", "#!").bytes();
    ground.import(&archive).unwrap();
    fs::write(&su, "").unwrap();
    chmod(&su, 0o4755);
    let stamp = ground.root().join(".warren/checked");
    assert!(
        !stamp.exists(),
        "a new root was not walked in its place yet"
    );
    assert_eq!(faults(&ground).listed()[0].problem, Problem::SetId);
    // A copy of a root is another directory.
    fs::write(&stamp, "sha256:0").unwrap();
    assert_eq!(faults(&ground).listed()[0].problem, Problem::SetId);
}
