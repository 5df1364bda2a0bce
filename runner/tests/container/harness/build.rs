//! The static runner, as it goes into images: built once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of the static binary.
pub(crate) fn static_runner() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

fn build() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // Its own directory: cargo may hold the lock on the one that these tests were built in.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--bin", "warren-runner"])
        .args(["--package", "warren-runner", "--target", &target])
        .arg("--target-dir")
        .arg(&directory)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "the static runner does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    directory.join(target).join("release/warren-runner")
}
