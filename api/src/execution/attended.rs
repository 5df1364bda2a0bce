//! Jobs that somebody waits for: run when it is their room's turn, answered, and put on record.

use axum::Json;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout_at;
use warren_http::{ApiError, Budget};
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::job::Job;
use warren_protocol::reply::JobFailure;
use warren_queue::SubmitError;

use crate::execution::admission::Admitted;
use crate::execution::dispatch::{Answered, DispatchError, WayName, failure_problem};
use crate::execution::idempotency::Held;
use crate::execution::overloaded::overloaded;
use crate::state::AppState;
use crate::store::{End, Execution};

/// The answer to the job's caller. `held` is given back if the job is certainly not run.
pub(crate) async fn answer(state: &AppState, job: &Job, held: Held, budget: Budget) -> Response {
    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(&job.room, budget.job_left()) {
        Ok(admitted) => Some(admitted),
        Err(_refused) if state.dispatch.takes_overflow() => None,
        Err(refused) => {
            held.release().await;
            return overloaded(refused.retry_after);
        }
    };
    match run(state, job, held, budget, admitted).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Has the job run and records what became of it. One that was not admitted is not for the queue.
async fn run(
    state: &AppState,
    job: &Job,
    held: Held,
    budget: Budget,
    mut admitted: Option<Admitted>,
) -> Result<Box<ExecuteResponse>, ApiError> {
    let (dispatch, recorder) = (&state.dispatch, &state.recorder);
    let answered = match &mut admitted {
        Some(admitted) => match timeout_at(budget.answer_by(), admitted.turn()).await {
            Ok(_turn) => dispatch.run(job, budget, recorder).await,
            Err(_elapsed) => Err(SubmitError::DeadlinePassed.into()),
        },
        None => dispatch.overflow(job, budget, recorder).await,
    };
    match answered.map(|Answered { reply, way }| (reply.result, way)) {
        Ok((Ok(outcome), way)) => {
            // What others ran says nothing of how fast the workers are.
            if let Some(admitted) = admitted.filter(|_| way == WayName::Queue) {
                admitted.served(outcome.timings.sandbox + outcome.timings.run);
            }
            let answer = Box::new(ExecuteResponse::new(job.id, &job.submission, outcome));
            record(state, job, End::Ran(answer.clone()));
            Ok(answer)
        }
        Ok((Err(failure), _way)) => Err(failed(state, job, failure)),
        Err(error) => {
            if !error.is_pending() && error.failure().is_none() {
                held.release().await;
            }
            Err(unanswered(state, job, error))
        }
    }
}

fn failed(state: &AppState, job: &Job, failure: JobFailure) -> ApiError {
    tracing::warn!(code = ?failure.code, reason = %failure, "a worker could not run the job");
    let problem = failure_problem(job.id, &failure);
    record(state, job, End::Failed(failure));
    problem.into()
}

fn unanswered(state: &AppState, job: &Job, error: DispatchError) -> ApiError {
    tracing::warn!(error = &error as &dyn std::error::Error, "job unanswered");
    if error.is_pending() {
        record(state, job, End::Pending);
    }
    if let Some(failure) = error.failure() {
        record(state, job, End::Failed(failure));
    }
    let room_in = || state.admission.refuse().retry_after;
    error.into_problem(job.id, room_in).into()
}

fn record(state: &AppState, job: &Job, end: End) {
    let _written = state.recorder.record(Execution::of(job, end));
}
