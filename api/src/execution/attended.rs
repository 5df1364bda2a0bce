//! Jobs with a waiting caller: admitted in their turn, run, answered, and recorded.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::timeout_at;
use warren_http::{Answers, ApiError, Budget, Peer, json_answer};
use warren_protocol::contract::{ExecuteResponse, Problem};
use warren_protocol::ids::{CallerTag, JobId};
use warren_protocol::job::Job;
use warren_protocol::reply::JobFailure;
use warren_queue::SubmitError;

use super::Acceptance;
use super::admission::{Admission, Admitted, InFlight, Refused};
use super::dispatch::{Answered, BackendName, Dispatch, DispatchError, failure_problem};
use super::overloaded::overloaded;
use crate::history::Recorder;
use crate::store::{End, Execution};

/// Everything that runs a job whose caller waits.
pub(crate) struct AttendedJobs {
    /// The requests for execution, one permit each.
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) recorder: Arc<Recorder>,
    /// The bounds on what is answered.
    pub(crate) answers: Answers,
}

impl AttendedJobs {
    /// Returns why a request is refused before its body is read, if it is: it has no permit, or its
    /// job would not be admitted now.
    pub(crate) fn refusal(
        &self,
        has_permit: bool,
        caller: CallerTag,
        room: &str,
        left: Duration,
    ) -> Option<Refused> {
        if !has_permit {
            Some(self.admission.refuse())
        } else if self.dispatch.takes_overflow() {
            None
        } else {
            self.admission.check(caller, room, left).err()
        }
    }

    /// Runs the job, and returns the answer to its caller.
    pub(crate) async fn answer(
        &self,
        job: &Job,
        budget: Budget,
        peer: Peer,
    ) -> (Response, Acceptance) {
        // Checked again when the job exists, because many may have come in together.
        let caller = job.caller.unwrap_or_default();
        let admitted = match self.admission.admit(caller, &job.room, budget.job_left()) {
            Ok(admitted) => Some(admitted),
            Err(_refused) if self.dispatch.takes_overflow() => None,
            Err(refused) => return (overloaded(refused.retry_after), Acceptance::CertainlyNot),
        };
        match self.run(job, budget, admitted).await {
            Ok(answer) => {
                let by = budget.answer_by();
                let answer = self.answers.of(peer, &answer, by).await;
                let answer = answer
                    .map(json_answer)
                    .map_err(|full| to_be_read(job.id, full));
                (answer.into_response(), Acceptance::Taken)
            }
            Err((error, acceptance)) => (error.into_response(), acceptance),
        }
    }

    /// Runs the job and records its outcome. A job that was not admitted is not sent to the queue.
    async fn run(
        &self,
        job: &Job,
        budget: Budget,
        mut admitted: Option<Admitted>,
    ) -> Result<Box<ExecuteResponse>, (ApiError, Acceptance)> {
        let (dispatch, recorder) = (&self.dispatch, &self.recorder);
        let answered = match &mut admitted {
            Some(admitted) => match timeout_at(budget.answer_by(), admitted.turn()).await {
                Ok(_turn) => dispatch.run(job, budget, recorder).await,
                Err(_elapsed) => Err(SubmitError::DeadlinePassed.into()),
            },
            None => dispatch.overflow(job, budget, recorder).await,
        };
        match answered.map(|Answered { reply, backend }| (reply.result, backend)) {
            Ok((Ok(outcome), backend)) => {
                // Jobs that a fallback ran do not show how fast the workers are.
                if let Some(admitted) = admitted.filter(|_| backend == BackendName::Queue) {
                    admitted.served(outcome.timings.sandbox + outcome.timings.run);
                }
                let answer = Box::new(ExecuteResponse::new(job.id, &job.submission, outcome));
                self.record(job, End::Ran(answer.clone()));
                Ok(answer)
            }
            Ok((Err(failure), _way)) => Err((self.failed(job, failure), Acceptance::Taken)),
            Err(error) => {
                let acceptance = error.acceptance();
                Err((self.unanswered(job, error), acceptance))
            }
        }
    }

    fn failed(&self, job: &Job, failure: JobFailure) -> ApiError {
        tracing::warn!(code = ?failure.code, reason = %failure, "worker failed to run the job");
        let problem = failure_problem(job.id, &failure);
        self.record(job, End::Failed(failure));
        problem.into()
    }

    fn unanswered(&self, job: &Job, error: DispatchError) -> ApiError {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no backend answered the job"
        );
        if error.is_pending() {
            self.record(job, End::Pending);
        }
        if let Some(failure) = error.failure() {
            self.record(job, End::Failed(failure));
        }
        let room_in = || self.admission.refuse().retry_after;
        error.into_problem(job.id, room_in).into()
    }

    fn record(&self, job: &Job, end: End) {
        let _written = self.recorder.record(Execution::of(job, end));
    }
}

/// Adds to an answer without a place where the result is: the job has run.
pub(crate) fn to_be_read(job: JobId, full: Problem) -> ApiError {
    let url = format!("/api/executions/{job}");
    full.with_details(json!({ "jobId": job, "resultUrl": url }))
        .into()
}
