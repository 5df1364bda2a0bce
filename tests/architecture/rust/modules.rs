//! The modules of a crate, by file.

use std::collections::BTreeMap;

use super::tokens::{Token, test_modules, tokens};
use crate::architecture::files::File;

/// A module's path from the crate's root: empty for `lib.rs` and `main.rs`.
pub type ModulePath = Vec<String>;

/// A module that has a file of its own.
pub struct Module {
    /// The file's path within `src/`.
    pub file: String,
    pub tokens: Vec<Token>,
}

/// Every module of a crate that is compiled into what ships.
pub struct Modules(pub BTreeMap<ModulePath, Vec<Module>>);

impl Modules {
    /// Reads the modules of the crate in `folder`; a root may be two files, `lib.rs` and `main.rs`.
    pub fn of(folder: &str, files: &[File]) -> Self {
        let prefix = format!("{folder}/src/");
        let prefix = prefix.trim_start_matches('/');
        let own: Vec<_> = files
            .iter()
            .filter(|file| !file.is_test())
            .filter_map(|file| Some((file.path.strip_prefix(prefix)?, &file.text)))
            .collect();
        let mut only_in_tests = Vec::new();
        for (file, text) in &own {
            for name in test_modules(text) {
                only_in_tests.push([module_path(file), vec![name]].concat());
            }
        }
        let mut modules: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (file, text) in own {
            let path = module_path(file);
            if !only_in_tests.iter().any(|test| path.starts_with(test)) {
                modules.entry(path).or_default().push(Module {
                    file: file.to_owned(),
                    tokens: tokens(text),
                });
            }
        }
        Self(modules)
    }

    pub fn contains(&self, path: &[String]) -> bool {
        self.0.contains_key(path)
    }

    /// Returns the module's name in reports: its file.
    pub fn name(&self, path: &[String]) -> String {
        self.0[path]
            .iter()
            .map(|module| module.file.as_str())
            .collect::<Vec<_>>()
            .join("+")
    }
}

fn module_path(file: &str) -> ModulePath {
    let mut parts: Vec<_> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if matches!(
        parts.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        parts.pop();
    }
    parts
}

#[test]
fn test_modules_are_no_modules_of_the_crate() {
    let files = [
        File::new("a/src/lib.rs", "mod b; #[cfg(test)] mod fixture;"),
        File::new("a/src/b/mod.rs", "mod c; #[cfg(test)] mod tests;"),
        File::new("a/src/b/c.rs", ""),
        File::new("a/src/b/tests.rs", ""),
        File::new("a/src/fixture/mod.rs", ""),
        File::new("other/src/lib.rs", ""),
    ];
    let modules = Modules::of("a", &files);
    let found: Vec<_> = modules.0.keys().map(|path| path.join("::")).collect();
    assert_eq!(found, ["", "b", "b::c"]);
}
