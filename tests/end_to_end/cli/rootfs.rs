//! `warren rootfs`: real images as roots, and what of a root is refused.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::wait::SOON;
use crate::harness::{docker, images, machine};

/// A directory of roots, and commands on it.
struct Roots(TempDir);

impl Roots {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn root(&self, language: &str) -> PathBuf {
        self.0.path().join("roots").join(language)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        command
            .arg("rootfs")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .envs(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
            .envs(images::variables())
            .env("WARREN_ROOTFS_DIR", "roots")
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let running = tokio::task::spawn_blocking(move || command.output());
        running.await.expect("no panic").expect("it starts")
    }

    /// Runs a command that has to succeed, and returns what it prints.
    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Makes a small root for Python.
    async fn small(&self, version: &str) {
        let from = self.0.path().join("small");
        let _ = fs::remove_dir_all(&from);
        fs::create_dir_all(from.join("usr/bin")).expect("a directory");
        fs::write(from.join("usr/bin/python3"), version).expect("a file");
        self.says(&["import", "python", "./small"]).await;
    }
}

/// Everything in a root that a program could tell: kind and mode, size, and the target of a link.
fn contents(root: &Path) -> BTreeMap<PathBuf, (u32, u64, Option<PathBuf>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let meta = fs::symlink_metadata(&path).expect("it can be looked at");
            let size = if meta.is_file() { meta.len() } else { 0 };
            let target = fs::read_link(&path).ok();
            if meta.is_dir() {
                left.push(path.clone());
            }
            let inside = path.strip_prefix(root).expect("below the root").to_owned();
            found.insert(inside, (meta.mode(), size, target));
        }
    }
    found
}

