//! One root takes the place of another, whole or not at all.

use std::fs;
use std::sync::mpsc;
use std::thread;

use warren_rootfs::{Error, Source, check, unpack_flat};

use crate::harness::{Ground, Tar, names, origin, runner};

fn version(text: &str) -> Vec<u8> {
    Tar::new().file("version", text).bytes()
}

#[test]
fn a_new_root_takes_the_place_of_the_old_one() {
    let ground = Ground::new();
    ground.import(&version("1")).unwrap();
    let first = ground.place().current();
    ground.import(&version("2")).unwrap();
    assert_eq!(ground.read("version"), "2");
    ground.import(&version("1")).unwrap();
    assert_eq!(
        (ground.read("version"), ground.place().current()),
        ("1".to_owned(), first)
    );
    ground.assert_clean();
}

#[test]
fn a_failed_import_leaves_the_old_one() {
    let ground = Ground::new();
    ground.import(&version("1")).unwrap();
    let bad = Tar::new().file("version", "2").file("/bad", "").bytes();
    ground.import(&bad).unwrap_err();
    assert_eq!(ground.read("version"), "1");
    check(&ground.root(), &runner()).unwrap();
    ground.assert_clean();
}

#[test]
fn a_panic_in_the_middle_leaves_the_old_one() {
    let ground = Ground::new();
    ground.import(&version("1")).unwrap();
    let import = ground.begin();
    let result = thread::scope(|scope| {
        let importing = scope.spawn(|| {
            import.replace(origin(), ground.bounds, &runner(), |tree| {
                unpack_flat(tree, &version("2")[..])?;
                panic!("in the middle");
            })
        });
        importing.join()
    });
    assert!(result.is_err());
    drop(import);
    assert_eq!(ground.read("version"), "1");
    ground.assert_clean();
}

#[test]
fn what_a_killed_import_left_is_removed_by_the_next() {
    let ground = Ground::new();
    ground.import(&version("1")).unwrap();
    let left = ground.root().with_file_name(".python.new-1");
    fs::create_dir_all(left.join("usr/bin")).unwrap();
    let neighbour = ground.root().with_file_name(".python3.new-1");
    fs::create_dir(&neighbour).unwrap();
    drop(ground.begin());
    assert!(!left.exists(), "it is removed");
    assert!(neighbour.exists(), "another root's is not");
    assert_eq!(ground.read("version"), "1");
}

#[test]
fn a_root_in_use_is_moved_aside_and_removed_later() {
    let ground = Ground::new();
    ground.import(&version("1")).unwrap();
    let used = check(&ground.root(), &runner()).unwrap();
    ground.import(&version("2")).unwrap();
    assert_eq!(ground.read("version"), "2");
    let roots = ground.root().parent().unwrap().to_owned();
    let aside: Vec<_> = names(&roots)
        .into_iter()
        .filter(|name| name.contains(".old-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let kept = fs::read_to_string(roots.join(&aside[0]).join("version"));
    assert_eq!(kept.unwrap(), "1", "a worker still runs sandboxes in it");
    drop(ground.begin());
    assert!(roots.join(&aside[0]).exists(), "it is still in use");
    drop(used);
    drop(ground.begin());
    ground.assert_clean();
}

#[test]
fn imports_of_one_root_exclude_each_other() {
    let ground = Ground::new();
    let first = ground.begin();
    let place = ground.place();
    let (sender, receiver) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let second = place.begin().unwrap();
        sender.send(()).unwrap();
        second
    });
    // The first one ends while the second one waits.
    first
        .replace(origin(), ground.bounds, &runner(), |tree| {
            unpack_flat(tree, &version("1")[..])
        })
        .unwrap();
    assert_eq!(
        receiver.try_recv(),
        Err(mpsc::TryRecvError::Empty),
        "it waits"
    );
    drop(first);
    let second = waiting.join().unwrap();
    assert!(
        second.place().current().is_some(),
        "it finds what the first one made"
    );
}

#[test]
fn nobodys_files_are_replaced() {
    let ground = Ground::new();
    fs::create_dir_all(ground.root()).unwrap();
    ground.import(&version("1")).unwrap();
    fs::remove_file(ground.root().join(".warren/root.json")).unwrap();
    let result = ground.import(&version("2"));
    assert!(matches!(result, Err(Error::NotOurs(_))), "{result:?}");
    assert_eq!(ground.read("version"), "1");
    fs::remove_dir_all(ground.root()).unwrap();
    fs::write(ground.root(), "a file").unwrap();
    let result = ground.import(&version("2"));
    assert!(matches!(result, Err(Error::NotOurs(_))), "{result:?}");
}

#[test]
fn a_root_can_be_renewed_from_itself() {
    let ground = Ground::new();
    let archive = Tar::new()
        .file("a", "1")
        .hard_link("b", "a")
        .link("c", "/a")
        .bytes();
    ground.import(&archive).unwrap();
    let source = Source::open(&ground.root()).unwrap();
    let import = ground.begin();
    import
        .replace(origin(), ground.bounds, &runner(), |tree| {
            source.unpack(tree)
        })
        .unwrap();
    let passwd = ground.read("etc/passwd");
    assert_eq!(passwd.lines().count(), 1, "lines are added once: {passwd}");
    assert_eq!(ground.read("b"), "1");
    let links = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(ground.root().join(path)).unwrap().ino()
    };
    assert_eq!(links("a"), links("b"), "two names of one file stay that");
    drop(import);
    ground.assert_clean();
}
