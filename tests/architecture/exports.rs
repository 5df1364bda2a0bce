//! The worker's public interface: only the names that outsiders use.

use std::collections::BTreeSet;

use super::files::{self, File};
use super::rust::items::public;
use super::rust::modules::Modules;
use super::rust::tokens::tokens;

/// Names in the signatures of others, which need not be written outside to be used there.
const IN_SIGNATURES: [&str; 2] = ["Error", "Result"];

/// Returns the names that the crate in `folder` makes public and no other file that names the crate
/// uses.
fn unused_exports(folder: &str, files: &[File]) -> Vec<String> {
    let name = format!("warren_{folder}");
    let within = format!("{folder}/");
    let mut used = BTreeSet::new();
    for file in files.iter().filter(|file| !file.path.starts_with(&within)) {
        let tokens = tokens(&file.text);
        if tokens.contains(&name) {
            used.extend(tokens);
        }
    }
    let modules = Modules::of(folder, files);
    let mut open = vec![Vec::new()];
    let mut exported = BTreeSet::new();
    while let Some(path) = open.pop() {
        for module in modules.0.get(&path).into_iter().flatten() {
            for name in public(&module.tokens) {
                open.push([path.clone(), vec![name.clone()]].concat());
                exported.insert(name);
            }
        }
    }
    assert!(
        !exported.is_empty(),
        "{folder} exports something, or this sees nothing"
    );
    exported
        .into_iter()
        .filter(|name| !used.contains(name) && !IN_SIGNATURES.contains(&name.as_str()))
        .collect()
}

#[test]
fn the_worker_exports_what_outsiders_use() {
    let unused = unused_exports("worker", &files::rust());
    assert!(
        unused.is_empty(),
        "no outsider uses {unused:?}; make it private"
    );
}

#[test]
fn an_export_that_nobody_uses_is_found() {
    let files = [
        File::new("x/src/lib.rs", "pub mod a; mod b; pub use b::{C, D};"),
        File::new("x/src/a.rs", "pub struct E; pub struct F; struct G;"),
        File::new("x/src/b.rs", "pub struct C; pub struct D; pub struct H;"),
        File::new("src/main.rs", "use warren_x::a::E; fn f(c: warren_x::C) {}"),
        File::new("src/other.rs", "struct F;"),
    ];
    assert_eq!(unused_exports("x", &files), ["D", "F"]);
}