fn record(root: &Path) -> Value {
    let text = fs::read(root.join(".warren/root.json")).expect("a record");
    serde_json::from_slice(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_languages_images_become_roots_that_stay_until_an_image_changes() {
    let _machine = machine::shared().await;
    let roots = Roots::new();
    let listed = roots.says(&["list"]).await;
    assert_eq!(listed.matches("missing").count(), 2, "{listed}");
    let said = roots.says(&["import"]).await;
    assert_eq!(said.matches(": imported: ").count(), 2, "{said}");

    for (language, program) in [("python", "python3"), ("javascript", "node")] {
        let root = roots.root(language);
        let all = contents(&root);
        let executable = all.iter().find(|(path, (mode, ..))| {
            path.ends_with(Path::new("bin").join(program)) && mode & 0o111 != 0
        });
        assert!(executable.is_some(), "{language} has {program}");
        for (path, (mode, ..)) in &all {
            assert_eq!(mode & 0o6000, 0, "{path:?}");
            assert!(
                mode & 0o170_000 == 0o120_000 || mode & 0o022 == 0,
                "{path:?} {mode:o}"
            );
            assert!(
                ![0o020_000, 0o060_000].contains(&(mode & 0o170_000)),
                "{path:?}"
            );
        }
        let passwd = fs::read_to_string(root.join("etc/passwd")).expect("users");
        let users = docker::USERS.map(|user| format!("warren:x:{user}:{user}::/tmp:/bin/false"));
        assert!(
            users
                .clone()
                .all(|line| passwd.lines().any(|one| one == line)),
            "{passwd}"
        );
        let hosts = fs::read_to_string(root.join("etc/hosts")).expect("names");
        assert!(hosts.contains("127.0.0.1 localhost"), "{hosts}");
        for place in [
            ".warren/runner",
            ".warren/node-clocks.js",
            "usr/share/zoneinfo/Europe/Paris",
        ] {
            assert!(root.join(place).is_file(), "{place}");
        }
        assert!(!root.join(".dockerenv").exists());
        let name = record(&root)["origin"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let image = docker::client()
            .inspect_image(&name)
            .await
            .expect("the image is there");
        assert_eq!(record(&root)["origin"]["id"], image.id.expect("an id"));
    }
    let checked = roots.says(&["check"]).await;
    assert_eq!(checked.matches(": ok: ").count(), 2, "{checked}");

    let before = fs::metadata(roots.root("python")).expect("a root").ino();
    let said = roots.says(&["import"]).await;
    assert_eq!(said.matches(": up to date: ").count(), 2, "{said}");
    let after = fs::metadata(roots.root("python")).expect("a root").ino();
    assert_eq!(before, after, "nothing was made anew");

    // A root of another image is outdated, as one is whose runner is of another build.
    let place = roots.root("python").join(".warren/root.json");
    let mut changed = record(&roots.root("python"));
    changed["origin"]["id"] = "sha256:another".into();
    fs::set_permissions(&place, Permissions::from_mode(0o644)).expect("it is ours");
    fs::write(&place, changed.to_string()).expect("it is ours");
    let said = roots.says(&["import"]).await;
    assert_eq!(said.matches(": up to date: ").count(), 1, "{said}");
    assert_ne!(
        before,
        fs::metadata(roots.root("python")).expect("a root").ino()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_an_image_becomes_the_same_root() {
    let _machine = machine::shared().await;
    let roots = Roots::new();
    roots.says(&["import", "python"]).await;
    let name = record(&roots.root("python"))["origin"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let client = docker::client();
    let mut pieces = Box::pin(client.export_image(&name));
    let archive = roots.0.path().join("saved.tar");
    let mut file = fs::File::create(&archive).expect("a file");
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece.expect("docker saves")).expect("room");
    }
    let other = Roots::new();
    let path = archive.to_str().expect("text");
    let said = other.says(&["import", "python", path]).await;
    assert!(said.contains(&name), "{said}");
    let (of_export, of_save) = (roots.root("python"), other.root("python"));
    assert_eq!(
        record(&of_export)["origin"]["id"],
        record(&of_save)["origin"]["id"]
    );
    assert_eq!(
        record(&of_export)["origin"]["path"],
        record(&of_save)["origin"]["path"]
    );
    let (mut of_export, mut of_save) = (contents(&of_export), contents(&of_save));
    // They tell which way each came.
    for all in [&mut of_export, &mut of_save] {
        all.remove(Path::new(".warren/root.json"));
    }
    let differing: Vec<_> = of_export
        .iter()
        .filter(|(path, found)| of_save.get(*path) != Some(found))
        .chain(
            of_save
                .iter()
                .filter(|(path, _)| !of_export.contains_key(*path)),
        )
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
    // The operator's own choice is kept.
    let said = other.says(&["import"]).await;
    assert!(said.contains("python: up to date"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_leaves_the_old_root() {
    let _machine = machine::shared().await;
    let (large, roots) = (Roots::new(), Roots::new());
    large.says(&["import", "python"]).await;
    roots.small("old").await;
    let from = large.root("python");
    let arguments = ["import", "python", from.to_str().expect("text")];
    let mut importing = roots.command(&arguments);
    importing.stdout(Stdio::null());
    let mut importing = importing.spawn().expect("it starts");
    let folder = roots.0.path().join("roots");
    let began = |name: &str| name.starts_with(".python.new-");
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&folder).expect("a directory").flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    };
    let started = Instant::now();
    while !names()
        .iter()
        .any(|name| began(name) && folder.join(name).join("usr").exists())
    {
        assert!(started.elapsed() < SOON, "the import begins");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    importing.kill().expect("it still runs");
    let status = importing.wait().expect("it ends");
    assert_eq!(status.code(), None, "it was killed in the middle");
    let python = roots.root("python").join("usr/bin/python3");
    assert_eq!(fs::read_to_string(&python).expect("the old root"), "old");
    roots.says(&["check", "python"]).await;
    assert!(names().iter().any(|name| began(name)), "something is left");
    roots.small("new").await;
    assert_eq!(fs::read_to_string(&python).expect("the new root"), "new");
    assert!(!names().iter().any(|name| began(name)), "{:?}", names());
}

#[tokio::test]
async fn what_only_root_can_make_is_refused() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes devices: run it as root"
    );
    let roots = Roots::new();
    roots.small("1").await;
    let root = roots.root("python");
    let place = root.join("usr/bin/changed");
    let capability: [u8; 20] = {
        // struct vfs_cap_data, version 2: CAP_SYS_ADMIN, permitted and effective.
        let mut data = [0; 20];
        data[0] = 1;
        data[3] = 2;
        data[6] = 0x20;
        data
    };
    let changes: [(&str, &dyn Fn()); 4] = [
        ("capabilities", &|| {
            fs::write(&place, "").expect("a file");
            setxattr(
                &place,
                "security.capability",
                &capability,
                XattrFlags::empty(),
            )
            .expect("a file with capabilities");
        }),
        ("user 1234 owns it", &|| {
            fs::write(&place, "").expect("a file");
            chown(&place, Some(1234), None).expect("another owner");
        }),
        ("group 60800", &|| {
            fs::write(&place, "").expect("a file");
            chown(&place, None, Some(60_800)).expect("another group");
        }),
        ("device node", &|| {
            let mode = Mode::from_raw_mode(0o600);
            let null = rustix::fs::makedev(1, 3);
            mknodat(CWD, &place, FileType::CharacterDevice, mode, null).expect("a device");
        }),
    ];
    for (says, change) in changes {
        change();
        let output = roots.run(&["check", "python"]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            said.contains(says) && said.contains("usr/bin/changed"),
            "{says}: {said}"
        );
        fs::remove_file(&place).expect("it was made");
    }
    roots.says(&["check", "python"]).await;
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_and_changes_nothing() {
    let roots = Roots::new();
    roots.small("1").await;
    for (arguments, says) in [
        (["import", "cobol", "./small"], "there is no language"),
        (["import", "python", "./absent"], "absent"),
        (
            ["import", "python", "no:such:image"],
            "neither a path that exists nor an image",
        ),
    ] {
        let output = roots.run(&arguments).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(says), "{said}");
    }
    let unreachable = {
        let mut command = roots.command(&["import", "javascript"]);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command.output().expect("it starts")
    };
    assert_eq!(unreachable.status.code(), Some(2), "{unreachable:?}");
    assert!(
        String::from_utf8_lossy(&unreachable.stderr).contains("Docker"),
        "{unreachable:?}"
    );
    // Where there is a root, no Docker is needed.
    let mut command = roots.command(&["import", "python"]);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let kept = command.output().expect("it starts");
    assert_eq!(kept.status.code(), Some(0), "{kept:?}");
}
