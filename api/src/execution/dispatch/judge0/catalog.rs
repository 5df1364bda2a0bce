//! Catalogue of the languages and limits of a Judge0.

use serde::Deserialize;
use serde_json::{Value, json};
use warren_languages::LanguageName;
use warren_protocol::limits::Limits;

/// The oldest major version that counts as the language: Python 2 is another one.
const OLDEST: [(&str, u32); 1] = [("python", 3)];

/// The languages and limits of a Judge0.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    pub(super) languages: Vec<LanguageEntry>,
    pub(super) allows: Allows,
}

/// An entry of `GET /languages`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct LanguageEntry {
    pub(super) id: u32,
    /// The name, such as `Python (3.8.1)` or `JavaScript (Node.js 12.14.0)`.
    pub(super) name: String,
}

/// The needed part of `GET /config_info`; times in seconds, sizes in kilobytes. A value that an
/// older Judge0 does not report is Judge0's default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Allows {
    max_cpu_time_limit: f64,
    max_wall_time_limit: f64,
    max_memory_limit: u64,
    max_max_processes_and_or_threads: u64,
    max_max_file_size: u64,
    pub(super) enable_batched_submissions: bool,
    max_submission_batch_size: usize,
}

impl Default for Allows {
    fn default() -> Self {
        Self {
            max_cpu_time_limit: 15.0,
            max_wall_time_limit: 20.0,
            max_memory_limit: 512_000,
            max_max_processes_and_or_threads: 120,
            max_max_file_size: 4096,
            enable_batched_submissions: true,
            max_submission_batch_size: 20,
        }
    }
}

impl Allows {
    /// Returns how many submissions go into one request.
    pub(super) fn batch(&self) -> usize {
        self.max_submission_batch_size.clamp(1, 20)
    }

    /// Returns the largest file, standard output included, in kilobytes.
    pub(super) fn file_kb(&self, limits: &Limits) -> u64 {
        (limits.output_flood.get() / 1024).min(self.max_max_file_size)
    }

    /// Returns our limits in the form of a submission, each at most what is allowed.
    pub(super) fn limits(&self, limits: &Limits) -> Value {
        let wall = limits.time.as_secs_f64();
        // Our limit is a share of a CPU for that long. This is the CPU time that it amounts to.
        let cpu = wall * f64::from(limits.cpu_percent) / 100.0;
        json!({
            "cpu_time_limit": cpu.min(self.max_cpu_time_limit),
            "cpu_extra_time": 0,
            // Judge0 accepts none below a second.
            "wall_time_limit": wall.min(self.max_wall_time_limit).max(1.0),
            "memory_limit": (limits.memory.get() / 1024).min(self.max_memory_limit),
            "max_processes_and_or_threads":
                u64::from(limits.pids).min(self.max_max_processes_and_or_threads),
            "max_file_size": self.file_kb(limits),
            "number_of_runs": 1,
            "enable_network": false,
            "redirect_stderr_to_stdout": false,
            "enable_per_process_and_thread_time_limit": false,
            "enable_per_process_and_thread_memory_limit": false,
        })
    }
}

impl Catalog {
    /// Returns the newest version of a language; `None` if there is none.
    pub(super) fn language(&self, name: &LanguageName) -> Option<&LanguageEntry> {
        let oldest = OLDEST.iter().find(|(of, _)| *of == name.as_str());
        let oldest = oldest.map_or(0, |(_, major)| *major);
        let versions = self.languages.iter().filter_map(|entry| {
            let (head, rest) = entry.name.split_once(" (")?;
            let version = version(rest.strip_suffix(')')?)?;
            let fits = head.eq_ignore_ascii_case(name.as_str())
                && version.first().is_some_and(|major| *major >= oldest);
            fits.then_some((version, entry))
        });
        versions
            .max_by(|(a, _), (b, _)| a.cmp(b))
            .map(|(_, entry)| entry)
    }
}

/// Parses the version in the last word: that of `Node.js 12.14.0` is 12, 14, 0.
fn version(text: &str) -> Option<Vec<u32>> {
    let word = text.rsplit(' ').next()?;
    word.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use warren_protocol::limits::ByteSize;

    use super::*;

    fn catalog(names: &[&str]) -> Catalog {
        let entry = |(id, name): (u32, &&str)| LanguageEntry {
            id,
            name: (*name).to_owned(),
        };
        Catalog {
            languages: (1..).zip(names).map(entry).collect(),
            allows: Allows::default(),
        }
    }

    #[test]
    fn the_newest_version_of_the_very_language_is_taken() {
        let catalog = catalog(&[
            "JavaScript (Node.js 12.14.0)",
            "JavaScript (Node.js 22.08.0)",
            "JavaScript (Node.js 9.9.9)",
            "Python (2.7.17)",
            "Python (3.8.1)",
            "Python (3.14.0)",
            "Python (3.9.99)",
            "Python for ML (3.99.7)",
            "Python (3.x)",
            "Plain Text",
            "Java (OpenJDK 13.0.1)",
        ]);
        let id = |name: &str| {
            catalog
                .language(&name.parse().unwrap())
                .map(|entry| entry.id)
        };
        assert_eq!(id("javascript"), Some(2));
        assert_eq!(id("python"), Some(6));
        assert_eq!(id("java"), Some(11));
        assert_eq!(id("ruby"), None);
    }

    #[test]
    fn python_2_is_not_python() {
        assert!(
            catalog(&["Python (2.7.17)"])
                .language(&"python".parse().unwrap())
                .is_none()
        );
    }

    #[test]
    fn limits_are_ours_unless_less_is_allowed() {
        let limits = Limits::default();
        let ours = Allows::default().limits(&limits);
        assert_eq!(ours["cpu_time_limit"], 1.5);
        assert_eq!(ours["wall_time_limit"], 3.0);
        assert_eq!(ours["memory_limit"], 262_144);
        assert_eq!(ours["max_processes_and_or_threads"], 50);
        assert_eq!(ours["max_file_size"], 1024);
        assert_eq!(ours["enable_network"], false);

        let allows: Allows = serde_json::from_value(json!({
            "max_cpu_time_limit": 1, "max_wall_time_limit": 0.5, "max_memory_limit": 128_000,
            "max_max_processes_and_or_threads": 30, "max_max_file_size": 512,
            "max_submission_batch_size": 0, "something_else": null,
        }))
        .unwrap();
        let clamped = allows.limits(&limits);
        assert_eq!(clamped["cpu_time_limit"], 1.0);
        assert_eq!(clamped["wall_time_limit"], 1.0);
        assert_eq!(clamped["memory_limit"], 128_000);
        assert_eq!(clamped["max_processes_and_or_threads"], 30);
        assert_eq!(clamped["max_file_size"], 512);
        assert_eq!(allows.batch(), 1);
        let small = Limits {
            output_flood: ByteSize::kib(3),
            ..limits
        };
        assert_eq!(allows.file_kb(&small), 3);
    }
}
