//! The length of each Rust file.

use super::files;

/// The most lines that a file may have.
const MOST_LINES: usize = 400;

#[test]
fn no_file_is_long() {
    let long: Vec<_> = files::rust()
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
