//! Facts: sorted keys with their values.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

/// The most bytes of one value: those of a host's file may be of any length.
const MAX_VALUE: usize = 400;

/// The facts read so far.
#[derive(Default)]
pub(super) struct FactSheet(BTreeMap<String, String>);

impl FactSheet {
    /// Records a fact. White space, line breaks included, becomes single spaces.
    pub(super) fn add(&mut self, key: impl Into<String>, value: impl fmt::Display) {
        let value = value.to_string();
        let words: Vec<&str> = value.split_whitespace().collect();
        let mut value = words.join(" ");
        if value.len() > MAX_VALUE {
            let end = (0..=MAX_VALUE).rfind(|at| value.is_char_boundary(*at));
            value.truncate(end.unwrap_or(0));
        }
        self.0.insert(key.into(), value);
    }

    /// Records the content of a file; without it, the error's name.
    pub(super) fn add_file(&mut self, key: impl Into<String>, path: &str) {
        self.add(key, content(path));
    }

    pub(super) fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

impl fmt::Display for FactSheet {
    /// Formats one line a fact. An empty value is shown as `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.0 {
            let value = if value.is_empty() { "-" } else { value };
            writeln!(f, "{key} = {value}")?;
        }
        Ok(())
    }
}

/// Returns the content of a file; without it, `unreadable`.
pub(super) fn content(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| "unreadable".to_owned())
}

/// Returns the value of a field of a `/proc` file of `Name: value` lines.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_one_line_whatever_its_value_holds() {
        let mut facts = FactSheet::default();
        facts.add("b", "one\ntwo\t three\n");
        facts.add("a", "");
        facts.add("c", "é".repeat(MAX_VALUE));
        let text = facts.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["a = -", "b = one two three"]);
        assert_eq!((lines.len(), lines[2].len()), (3, "c = ".len() + MAX_VALUE));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "Seccomp_filters:\t3\nSeccomp:\t2\n";
        assert_eq!(field(status, "Seccomp"), Some("2"));
        assert_eq!(field(status, "Seccomp_filters"), Some("3"));
        assert_eq!(field(status, "Filters"), None);
    }
}
