//! Archives that try to write outside, to leave devices, or to fill the machine.

use std::fs;
use std::io::{Read, repeat};

use tar::EntryType;
use warren_rootfs::{Bounds, EntryFault, Error, Result, unpack_flat};

use crate::harness::{Ground, Tar, origin, runner};

fn refused(archive: Tar) -> EntryFault {
    let ground = Ground::new();
    let fault = fault(ground.import(&archive.bytes()));
    assert!(!ground.root().exists(), "nothing is put in place");
    ground.assert_clean();
    fault
}

fn fault<T: std::fmt::Debug>(result: Result<T>) -> EntryFault {
    match result {
        Err(Error::Entry { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for (name, expected) in [
        ("/etc/cron.d/x", EntryFault::Absolute),
        ("../outside/x", EntryFault::Upwards),
        ("a/../../outside/x", EntryFault::Upwards),
        ("a/..", EntryFault::Upwards),
    ] {
        assert_eq!(refused(Tar::new().file(name, "x")), expected, "{name}");
        assert_eq!(refused(Tar::new().folder(name)), expected, "{name}");
        assert_eq!(refused(Tar::new().link(name, "x")), expected, "{name}");
    }
}

#[test]
fn a_file_behind_a_link_stays_inside() {
    for target in [
        "../../outside",
        "../../../../../../../../outside",
        "OUTSIDE",
    ] {
        let ground = Ground::new();
        let target = target.replace("OUTSIDE", ground.outside().to_str().unwrap());
        let archive = Tar::new()
            .link("exit", &target)
            .file("exit/secret", "overwritten");
        // The link leads nowhere inside the root.
        assert_eq!(
            fault(ground.import(&archive.bytes())),
            EntryFault::NoDirectory
        );
        ground.assert_clean();
    }
}

#[test]
fn a_link_with_the_root_as_its_end_leads_to_the_root() {
    let ground = Ground::new();
    let archive = Tar::new().link("up", "/../../..").file("up/file", "inside");
    ground.import(&archive.bytes()).unwrap();
    assert_eq!(ground.read("file"), "inside");
    ground.assert_clean();
}

#[test]
fn a_file_in_place_of_a_link_does_not_write_through_it() {
    let ground = Ground::new();
    let secret = ground.outside().join("secret");
    let archive = Tar::new()
        .link("exit", secret.to_str().unwrap())
        .file("exit", "inside")
        .link("etc/passwd", secret.to_str().unwrap())
        .link(".warren", ground.outside().to_str().unwrap());
    ground.import(&archive.bytes()).unwrap();
    assert_eq!(ground.read("exit"), "inside");
    assert!(
        ground.read("etc/passwd").starts_with("warren:"),
        "nothing is read from outside"
    );
    assert_eq!(ground.read(".warren/runner"), "runner");
    ground.assert_clean();
}

#[test]
fn additions_follow_no_link_out() {
    for folder in ["etc", "dev", "tmp", "proc"] {
        let ground = Ground::new();
        let outside = ground.outside();
        let archive = Tar::new()
            .link(folder, outside.to_str().unwrap())
            .file("x", "");
        let _ = ground.import(&archive.bytes());
        ground.assert_clean();
    }
}

#[test]
fn hard_links_reach_only_what_the_root_has() {
    for target in ["../outside/secret", "/etc/passwd", "a/../../outside/secret"] {
        let archive = Tar::new().file("a/b", "").hard_link("stolen", target);
        let fault = refused(archive);
        assert!(
            matches!(fault, EntryFault::Upwards | EntryFault::Absolute),
            "{target}: {fault:?}"
        );
    }
    let ground = Ground::new();
    let archive = Tar::new()
        .link("exit", ground.outside().to_str().unwrap())
        .hard_link("stolen", "exit/secret");
    assert_eq!(fault(ground.import(&archive.bytes())), EntryFault::NoTarget);
    ground.assert_clean();
    for target in ["absent", "folder", ""] {
        let archive = Tar::new().folder("folder").hard_link("x", target);
        assert_eq!(refused(archive), EntryFault::NoTarget, "{target:?}");
    }
}

#[test]
fn a_hard_link_to_a_link_is_no_way_out() {
    let ground = Ground::new();
    let secret = ground.outside().join("secret");
    let archive = Tar::new()
        .link("exit", secret.to_str().unwrap())
        .hard_link("alias", "exit")
        .file("alias", "inside");
    ground.import(&archive.bytes()).unwrap();
    assert_eq!(ground.read("alias"), "inside");
    ground.assert_clean();
}

#[test]
fn devices_and_pipes_are_refused() {
    for (kind, expected) in [
        (EntryType::Char, EntryFault::Device),
        (EntryType::Block, EntryFault::Device),
        (EntryType::Fifo, EntryFault::Kind),
        (EntryType::new(b'?'), EntryFault::Kind),
    ] {
        assert_eq!(
            refused(Tar::new().entry(kind, "usr/x", 0o666, b"")),
            expected,
            "{kind:?}"
        );
    }
}

#[test]
fn a_name_below_a_file_is_refused() {
    assert_eq!(
        refused(Tar::new().file("a", "").file("a/b", "")),
        EntryFault::NoDirectory
    );
}

#[test]
fn depth_has_its_bound_even_through_links() {
    let mut ground = Ground::new();
    ground.bounds.depth = 20;
    let deep = vec!["d"; 21].join("/");
    assert_eq!(
        fault(ground.import(&Tar::new().file(&deep, "").bytes())),
        EntryFault::Deep
    );
    // Each link starts where the last one ended.
    let step = vec!["s"; 15].join("/");
    let mut archive = Tar::new().folder(&step).link("l0", &step);
    for number in 0..4 {
        let (last, next) = (format!("l{number}"), format!("l{}", number + 1));
        archive = archive
            .folder(&format!("{last}/{step}"))
            .link(&next, &format!("{last}/{step}"));
    }
    assert_eq!(fault(ground.import(&archive.bytes())), EntryFault::Deep);
    ground.assert_clean();
}

fn too_large(bounds: Bounds, archive: Tar) -> &'static str {
    let mut ground = Ground::new();
    ground.bounds = bounds;
    let error = ground.import(&archive.bytes()).unwrap_err();
    ground.assert_clean();
    match error {
        Error::TooLarge { what, .. } => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn sizes_and_numbers_have_their_bounds() {
    let bounds = Bounds {
        bytes: 1_000,
        file: 400,
        entries: 20,
        depth: 10,
    };
    let large = "x".repeat(401);
    assert_eq!(
        too_large(bounds, Tar::new().file("a", &large)),
        "bytes in one file"
    );
    let half = "x".repeat(300);
    let four = (0..4).fold(Tar::new(), |tar, _| tar.file("same", &half));
    assert_eq!(too_large(bounds, four), "bytes", "replaced ones count");
    let covered = (0..4).fold(Tar::new(), |tar, _| tar.file("tmp/x", &half));
    assert_eq!(too_large(bounds, covered), "bytes", "left-out ones count");
    let many = (0..21).fold(Tar::new(), |tar, n| tar.folder(&format!("f{n}")));
    assert_eq!(too_large(bounds, many), "files");
    let implied = (0..4).fold(Tar::new(), |tar, n| tar.file(&format!("{n}/b/c/d/e/f"), ""));
    assert_eq!(
        too_large(bounds, implied),
        "files",
        "directories that nothing describes count"
    );
}

#[test]
fn a_header_that_never_ends_is_not_read_to_its_end() {
    // A name of eight gigabytes, of which only as much is sent as is asked for.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_path("././@LongLink").unwrap();
    header.set_size(8 << 30);
    header.set_cksum();
    let mut sent = header.as_bytes().chain(repeat(b'a')).take(64 << 20);
    let ground = Ground::new();
    let unpack = |tree: &mut _| unpack_flat(tree, &mut sent);
    let result = ground
        .begin()
        .replace(origin(), ground.bounds, &runner(), unpack);
    assert!(matches!(result, Err(Error::Archive(_))), "{result:?}");
    assert!(
        sent.limit() > 60 << 20,
        "{} bytes were not read",
        sent.limit()
    );
}

#[test]
fn damaged_archives_are_errors() {
    let ground = Ground::new();
    let whole = Tar::new().file("a", "content").bytes();
    let mut changed = whole.clone();
    changed[0] ^= 1;
    for archive in [
        &whole[..700],
        &whole[..515],
        &changed[..],
        &b"not a tar archive at all"[..],
    ] {
        let result = ground.import(archive);
        assert!(result.is_err(), "{result:?}");
    }
    assert!(fs::exists(ground.root()).is_ok_and(|is_there| !is_there));
    ground.assert_clean();
}
