//! Archives of any content: nothing outside changes, and all that is unpacked is tame.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;
use warren_rootfs::{Bounds, Tree, unpack_flat};

use crate::harness::{Ground, Tar};

/// Returns names and targets of few parts, so that entries meet one another.
fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a", "b", "c", "..", ".", "", "outside", "secret", "OUTSIDE",
    ]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

fn kind() -> impl Strategy<Value = EntryType> {
    prop::sample::select(vec![
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
    ])
}

/// Asserts that everything below is a file, directory or link that only its owner may write.
fn assert_tame(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let kind = found.file_type();
        assert!(
            kind.is_file() || kind.is_dir() || kind.is_symlink(),
            "{path:?}"
        );
        if !kind.is_symlink() {
            assert_eq!(found.mode() & 0o6022, 0, "{path:?}");
        }
        if kind.is_dir() {
            assert_tame(&path);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_outside_changes(
        entries in prop::collection::vec((kind(), name(), name(), 0_u32..0o10000), 1..12),
    ) {
        let ground = Ground::new();
        let root = ground.directory.path().join("tree");
        fs::create_dir(&root).unwrap();
        // A way out that was there before.
        symlink(ground.outside(), root.join("c")).unwrap();
        let outside = ground.outside();
        let archive = entries.into_iter().fold(Tar::new(), |tar, (kind, name, target, mode)| {
            let target = target.replace("OUTSIDE", outside.to_str().unwrap());
            let name = name.replace("OUTSIDE", "x");
            tar.entry(kind, &name, mode, target.as_bytes())
        });
        let mut tree = Tree::open(&root, Bounds::default()).unwrap();
        // Whether it is taken or refused.
        let _ = unpack_flat(&mut tree, &archive.bytes()[..]);
        let secret = fs::read_to_string(outside.join("secret")).unwrap_or_default();
        prop_assert_eq!(secret, "secret");
        prop_assert_eq!(crate::harness::names(&outside), ["secret"]);
        prop_assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 1);
        let beside = crate::harness::names(ground.directory.path());
        prop_assert_eq!(beside, ["outside", "tree"]);
        assert_tame(&root);
    }
}
