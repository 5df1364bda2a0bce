//! Headlines: the first sentence of each Rust file.

use super::files::{self, File};

/// Openings that make a reader wait for the subject.
const NO_OPENINGS: [&str; 6] = ["What", "Who", "How", "That", "Where", "Whether"];
const MOST_WORDS: usize = 15;

/// Returns the fault of `file`'s headline, if it has one.
fn fault(file: &File) -> Option<String> {
    let lines: Vec<_> = file
        .text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let paragraph = lines.join(" ");
    let words: Vec<_> = paragraph.split_whitespace().collect();
    let ends = |word: &&str| word.ends_with(['.', '!', '?']);
    let length = words
        .iter()
        .position(ends)
        .map_or(words.len(), |last| last + 1);
    let Some(first) = words.first() else {
        return Some("there is none".to_owned());
    };
    let first = first.trim_end_matches(|c: char| !c.is_alphanumeric());
    if NO_OPENINGS.contains(&first) {
        return Some(format!("it opens with “{first}”"));
    }
    (length > MOST_WORDS).then(|| format!("its first sentence has {length} words"))
}

#[test]
fn every_file_has_a_short_headline() {
    let faults: Vec<_> = files::rust()
        .iter()
        .filter_map(|file| Some(format!("{}: {}", file.path, fault(file)?)))
        .collect();
    assert!(
        faults.is_empty(),
        "a headline is a noun phrase or begins with a verb, and has at most {MOST_WORDS} words:\n{}",
        faults.join("\n")
    );
}

#[test]
fn bad_headlines_are_faults() {
    let fault_of = |text: &str| fault(&File::new("a.rs", text));
    let sixteen = "//! A b c d e f g h\n//! i j k l m n o p.\n";
    for bad in [
        "",
        "use a;\n//! A headline that comes late.\n",
        "//!\n//! A headline behind an empty line.\n",
        "//! What a reader waits for.\n",
        "//! That, told to every API.\n",
        sixteen,
    ] {
        assert!(fault_of(bad).is_some(), "{bad}");
    }
    for good in [
        "//! Whatever begins like one of the words.\n",
        "//! Publishes events. What follows may be as long as it needs to be, and open as it likes.\n",
        "//! A headline\n//!\n//! and its text, which may be as long as it needs to be, for all we care.\n",
        &sixteen.replacen("b ", "", 1),
    ] {
        assert_eq!(fault_of(good), None, "{good}");
    }
}
