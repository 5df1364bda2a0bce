//! Builds the static runner that the worker puts into every container, so that `warren` is one
//! binary: a nested cargo, since cargo has no stable way to depend on another crate's binary for
//! another set of flags.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    for path in ["runner/src", "runner/Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }

    // A folder of its own: the outer cargo holds the lock of the usual one.
    let target_dir = PathBuf::from(variable("OUT_DIR")).join("runner");
    let target = variable("TARGET");
    let status = Command::new(variable("CARGO"))
        .current_dir(&root)
        .args(["build", "--release", "--package", "warren-runner", "--bin", "warren-runner"])
        .args(["--target", &target])
        .arg("--target-dir")
        .arg(&target_dir)
        // Static, so that it runs in any image; small and without unwinding, since it is PID 1.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        // What the outer build was given (clippy's wrapper, say) is not for this one.
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            panic!("building the static runner failed ({status}); its compiler's words are above")
        }
        Err(error) => panic!("cargo could not be started to build the static runner: {error}"),
    }
    let runner = target_dir
        .join(&target)
        .join("release")
        .join("warren-runner");
    println!("cargo::rustc-env=WARREN_RUNNER_BINARY={}", runner.display());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name} for build scripts: {error}"))
}
