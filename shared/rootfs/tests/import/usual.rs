//! Roots of images as they are: links, modes, times, additions.

use std::fs;
use std::os::unix::fs::MetadataExt;

use tar::EntryType;
use warren_rootfs::{MOUNT_POINTS, RUNNER};

use crate::harness::{Ground, Tar};

#[test]
fn a_root_has_what_its_image_has() {
    let ground = Ground::new();
    let archive = Tar::new()
        .folder("./")
        .folder("./usr/")
        .folder("usr/bin")
        .entry(EntryType::Regular, "usr/bin/python3", 0o755, b"#!")
        .link("bin", "usr/bin")
        .link("usr/bin/python", "/usr/bin/python3")
        .hard_link("usr/bin/python3.11", "./usr/bin/python3")
        .file("lib/python/deep/module.py", "x = 1");
    let provenance = ground.import(&archive.bytes()).unwrap();
    assert_eq!(ground.read("bin/python3.11"), "#!");
    assert_eq!(ground.mode("usr/bin/python3"), 0o755);
    let link = fs::read_link(ground.root().join("usr/bin/python")).unwrap();
    assert_eq!(
        link.to_str(),
        Some("/usr/bin/python3"),
        "a link leads where it led"
    );
    let module = fs::metadata(ground.root().join("lib/python/deep/module.py")).unwrap();
    assert_eq!(
        module.mtime(),
        1_234_567_890,
        "compiled modules are compared with it"
    );
    assert_eq!(ground.place().current(), Some(provenance));
    ground.assert_clean();
}

#[test]
fn what_every_sandbox_gets_is_there_and_what_it_loses_is_not() {
    let ground = Ground::new();
    let archive = Tar::new()
        .entry(EntryType::Regular, "bin/su", 0o4755, b"su")
        .entry(EntryType::Regular, "bin/wall", 0o2755, b"wall")
        .entry(EntryType::Regular, "open", 0o666, b"")
        .entry(EntryType::Directory, "var/tmp", 0o1777, b"")
        .entry(EntryType::Directory, "tmp", 0o1777, b"")
        .entry(EntryType::Directory, "closed", 0o000, b"")
        .file("closed/file", "")
        .file("tmp/left", "")
        .entry(EntryType::Char, "dev/null", 0o666, b"")
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh")
        .file(".dockerenv", "")
        .file(".warren/runner", "another")
        .file(".warren/root.json", "{}");
    ground.import(&archive.bytes()).unwrap();
    for (path, mode) in [
        ("bin/su", 0o755),
        ("bin/wall", 0o755),
        ("open", 0o644),
        ("var/tmp", 0o1755),
        ("tmp", 0o755),
        ("closed", 0o700),
        (".warren/runner", 0o555),
        (".", 0o755),
    ] {
        assert_eq!(ground.mode(path), mode, "{path}");
    }
    for point in MOUNT_POINTS {
        assert!(ground.root().join(&point[1..]).is_dir(), "{point}");
    }
    for absent in ["tmp/left", "dev/null", ".dockerenv"] {
        assert!(!ground.root().join(absent).exists(), "{absent}");
    }
    let passwd = ground.read("etc/passwd");
    let lines: Vec<_> = passwd.lines().collect();
    assert_eq!(lines.len(), 2, "{passwd}");
    assert!(lines[1].starts_with("warren:x:60706:"), "{passwd}");
    assert_eq!(ground.read(&RUNNER[1..]), "runner");
    assert_eq!(ground.read("etc/nsswitch.conf"), "hosts: files\n");
}

#[test]
fn later_entries_replace_earlier_ones_of_any_kind() {
    let ground = Ground::new();
    let archive = Tar::new()
        .file("a/b/c", "1")
        .file("a", "2")
        .file("d", "3")
        .folder("d")
        .file("d/e", "4")
        .link("f", "d")
        .folder("f")
        .file("f/g", "5")
        .link("etc/nsswitch.conf", "/d/e");
    ground.import(&archive.bytes()).unwrap();
    assert_eq!(
        (ground.read("a"), ground.read("d/e")),
        ("2".into(), "4".into())
    );
    assert!(
        !ground.root().join("d/g").exists(),
        "a directory takes the place of a link"
    );
    assert_eq!(ground.read("f/g"), "5");
    let link = fs::read_link(ground.root().join("etc/nsswitch.conf"));
    assert_eq!(
        link.unwrap().to_str(),
        Some("/d/e"),
        "the image has one, behind a link"
    );
}

#[test]
fn names_may_be_long_and_lead_through_links_of_the_root() {
    let ground = Ground::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let target = format!("/{long}");
    let archive = Tar::new()
        .file(&long, "long")
        .link("short", &target)
        .folder("run/inner")
        .link("var/run", "/run")
        .file("var/run/inner/file", "through");
    ground.import(&archive.bytes()).unwrap();
    assert_eq!(ground.read(&long), "long");
    assert_eq!(
        ground.read("run/inner/file"),
        "through",
        "an absolute link stays inside"
    );
}
