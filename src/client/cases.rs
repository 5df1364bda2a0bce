//! Reads `--cases`: a JSON file, or a directory of NAME.in and NAME.out.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use warren_protocol::limits::{MAX_BODY, MAX_TEST_CASES};

/// One of `testCases`, as it is sent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    #[serde(default)]
    input: String,
    expected_output: String,
}

/// Reads the test cases at `path`, those of a directory in the order of their names.
///
/// # Errors
/// They cannot be read, there are none, or too many. The error names the file and the place in it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Case>> {
    let shown = path.display();
    let cases = if path.is_dir() {
        of_directory(path)?
    } else {
        let text = text(path)?;
        serde_json::from_str(&text).with_context(|| {
            format!("{shown} is not a JSON array of {{\"input\", \"expectedOutput\"}}; correct it")
        })?
    };
    ensure!(!cases.is_empty(), "{shown} has no test cases; add some");
    ensure!(
        cases.len() <= MAX_TEST_CASES,
        "{shown} has {} test cases; at most {MAX_TEST_CASES} are allowed; split them over several runs",
        cases.len()
    );
    Ok(cases)
}

fn of_directory(directory: &Path) -> anyhow::Result<Vec<Case>> {
    let shown = directory.display();
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {shown}"))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|e| e.path())).collect();
    let mut paths = paths.with_context(|| format!("cannot read {shown}"))?;
    paths.sort();
    let ends_in = |path: &Path, ending: &str| path.extension() == Some(OsStr::new(ending));
    if let Some(input) = paths
        .iter()
        .find(|path| ends_in(path, "in") && !path.with_extension("out").is_file())
    {
        bail!(
            "{} has no {} beside it; add the expected output",
            input.display(),
            input.with_extension("out").display()
        );
    }
    let outputs = paths.iter().filter(|path| ends_in(path, "out"));
    let cases = outputs.map(|output| {
        let input = output.with_extension("in");
        Ok(Case {
            // A program that reads nothing needs no input.
            input: if input.is_file() {
                text(&input)?
            } else {
                String::new()
            },
            expected_output: text(output)?,
        })
    });
    cases.collect()
}

fn text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut text = Vec::new();
    file.take(MAX_BODY.get() + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        text.len() <= MAX_BODY.as_len(),
        "{shown} is larger than the {} bytes that are allowed; shorten it",
        MAX_BODY.get()
    );
    String::from_utf8(text)
        .ok()
        .with_context(|| format!("{shown} is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(input: &str, expected: &str) -> Case {
        Case {
            input: input.into(),
            expected_output: expected.into(),
        }
    }

    #[test]
    fn a_directory_holds_pairs_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("2.in", "b");
        write("2.out", "B");
        write("1.out", "A");
        write("README", "no case");
        assert_eq!(
            read(directory.path()).unwrap(),
            [case("", "A"), case("b", "B")]
        );
        write("3.in", "c");
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("3.in has no") && error.contains("3.out"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_file_is_reported_with_the_place_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cases.json");
        fs::write(&file, r#"[{"input":"1","expectedOutput":"2"}]"#).unwrap();
        assert_eq!(read(&file).unwrap(), [case("1", "2")]);
        for (wrong, place) in [
            ("[\n{\"input\":\"1\"}]", "line 2"),
            ("[{\"inputs\":\"1\"}]", "inputs"),
            ("[", "line 1"),
            ("[]", "no test cases"),
        ] {
            fs::write(&file, wrong).unwrap();
            let error = format!("{:#}", read(&file).unwrap_err());
            assert!(
                error.contains(place) && error.contains("cases.json"),
                "{error}"
            );
        }
        let many = vec![r#"{"expectedOutput":""}"#; 51].join(",");
        fs::write(&file, format!("[{many}]")).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("at most 50"));
        let absent = read(&directory.path().join("absent.json")).unwrap_err();
        assert!(absent.to_string().contains("absent.json"));
    }
}
