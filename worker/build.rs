//! Builds the static runner that the worker puts into every container, so that `warren` is one
//! binary: a nested cargo, since cargo has no stable way to depend on another crate's binary for
//! another set of flags.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    for path in ["runner/src", "runner/Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }

    // A folder of its own, since the outer cargo holds the lock of the usual one; and one for all
    // profiles, since the runner is the same in each: OUT_DIR is TARGET/PROFILE/build/NAME/out.
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let target_dir = out_dir
        .ancestors()
        .nth(4)
        .unwrap_or(&out_dir)
        .join("runner");
    let target = env::var("TARGET")?;
    let status = Command::new(env::var("CARGO")?)
        .current_dir(&root)
        .args(["build", "--release", "--locked"])
        .args(["--package", "warren-runner", "--bin", "warren-runner"])
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
        .status()?;
    if !status.success() {
        return Err(format!("building the static runner failed ({status}); see above").into());
    }
    let runner = target_dir
        .join(&target)
        .join("release")
        .join("warren-runner");
    // A copy, which no build of another profile replaces while this one reads it.
    let copy = out_dir.join("warren-runner");
    fs::copy(&runner, &copy)
        .map_err(|error| format!("cannot copy {}: {error}", runner.display()))?;
    println!("cargo::rustc-env=WARREN_RUNNER_BINARY={}", copy.display());
    Ok(())
}
