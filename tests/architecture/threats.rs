//! Holds the threat model's tables to the tests that they name.

use std::collections::BTreeSet;

use regex::Regex;

use super::files::root;

/// Returns the last cells of all tables' rows.
fn shown_by(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| to "));
    rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next())
        .collect()
}

#[test]
fn every_threat_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/THREAT-MODEL.md")).expect("a document");
    let name = Regex::new("`([^`]+)`").expect("a pattern");
    let cells = shown_by(&text);
    assert!(cells.len() > 30, "{} rows", cells.len());
    let mut missing = BTreeSet::new();
    for cell in cells {
        let mut names = name
            .captures_iter(cell)
            .map(|found| found[1].to_owned())
            .peekable();
        assert!(names.peek().is_some(), "no test: {cell}");
        missing.extend(names.filter(|name| !exists(name)));
    }
    assert!(
        missing.is_empty(),
        "the threat model names what is not there: {missing:?}"
    );
}

/// Returns whether a module of the test binary, a hostile program, or a file with tests has that name.
fn exists(name: &str) -> bool {
    let module = format!("tests/{}", name.replace("::", "/"));
    if [format!("{module}.rs"), format!("{module}/mod.rs")]
        .iter()
        .any(|path| root().join(path).is_file())
    {
        return true;
    }
    if !name.contains('/') {
        return root().join("tests/corpus/hostile").join(name).is_file();
    }
    // Unit tests are in the file itself or in the folder of the same name.
    let path = root().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    text.contains("#[test]")
        || text.contains("#[tokio::test")
        || path.with_extension("").join("tests.rs").is_file()
}
