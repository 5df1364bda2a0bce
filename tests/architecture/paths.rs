//! Paths named in documents and comments: each exists.

use std::path::Path;

use super::files::{self, File};
use super::rust::text::separate;

/// The endings of a path to a file; a path to a folder ends in `/`.
const ENDINGS: [&str; 14] = [
    "conf", "css", "html", "js", "json", "lock", "md", "mjs", "py", "rs", "sh", "sql", "toml",
    "yml",
];

/// The history, which may name files that no longer exist.
const HISTORY: &str = "CHANGELOG.md";

/// Returns the paths in `text`: what stands between backticks and looks like a path in the
/// repository.
fn paths<'a>(text: &'a str, folders: &'a [String]) -> impl Iterator<Item = &'a str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter_map(move |span| {
        // A path may name a line, or an item in the file.
        let path = span.split(':').next()?;
        let (first, _) = path.split_once('/')?;
        let is_plain = path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let is_path = path.ends_with('/')
            || ENDINGS
                .iter()
                .any(|ending| path.rsplit_once('.').is_some_and(|(_, own)| own == *ending));
        (is_plain && is_path && folders.iter().any(|folder| folder == first)).then_some(path)
    })
}

/// Returns the targets of Markdown links to files, without anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("](").skip(1);
    behind.filter_map(|behind| {
        let target = behind.split_once(')')?.0.split('#').next()?;
        (!target.is_empty() && !target.contains(':') && !target.contains(' ')).then_some(target)
    })
}

/// Returns the paths that `file` names and for which `exists` returns false.
fn missing(file: &File, folders: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let (folder, _) = file.path.rsplit_once('/').unwrap_or(("", ""));
    let krate = file.path.split_once("/src/").map_or("", |(krate, _)| krate);
    let is_there = |base: &str, path: &str| exists(&format!("{base}/{path}"));
    let mut missing = Vec::new();
    let mut look = |line: usize, text: &str| {
        for path in paths(text, folders) {
            // `src/` is the crate's own as well as the root's.
            if !is_there("", path) && !is_there(krate, path) {
                missing.push(format!("{}:{line}: {path}", file.path));
            }
        }
    };
    if file.path.ends_with(".rs") {
        for (line, comment) in separate(&file.text).comments {
            look(line, &comment);
        }
        return missing;
    }
    for (index, line) in file.text.lines().enumerate() {
        look(index + 1, line);
    }
    for (index, line) in file.text.lines().enumerate() {
        for target in links(line).filter(|target| !is_there(folder, target)) {
            missing.push(format!("{}:{}: {target}", file.path, index + 1));
        }
    }
    missing
}

/// Returns the folders at the repository's root.
fn folders() -> Vec<String> {
    let entries = files::root().read_dir().expect("the root can be listed");
    entries
        .map(|entry| entry.expect("the root can be listed"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "target")
        .collect()
}

#[test]
fn every_path_in_backticks_exists() {
    let root = files::root();
    let folders = folders();
    let exists = |path: &str| root.join(Path::new(path.trim_start_matches('/'))).exists();
    let found: Vec<_> = files::below("", &["md", "rs"])
        .iter()
        .filter(|file| file.path != HISTORY)
        .flat_map(|file| missing(file, &folders, exists))
        .collect();
    assert!(
        found.is_empty(),
        "named, but missing:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let folders = ["docs", "api"].map(str::to_owned);
    let exists = |path: &str| ["/docs/a.md", "docs/a.md", "api/src/a.rs"].contains(&path);
    let document = File::new(
        "docs/b.md",
        "`docs/a.md`, `docs/c.md`, `docs/*.md`, `text/html`, `docs/c.md here`\n\
         `api/src/d.rs:12` `api/e/` `docs/x` [a](a.md#top) [f](f.md) [g](https://g/h.md) [i](#i)",
    );
    assert_eq!(
        missing(&document, &folders, exists),
        [
            "docs/b.md:1: docs/c.md",
            "docs/b.md:2: api/src/d.rs",
            "docs/b.md:2: api/e/",
            "docs/b.md:2: f.md"
        ]
    );
    let source = File::new(
        "api/src/j.rs",
        "// `docs/c.md`, `docs/a.md`\nconst K: &str = \"`docs/k.md`\"; // `api/l.rs`",
    );
    assert_eq!(
        missing(&source, &folders, exists),
        ["api/src/j.rs:1: docs/c.md", "api/src/j.rs:2: api/l.rs"]
    );
}
