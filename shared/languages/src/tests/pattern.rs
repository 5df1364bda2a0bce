//! Rules that are regular expressions, which an operator may add.

use crate::Languages;

fn check(syntax: &str, pattern: &str, code: &str) -> Vec<(usize, usize)> {
    let file = format!(
        "[[language]]\nname = \"x\"\nfile_name = \"x\"\ncommand = [\"x\", \"x\"]\nimage = \"x:1\"\n\
         syntax = \"{syntax}\"\n[[language.forbidden]]\nid = \"x\"\nmessage = \"x\"\npattern = '''{pattern}'''"
    );
    let languages = Languages::from_toml(&file).unwrap();
    languages
        .get("x")
        .unwrap()
        .check(code)
        .into_iter()
        .map(|violation| (violation.line, violation.column))
        .collect()
}

#[test]
fn without_a_syntax_all_of_the_code_is_searched() {
    assert_eq!(
        check("none", "io", "io 'io' # io"),
        [(1, 1), (1, 5), (1, 11)]
    );
}

#[test]
fn with_a_syntax_comments_and_strings_are_not_searched() {
    let python = "io 'io' # io\nf'io {io:io}' rb\"\"\"io\n\"\"\" + io";
    assert_eq!(check("python", "io", python), [(1, 1), (2, 7), (3, 7)]);
    let javascript = "io 'io' // io\n`io ${io} io` + /io/ /* io\n*/ + io";
    assert_eq!(
        check("javascript", "io", javascript),
        [(1, 1), (2, 7), (3, 6)]
    );
}

#[test]
fn quotes_and_line_ends_stay_for_patterns_to_see() {
    for line_end in ["\n", "\r\n", "\r"] {
        let code = format!("x{line_end}'abc'{line_end}");
        assert_eq!(check("python", "^'   '$", &code), [(2, 1)], "{code:?}");
    }
    assert_eq!(check("python", r"^x('')$", "x''\nx'a'"), [(1, 2)]);
}

#[test]
fn the_reported_place_is_that_of_the_first_group() {
    assert_eq!(
        check("none", r"(?:^|[^.\w])(go)\(", "go(a.go(ago(go(x)))"),
        [(1, 1), (1, 13)]
    );
}
