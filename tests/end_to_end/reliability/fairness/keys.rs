//! API keys, made as an operator makes them.

use std::io::Write;
use std::ops::Index;
use std::process::Command;

use tempfile::NamedTempFile;

/// Keys and the file that lists them.
pub struct Keys {
    keys: Vec<String>,
    file: NamedTempFile,
}

impl Keys {
    /// Makes a key of each name.
    pub fn new(names: &[&str]) -> Self {
        let mut file = NamedTempFile::new().expect("a file");
        let mut keys = Vec::new();
        for name in names {
            let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
            let made = command.args(["key", "new", name]).env_clear().output();
            let made = made.expect("warren starts");
            file.write_all(&made.stdout).expect("it is written");
            let shown = String::from_utf8(made.stderr).expect("text");
            let mut words = shown.split_whitespace();
            let key = words.find(|word| word.starts_with("wk_"));
            keys.push(key.expect("the key is shown").to_owned());
        }
        Self { keys, file }
    }

    /// Returns the path of the file.
    pub fn file(&self) -> &str {
        self.file.path().to_str().expect("a path")
    }
}

impl Index<usize> for Keys {
    type Output = str;

    fn index(&self, place: usize) -> &str {
        &self.keys[place]
    }
}
