//! The root file systems of the tests on the native engine, made once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::images;

/// Their directory, which outlives a run: what is up to date is not made again.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-roots");

/// Returns the variables by which a worker finds them. Makes them first, if they are missing.
pub fn variables() -> BTreeMap<String, String> {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(make);
    BTreeMap::from([("WARREN_ROOTFS_DIR".to_owned(), DIRECTORY.to_owned())])
}

fn make() {
    std::fs::create_dir_all(DIRECTORY).expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_warren"))
        .args(["rootfs", "import"])
        .current_dir(Path::new(DIRECTORY))
        .env_clear()
        .envs(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
        .envs(images::variables())
        .env("WARREN_ROOTFS_DIR", DIRECTORY)
        .output()
        .expect("warren rootfs starts");
    assert!(
        output.status.success(),
        "cannot make the roots of the native engine: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
