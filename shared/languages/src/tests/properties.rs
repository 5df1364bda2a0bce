//! Properties that hold for every text, program or not.

use proptest::prelude::*;

use crate::lexer::lex;
use crate::mask::mask;
use crate::rules::MAX_VIOLATIONS;
use crate::syntax::Syntax;
use crate::{Language, Languages};

use super::found;

/// Texts made of what the lexers have decisions about.
fn snippets() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "eval(",
        "require(",
        "'fs'",
        "process",
        ".exit",
        "[",
        "]",
        "'exit'",
        "(",
        ")",
        "{",
        "}",
        "${",
        "`",
        "'",
        "\"",
        "'''",
        "\"\"\"",
        "f'",
        "f\"\"\"",
        "rb'",
        "\\",
        "\\\n",
        "\\u{",
        "\\x",
        "/",
        "//",
        "/*",
        "*/",
        "#",
        "#!",
        "\n",
        "\r",
        "\r\n",
        " ",
        "\t",
        "import ",
        "from ",
        "os",
        "open(",
        "as ",
        ",",
        ";",
        ":",
        "?",
        "?.",
        "...",
        "=>",
        "=",
        "++",
        "function ",
        "class ",
        "async ",
        "if",
        "return ",
        "1",
        ".",
        "0x",
        "é",
        "ｏ",
        "𝐨",
        "\u{2028}",
        "\u{feff}",
        "{{",
        "}}",
        "!r",
        "$",
        "<!--",
        "-->",
        "extends ",
        "lambda ",
        "def ",
        "\\N{",
        "a",
        "eval",
        "open",
        "eval=>",
        "let ",
        "const {",
        "var ",
        "for (",
        "for ",
        " of ",
        " in ",
        "catch (",
        "def open(",
        "def f(open",
        "class open:",
        "global open",
        "nonlocal ",
        "case ",
        "match x:\n ",
        ":=",
        "==",
        "*",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

fn languages() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["javascript", "python"])
}

/// Asserts that every violation is at a character of the code.
fn assert_places_are_in(language: &Language, code: &str) {
    let text = code.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    let violations = language.check(code);
    assert!(violations.len() <= MAX_VIOLATIONS);
    assert!(violations.is_sorted_by_key(|v| (v.line, v.column)));
    for violation in violations {
        let width = lines[violation.line - 1];
        assert!(
            (1..=width).contains(&violation.column),
            "{violation:?} in {code:?}"
        );
    }
}

/// Asserts that tokens are in order, do not overlap, and have the places that they claim. The mask
/// must have the code's length and its lines.
fn assert_tokens_fit(syntax: Syntax, code: &str) {
    let tokens = lex(syntax, code);
    let mut at = 0;
    for token in &tokens {
        assert!(
            at <= token.start && token.start < token.end,
            "{token:?} in {code:?}"
        );
        assert!(code.get(token.span()).is_some(), "{token:?} in {code:?}");
        at = token.end;
    }
    assert!(at <= code.len());
    let masked = mask(code, &tokens);
    assert_eq!(masked.len(), code.len(), "{code:?}");
    let line_ends = |text: &str| -> Vec<_> {
        text.match_indices(['\n', '\r'])
            .map(|(i, end)| (i, end.to_owned()))
            .collect()
    };
    assert_eq!(line_ends(&masked), line_ends(code), "{code:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_checked(code in any::<String>(), language in languages()) {
        assert_places_are_in(Languages::embedded().get(language).unwrap(), &code);
    }

    #[test]
    fn any_pieces_are_checked(code in snippets(), language in languages()) {
        assert_places_are_in(Languages::embedded().get(language).unwrap(), &code);
    }

    #[test]
    fn tokens_and_mask_fit_the_code(code in snippets()) {
        assert_tokens_fit(Syntax::Javascript, &code);
        assert_tokens_fit(Syntax::Python, &code);
    }

    #[test]
    fn tokens_and_mask_fit_any_text(code in any::<String>()) {
        assert_tokens_fit(Syntax::Javascript, &code);
        assert_tokens_fit(Syntax::Python, &code);
    }

    #[test]
    fn comments_and_strings_never_violate(text in snippets()) {
        let line = text.replace(['\n', '\r', '\u{2028}', '\u{2029}'], " ");
        prop_assert_eq!(found("javascript", &format!("// {line}\nx")), []);
        prop_assert_eq!(found("javascript", &format!("/* {} */ x", text.replace('*', ""))), []);
        prop_assert_eq!(found("python", &format!("# {line}\nx")), []);
        let plain = line.replace(['\\', '\'', '"', '`'], "");
        prop_assert_eq!(found("javascript", &format!("x = '{plain}'")), []);
        prop_assert_eq!(found("javascript", &format!("x = `{}`", plain.replace('$', ""))), []);
        prop_assert_eq!(found("javascript", &format!("f(/[{}]/)", plain.replace(']', ""))), []);
        prop_assert_eq!(found("python", &format!("x = '{plain}'")), []);
        prop_assert_eq!(found("python", &format!("x = b\"\"\"{plain}\n\"\"\"")), []);
        prop_assert_eq!(found("python", &format!("x = f'{}'", plain.replace(['{', '}'], ""))), []);
    }

    #[test]
    fn code_after_a_comment_or_string_is_code(text in snippets()) {
        let plain = text.replace(['\n', '\r', '\u{2028}', '\u{2029}', '\\', '\'', '"', '`'], "");
        for before in [format!("// {plain}\n"), format!("'{plain}';\n"), format!("x = `{}`;\n", plain.replace('$', ""))] {
            let found = found("javascript", &format!("{before}eval(1)"));
            prop_assert_eq!(found, [("js-eval".to_owned(), 2, 1)]);
        }
        for before in [format!("# {plain}\n"), format!("'{plain}'\n"), format!("f'{}'\n", plain.replace(['{', '}'], ""))] {
            let found = found("python", &format!("{before}exec(1)"));
            prop_assert_eq!(found, [("py-exec".to_owned(), 2, 1)]);
        }
    }
}
