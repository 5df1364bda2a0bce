//! A submission that has passed validation, and how a request becomes one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::compare::Compare;
use crate::contract::{ExecuteRequest, Refusal};
use crate::limits::{MAX_CODE, MAX_EXPECTED_OUTPUT, MAX_INPUT, MAX_TEST_CASES};
use warren_languages::{LanguageName, Languages, PolicyMode, Violation};

/// Code, its language and what to feed it, all within their bounds. Built only by
/// [`Submission::parse`], or read back from the queue with the same bounds checked.
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

/// What a failed run or case means for those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing: all are run.
    #[default]
    GoOn,
    /// They are not run.
    Stop,
}

/// One test case: what to feed, and what must be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCase {
    input: String,
    expected_output: String,
}

impl TestCase {
    /// What the program reads from its standard input.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// What it must print.
    #[must_use]
    pub fn expected_output(&self) -> &str {
        &self.expected_output
    }
}

impl Submission {
    /// Checks a request's language, way to compare, sizes and code, in that order; the first kind of fault found
    /// is the one told, and forbidden code is told with all its places.
    ///
    /// # Errors
    /// The [`Refusal`] that the caller is answered with.
    pub fn parse(
        request: ExecuteRequest,
        languages: &Languages,
        policy: PolicyMode,
    ) -> Result<Self, Refusal> {
        let language =
            languages
                .get(&request.language)
                .ok_or_else(|| Refusal::UnknownLanguage {
                    given: request.language.clone(),
                    known: languages.names(),
                })?;
        let compare = Compare::parse(request.compare.as_deref(), request.tolerance)?;
        let unchecked = Unchecked {
            language: language.name().clone(),
            code: request.code,
            input: request.input,
            test_cases: request
                .test_cases
                .into_iter()
                .map(|case| TestCase {
                    input: case.input,
                    expected_output: case.expected_output,
                })
                .collect(),
            compare,
            on_failure: match request.stop_on_failure {
                Some(true) => OnFailure::Stop,
                Some(false) | None => OnFailure::GoOn,
            },
        };
        let submission = Self::try_from(unchecked)?;
        let violations: Vec<Violation> = match policy {
            PolicyMode::Enforce => language.check(&submission.code),
            PolicyMode::Off => Vec::new(),
        };
        if violations.is_empty() {
            Ok(submission)
        } else {
            Err(Refusal::ForbiddenCode { violations })
        }
    }

    /// The language to run it as.
    #[must_use]
    pub fn language(&self) -> &LanguageName {
        &self.language
    }

    /// The source code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The standard input of the main run, if one was given.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        self.input.as_deref()
    }

    /// The test cases.
    #[must_use]
    pub fn test_cases(&self) -> &[TestCase] {
        &self.test_cases
    }

    /// How the cases' outputs are compared with what was expected.
    #[must_use]
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// Whether a failed run or case ends the job.
    #[must_use]
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// What each run reads from its standard input: first the main run, if there is one (there is
    /// without test cases, and with them if `input` was given), then one for each case.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.main_input()
            .into_iter()
            .chain(self.test_cases.iter().map(TestCase::input))
    }

    /// The input of the main run; `None` if there is no main run.
    #[must_use]
    pub fn main_input(&self) -> Option<&str> {
        match (&self.input, self.test_cases.is_empty()) {
            (Some(input), _) => Some(input),
            (None, true) => Some(""),
            (None, false) => None,
        }
    }
}

// Code and input must never reach a log, not even by a stray `{:?}`.
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
struct Unchecked {
    language: LanguageName,
    code: String,
    input: Option<String>,
    test_cases: Vec<TestCase>,
    // Absent in a job of an older version, which is refused for its version and not for this.
    #[serde(default)]
    compare: Compare,
    #[serde(default)]
    on_failure: OnFailure,
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
