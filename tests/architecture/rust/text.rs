//! Separates the code of a Rust file from its comments.

/// A Rust file, taken apart.
pub struct Separated {
    /// The code, without comments and without the content of literals.
    pub code: String,
    /// The text of each comment and the number of its line, from 1.
    pub comments: Vec<(usize, String)>,
}

/// Separates code from comments; literals are emptied, so that nothing in them passes for code.
pub fn separate(source: &str) -> Separated {
    let chars: Vec<char> = source.chars().collect();
    let mut separated = Separated {
        code: String::new(),
        comments: Vec::new(),
    };
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        let end = match chars[at..] {
            ['/', '/', ..] => {
                let end = line_end(&chars, at);
                let text = chars[at..end].iter().collect();
                separated.comments.push((line, text));
                end
            }
            ['/', '*', ..] => {
                let end = block_end(&chars, at);
                let text: String = chars[at..end].iter().collect();
                let lines = text.lines().enumerate();
                separated
                    .comments
                    .extend(lines.map(|(index, text)| (line + index, text.to_owned())));
                end
            }
            ['"', ..] => {
                separated.code.push_str("\"\"");
                string_end(&chars, at)
            }
            ['r', '"' | '#', ..] if !follows_a_word(&chars, at) => {
                match raw_string_end(&chars, at) {
                    Some(end) => {
                        separated.code.push_str("\"\"");
                        end
                    }
                    None => {
                        separated.code.push('r');
                        at + 1
                    }
                }
            }
            ['\'', '\\', ..] => {
                separated.code.push_str("''");
                char_end(&chars, at + 2)
            }
            ['\'', _, '\'', ..] => {
                separated.code.push_str("''");
                at + 3
            }
            _ => {
                separated.code.push(chars[at]);
                at + 1
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    separated
}

/// Returns true where `r` ends an identifier, as in `for"`, or follows `b`, as in `br"`.
fn follows_a_word(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| chars[before]);
    before.is_some_and(|c| c != 'b' && (c.is_alphanumeric() || c == '_'))
}

fn line_end(chars: &[char], from: usize) -> usize {
    let length = chars[from..].iter().position(|c| *c == '\n');
    length.map_or(chars.len(), |length| from + length)
}

fn block_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let opens = from + 1 + hashes;
    if chars.get(opens) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        chars[*at] == '"'
            && chars[at + 1..].len() >= hashes
            && chars[at + 1..=at + hashes].iter().all(|c| *c == '#')
    };
    let end = (opens + 1..chars.len()).find(closes);
    Some(end.map_or(chars.len(), |end| end + 1 + hashes))
}

fn char_end(chars: &[char], escaped: usize) -> usize {
    let length = chars[escaped + 1..].iter().position(|c| *c == '\'');
    length.map_or(chars.len(), |length| escaped + 1 + length + 1)
}

#[test]
fn comments_and_literals_are_no_code() {
    let source = r##"
use a::b; // use c::d
/* use e /* f */ ::g */ fn h<'x>(i: &'x str) { "use j \" k"; r#"use "l"#; '"'; '\''; m }
"##;
    let separated = separate(source);
    let code: String = separated.code.split_whitespace().collect();
    assert_eq!(code, r#"usea::b;fnh<'x>(i:&'xstr){"";"";'';'';m}"#);
    assert_eq!(separated.comments[0], (2, "// use c::d".to_owned()));
    assert_eq!(
        separated.comments[1],
        (3, "/* use e /* f */ ::g */".to_owned())
    );
}
