//! The types that a file defines.

use super::tokens::{Token, closing, is_word};

/// Returns the names of the structs, enums, unions, traits and type aliases that `tokens` define,
/// but for those within functions, implementations and traits.
pub fn types(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "struct" | "enum" | "union" | "trait" | "type" => {
                if let Some(name) = tokens.get(at + 1).filter(|name| is_word(name)) {
                    found.push(name.clone());
                }
                at += 1;
            }
            // A module's items are the file's; every other block hides its own.
            "mod" => {
                let opens = tokens[at..].iter().position(|t| t == "{" || t == ";");
                at += opens.unwrap_or(0) + 1;
            }
            "{" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    found
}

/// Returns the names of all items that `tokens` make public, modules included, at the file's own
/// level.
pub fn public(tokens: &[Token]) -> Vec<String> {
    const KINDS: [&str; 8] = [
        "const", "enum", "fn", "mod", "static", "struct", "trait", "type",
    ];
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "{" {
            at = closing(tokens, at);
            continue;
        }
        if let [public, kind, name, ..] = &tokens[at..]
            && public == "pub"
        {
            if KINDS.contains(&kind.as_str()) {
                found.push(name.clone());
            } else if kind == "use" {
                let end = tokens[at..].iter().position(|token| token == ";");
                let end = end.map_or(tokens.len(), |length| at + length);
                found.extend(last_segments(&tokens[at + 2..end]));
                at = end;
            }
        }
        at += 1;
    }
    found
}

/// Returns the names that a `use` brings in.
fn last_segments(tree: &[Token]) -> Vec<String> {
    let ends = |at: usize| {
        let next = tree.get(at + 1).map(String::as_str);
        is_word(&tree[at]) && matches!(next, None | Some("," | "}"))
    };
    (0..tree.len())
        .filter(|at| ends(*at))
        .map(|at| tree[at].clone())
        .collect()
}

#[test]
fn types_within_blocks_are_not_the_files() {
    let tokens = super::tokens::tokens(
        "pub struct A<T>(T); impl B for A { type C = D; } mod e { enum F { G } } mod h;
         fn i() { struct J; } pub trait K { type L; } type M = N;",
    );
    assert_eq!(types(&tokens), ["A", "F", "K", "M"]);
}

#[test]
fn public_items_are_read_with_re_exported_ones() {
    let tokens = super::tokens::tokens(
        "pub mod a; mod b; pub use b::{C, d::E as F}; pub(crate) use b::G; pub fn h() { pub use i; }
         impl J { pub fn k() {} } pub struct L;",
    );
    assert_eq!(public(&tokens), ["a", "C", "F", "h", "L"]);
}
