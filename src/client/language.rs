//! Guesses a file's language.

use std::path::Path;

use anyhow::Context;
use warren_languages::Languages;

/// Returns the language whose source files have the extension of `file`.
///
/// # Errors
/// No known language has that extension.
pub fn guess(file: &Path) -> anyhow::Result<String> {
    let ending = file
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let languages = Languages::embedded();
    let of_file_name = languages.iter().find(|language| {
        Path::new(language.file_name())
            .extension()
            .is_some_and(|own| own == ending)
    });
    let language = of_file_name.or_else(|| languages.get(ending).filter(|_| !ending.is_empty()));
    let name = language.map(|language| language.name().to_string());
    name.with_context(|| {
        format!(
            "cannot guess the language of {}; name it with --language",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_extensions_name_the_language() {
        assert_eq!(guess(Path::new("a/b.py")).unwrap(), "python");
        assert_eq!(guess(Path::new("x.js")).unwrap(), "javascript");
        for unclear in ["x", "x.", "x.exe", "py"] {
            assert!(guess(Path::new(unclear)).is_err(), "{unclear}");
        }
    }
}
