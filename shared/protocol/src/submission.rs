//! A validated submission: code, its language, inputs and test cases.

use std::fmt;

use serde::{Deserialize, Serialize};

use warren_languages::LanguageName;

use crate::compare::Compare;
use crate::limits::{MAX_CODE, MAX_EXPECTED_OUTPUT, MAX_INPUT, MAX_TEST_CASES};
use crate::refusal::Refusal;

/// A submission: code, its language and its inputs, all within their bounds. Only
/// [`Submission::parse`] builds one; one that is read back from the queue has its bounds checked
/// again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Submission {
    language: LanguageName,
    code: String,
    input: Option<String>,
    test_cases: Vec<TestCase>,
    compare: Compare,
    on_failure: OnFailure,
}

/// The consequence of a failed run or case for those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// All of them are run.
    #[default]
    GoOn,
    /// None of them is run.
    Stop,
}

/// One test case: an input, and the output it must lead to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCase {
    input: String,
    expected_output: String,
    #[serde(default, skip_serializing_if = "Visibility::is_shown")]
    visibility: Visibility,
}

/// How much of a case and of its run is answered and recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Its texts, and what the program did with them.
    #[default]
    Shown,
    /// Its verdict and its duration alone.
    Hidden,
}

impl Visibility {
    fn is_shown(&self) -> bool {
        *self == Self::Shown
    }
}

impl TestCase {
    /// Creates a test case, whose bounds the submission checks.
    pub(crate) fn new(input: String, expected_output: String, visibility: Visibility) -> Self {
        Self {
            input,
            expected_output,
            visibility,
        }
    }

    /// Returns the program's standard input.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// Returns the output that the program must print.
    #[must_use]
    pub fn expected_output(&self) -> &str {
        &self.expected_output
    }

    /// Returns how much of it may be answered and recorded.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.visibility
    }
}

impl Submission {
    /// Returns the language to run it as.
    #[must_use]
    pub fn language(&self) -> &LanguageName {
        &self.language
    }

    /// Returns the source code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the standard input of the main run, if the caller gave one.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        self.input.as_deref()
    }

    /// Returns the test cases.
    #[must_use]
    pub fn test_cases(&self) -> &[TestCase] {
        &self.test_cases
    }

    /// Returns how the cases' outputs are compared with the expected ones.
    #[must_use]
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// Returns whether a failed run or case ends the job.
    #[must_use]
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Iterates over the standard input of each run: first of the main run, if there is one, then of
    /// each case. There is a main run without test cases, and with them if `input` was given.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.main_input()
            .into_iter()
            .chain(self.test_cases.iter().map(TestCase::input))
    }

    /// Returns the input of the main run; `None` if there is no main run.
    #[must_use]
    pub fn main_input(&self) -> Option<&str> {
        match (&self.input, self.test_cases.is_empty()) {
            (Some(input), _) => Some(input),
            (None, true) => Some(""),
            (None, false) => None,
        }
    }
}

// Code and input must never reach a log, not even through a stray `{:?}`.
impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("language", &self.language)
            .field("code_bytes", &self.code.len())
            .field("test_cases", &self.test_cases.len())
            .field("compare", &self.compare)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TestCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCase")
            .field("input_bytes", &self.input.len())
            .finish_non_exhaustive()
    }
}

/// A submission's parts before their bounds are checked.
#[derive(Deserialize)]
pub(crate) struct Unchecked {
    pub(crate) language: LanguageName,
    pub(crate) code: String,
    pub(crate) input: Option<String>,
    pub(crate) test_cases: Vec<TestCase>,
    // Absent in a job of an older version, which is refused for its version and not for this.
    #[serde(default)]
    pub(crate) compare: Compare,
    #[serde(default)]
    pub(crate) on_failure: OnFailure,
}

impl TryFrom<Unchecked> for Submission {
    type Error = Refusal;

    fn try_from(parts: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked {
            language,
            code,
            input,
            test_cases,
            compare,
            on_failure,
        } = parts;
        if code.trim().is_empty() {
            return Err(Refusal::EmptyCode);
        }
        if code.len() > MAX_CODE.as_len() {
            return Err(Refusal::CodeTooLarge { bytes: code.len() });
        }
        if let Some(before) = code.split_once('\0').map(|(before, _)| before) {
            return Err(Refusal::NulInCode {
                line: before.matches('\n').count() + 1,
            });
        }
        if test_cases.len() > MAX_TEST_CASES {
            return Err(Refusal::TooManyTestCases {
                given: test_cases.len(),
            });
        }
        let inputs = input
            .iter()
            .map(|text| ("input".to_owned(), text, MAX_INPUT));
        let cases = test_cases.iter().enumerate().flat_map(|(i, case)| {
            [
                (format!("testCases[{i}].input"), &case.input, MAX_INPUT),
                (
                    format!("testCases[{i}].expectedOutput"),
                    &case.expected_output,
                    MAX_EXPECTED_OUTPUT,
                ),
            ]
        });
        for (field, text, limit) in inputs.chain(cases) {
            if text.len() > limit.as_len() {
                return Err(Refusal::FieldTooLarge {
                    field,
                    bytes: text.len(),
                    limit: limit.as_len(),
                });
            }
        }
        Ok(Self {
            language,
            code,
            input,
            test_cases,
            compare,
            on_failure,
        })
    }
}
