//! Validates a request and makes a submission of it.

use warren_languages::{Languages, PolicyMode, Violation};

use super::request::ExecuteRequest;
use crate::compare::Compare;
use crate::refusal::Refusal;
use crate::submission::{OnFailure, Submission, TestCase, Unchecked, Visibility};

impl Submission {
    /// Checks a request's language, comparison, sizes and code, in that order. Reports the first
    /// kind of fault, and forbidden code with all its violations.
    ///
    /// # Errors
    /// The [`Refusal`] to answer the caller with.
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
                .map(|case| {
                    let visibility = match case.hidden {
                        Some(true) => Visibility::Hidden,
                        Some(false) | None => Visibility::Shown,
                    };
                    TestCase::new(case.input, case.expected_output, visibility)
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
            PolicyMode::Enforce => language.check(submission.code()),
            PolicyMode::Off => Vec::new(),
        };
        if violations.is_empty() {
            Ok(submission)
        } else {
            Err(Refusal::ForbiddenCode { violations })
        }
    }
}
