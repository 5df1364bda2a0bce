//! The programs of `tests/corpus`.

use std::path::{Path, PathBuf};

/// Returns the programs of a folder with that extension, in the order of their names. If the
/// environment variable named by `narrowed_by` is set, only those whose path contains its value.
pub(crate) fn programs(folder: &str, extension: &str, narrowed_by: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/corpus")
        .join(folder);
    let only = std::env::var(narrowed_by).unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    paths.sort();
    paths
}
