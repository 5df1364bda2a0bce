//! A root file system for the tests: Python's image, with the static runner in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::build;

/// The image's usual names: the second one is what `scripts/provision` builds without a registry.
const IMAGES: [&str; 2] = ["python:3.10-alpine", "warren-base/python:3.11-debian"];

/// Returns the directory with the root file system, made once for all tests.
pub(crate) fn python() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Where there is no Docker: scripts/cgroup2/launcher.
        if let Some(root) = std::env::var_os("WARREN_TEST_ROOT") {
            return root.into();
        }
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("root-python");
        if !root.join("usr/bin").exists() {
            export(&root);
        }
        let runner = root.join(".warren/runner");
        fs::create_dir_all(root.join(".warren")).expect("a directory");
        // A new file each time: the old one may be running.
        let _ = fs::remove_file(&runner);
        fs::copy(static_runner(), &runner).expect("the runner is copied");
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o555)).expect("executable");
        root
    })
}

/// Returns the configured image, else the first of the usual ones that is present.
fn image() -> String {
    let is_here = |name: &&str| {
        let mut inspect = Command::new("docker");
        let status = inspect
            .args(["image", "inspect", name])
            .stdout(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    std::env::var("WARREN_IMAGE_PYTHON").unwrap_or_else(|_unset| {
        let found = IMAGES.into_iter().find(is_here);
        let found =
            found.expect("`make test` provisions an image, or WARREN_IMAGE_PYTHON names one");
        found.to_owned()
    })
}

/// Exports the image's file system.
fn export(root: &Path) {
    let made = root.with_extension("new");
    let _ = fs::remove_dir_all(&made);
    fs::create_dir_all(&made).expect("a directory");
    let id = output(Command::new("docker").args(["create", &image()]));
    let id = id.trim();
    let mut exporting = Command::new("docker")
        .args(["export", id])
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker runs");
    let archive = exporting.stdout.take().expect("its output");
    let unpacked = Command::new("tar")
        .args(["--extract", "--numeric-owner", "--directory"])
        .arg(&made)
        .stdin(archive)
        .status();
    assert!(unpacked.expect("tar runs").success());
    assert!(exporting.wait().expect("docker ends").success());
    output(Command::new("docker").args(["rm", id]));
    let _ = fs::remove_dir_all(root);
    fs::rename(&made, root).expect("it gets its name");
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("docker is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("a text")
}

/// Returns the static runner: the root's own where one is given, since nothing can be built there.
pub(crate) fn static_runner() -> PathBuf {
    match std::env::var_os("WARREN_TEST_ROOT") {
        Some(root) => Path::new(&root).join(".warren/runner"),
        None => build::static_runner().to_owned(),
    }
}
