//! Reads the repository's files.

use std::path::{Path, PathBuf};

/// Folders that hold no sources: builds and Git create them.
const NOT_SOURCE: [&str; 3] = ["target", ".git", "node_modules"];

/// A text file of the repository.
pub struct File {
    /// Path from the repository's root, with `/` on every platform.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Returns true for code that runs in tests alone.
    pub fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }
}

/// Returns the repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads every file below `folder` whose name ends in one of `extensions`, sorted by path.
pub fn below(folder: &str, extensions: &[&str]) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root.join(folder), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} holds files, or this sees none");
    found
}

/// Reads every Rust file of the repository.
pub fn rust() -> Vec<File> {
    below("", &["rs"])
}

fn collect(root: &Path, folder: &Path, extensions: &[&str], found: &mut Vec<File>) {
    for entry in folder.read_dir().expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if path.is_dir() {
            if !NOT_SOURCE.map(Some).contains(&name) {
                collect(root, &path, extensions, found);
            }
        } else if extensions
            .iter()
            .any(|extension| path.extension().is_some_and(|own| own == *extension))
        {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(root).expect("it is below the root");
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            found.push(File {
                path: parts.join("/"),
                text,
            });
        }
    }
}

/// Returns the folders of the workspace's crates, from the root; the root's own is empty.
pub fn crate_folders() -> Vec<String> {
    below("", &["toml"])
        .into_iter()
        .filter_map(|file| {
            let folder = file.path.strip_suffix("Cargo.toml")?.trim_end_matches('/');
            Some(folder.to_owned())
        })
        .collect()
}
