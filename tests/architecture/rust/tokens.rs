//! The tokens of Rust code, without those that are compiled in tests alone.

use super::text::separate;

/// A word, a `::`, or one other character.
pub type Token = String;

/// Returns the tokens of a file; items below `#[cfg(test)]` are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    without_tests(all_tokens(source))
}

/// Returns the names of modules that a file declares below `#[cfg(test)]`, in files of their own.
pub fn test_modules(source: &str) -> Vec<String> {
    let tokens = all_tokens(source);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if let Some(item) = test_item(&tokens, at) {
            let declared = tokens[item..].iter().position(|token| token == "mod");
            if let Some(mod_at) = declared
                && let [_, name, semicolon, ..] = &tokens[item + mod_at..]
                && semicolon == ";"
            {
                found.push(name.clone());
            }
        }
    }
    found
}

/// Returns true for identifiers and keywords.
pub fn is_word(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Returns the index just behind the bracket that closes the one at `open`.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

fn all_tokens(source: &str) -> Vec<Token> {
    let code: Vec<char> = separate(source).code.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let word = |c: &&char| c.is_alphanumeric() || **c == '_';
        let length = match code[at] {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => code[at..].iter().take_while(word).count(),
            ':' if code.get(at + 1) == Some(&':') => 2,
            _ => 1,
        };
        tokens.push(code[at..at + length].iter().collect());
        at += length;
    }
    tokens
}

fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(item) = test_item(&tokens, at) {
            at = item_end(&tokens, item);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the beginning of the item whose `#[cfg(test)]` is at `at`.
fn test_item(tokens: &[Token], at: usize) -> Option<usize> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let found = tokens.len() >= at + attribute.len()
        && attribute.iter().zip(&tokens[at..]).all(|(a, b)| a == b);
    if !found {
        return None;
    }
    let mut item = at + attribute.len();
    while tokens.get(item).is_some_and(|token| token == "#") {
        item = closing(tokens, item + 1);
    }
    Some(item)
}

/// Returns the index just behind the item that begins at `from`: behind its `;` or its block.
fn item_end(tokens: &[Token], from: usize) -> usize {
    const ITEMS: [&str; 11] = [
        "async", "const", "enum", "fn", "impl", "mod", "static", "struct", "trait", "type", "use",
    ];
    let mut at = from;
    if tokens.get(at).is_some_and(|token| token == "pub") {
        at += 1;
        if tokens.get(at).is_some_and(|token| token == "(") {
            at = closing(tokens, at);
        }
    }
    let is_field = !tokens
        .get(at)
        .is_some_and(|token| ITEMS.contains(&token.as_str()));
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "," if is_field => return at + 1,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[test]
fn tests_are_left_out() {
    let source = "use a; #[cfg(test)] #[path = \"b\"] mod b; mod c { #[cfg(test)] mod d { e } } f
        #[cfg(test)] pub(crate) fn g<H, I>(j: H) -> I { k } l { #[cfg(test)] m: n, o }";
    assert_eq!(tokens(source).join(" "), "use a ; mod c { } f l { o }");
    assert_eq!(test_modules(source), ["b"]);
}
