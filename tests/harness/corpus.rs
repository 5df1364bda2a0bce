//! The programs under `tests/corpus`, each named for what it does.

use std::fs;
use std::path::PathBuf;

/// Returns a fixture's source, by its path below `tests/corpus`.
pub fn source(path: &str) -> String {
    let file = path_of(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns the path of a fixture.
pub fn path_of(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(path)
}

/// Returns the language of a fixture, by its extension.
pub fn language(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("py") => "python",
        Some("js") => "javascript",
        _ => panic!("{path} has no language's ending"),
    }
}
