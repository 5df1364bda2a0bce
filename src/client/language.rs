//! Which language a file is in.

use std::path::Path;

use anyhow::Context;
use warren_languages::Languages;

/// The language whose source files end like `file`.
///
/// # Errors
/// No known language's do.
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
            "the language of {} is not clear; name it with --language",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_the_language() {
        assert_eq!(guess(Path::new("a/b.py")).unwrap(), "python");
        assert_eq!(guess(Path::new("x.js")).unwrap(), "javascript");
        for unclear in ["x", "x.", "x.exe", "py"] {
            assert!(guess(Path::new(unclear)).is_err(), "{unclear}");
        }
    }
}
