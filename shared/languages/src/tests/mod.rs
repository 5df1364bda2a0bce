//! Tests of the languages.

mod file;
mod hostile;
mod javascript;
mod own_forms;
mod own_names;
mod parking;
mod pattern;
mod properties;
mod python;

use crate::Languages;

/// Marks in a test's code where a violation is expected. It is not part of the code itself.
const MARK: char = '¦';

/// Asserts that a program is refused for that rule at each mark, and for nothing else.
#[track_caller]
fn refused(language: &str, rule: &str, marked: &str) {
    let (code, places) = unmarked(marked);
    assert!(!places.is_empty(), "no mark in {marked:?}");
    let expected: Vec<_> = places
        .into_iter()
        .map(|(line, column)| (rule.to_owned(), line, column))
        .collect();
    assert_eq!(found(language, &code), expected, "in {marked:?}");
}

/// Asserts that a program is accepted.
#[track_caller]
fn accepted(language: &str, code: &str) {
    assert_eq!(found(language, code), [], "in {code:?}");
}

/// Returns each violation's rule, line and column.
fn found(language: &str, code: &str) -> Vec<(String, usize, usize)> {
    Languages::embedded()
        .get(language)
        .unwrap()
        .check(code)
        .into_iter()
        .map(|violation| (violation.rule, violation.line, violation.column))
        .collect()
}

/// Returns the code without its marks, and the line and column of each.
fn unmarked(marked: &str) -> (String, Vec<(usize, usize)>) {
    let mut code = String::new();
    let mut places = Vec::new();
    for part in marked.split_inclusive(MARK) {
        code.push_str(part.trim_end_matches(MARK));
        if part.ends_with(MARK) {
            let lines = code.replace("\r\n", "\n").replace('\r', "\n");
            let line = lines.matches('\n').count() + 1;
            let column = lines.chars().rev().take_while(|c| *c != '\n').count() + 1;
            places.push((line, column));
        }
    }
    (code, places)
}
