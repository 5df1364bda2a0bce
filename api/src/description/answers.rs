//! Descriptions of the errors that several routes share.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Every error's body.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: `Problem` makes the bodies")]
pub(crate) struct ErrorAnswer {
    /// Never true.
    success: bool,
    error: ErrorBody,
}

/// What happened and what to do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: `Problem` makes the bodies")]
pub(crate) struct ErrorBody {
    /// What happened, for programs; never changes.
    #[schema(pattern = "^[a-z_]+$", examples("forbidden_code"))]
    code: String,
    /// What happened and what to do, for people.
    message: String,
    /// Particulars, by code; `null` if there are none.
    #[schema(value_type = Value)]
    details: Value,
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// Errors in what a caller sends.
pub(crate) struct BadRequest;

impl IntoResponses for BadRequest {
    fn responses() -> Responses {
        BTreeMap::from([
            error(
                400,
                "Bad JSON (`invalid_json`), a missing, wrong or unknown field (`invalid_field`, `unknown_field`), language or way to compare, a bad room id, blank code or code with NUL, forbidden code (`forbidden_code`: rule, line and column of each place in `details.violations`).",
            ),
            error(408, "`body_timeout`: the body did not arrive in time."),
            error(
                413,
                "Code over 10,240 bytes, an input over 256 KiB, an expected output over 64 KiB, a body over 1 MiB. Sizes are of UTF-8.",
            ),
            error(
                415,
                "`unsupported_media_type`: the body is not sent as JSON, or without a Content-Type.",
            ),
        ])
    }
}

/// Errors of a service that is overloaded, or has nobody to run the job.
pub(crate) struct NoRoom;

impl IntoResponses for NoRoom {
    fn responses() -> Responses {
        BTreeMap::from([
            with_header(
                error(
                    503,
                    "More jobs than can be done in time (`overloaded`, `queue_full`), no workers, no broker, or no containers (`no_workers`, `queue_unavailable`, `sandbox_unavailable`); too many large answers (`answers_full`).",
                ),
                (
                    "Retry-After",
                    whole_number("In how many seconds to send the request again."),
                ),
            ),
            error(
                504,
                "`timed_out`: not finished in time; `details.resultUrl` is where the result will be.",
            ),
        ])
    }
}

/// Errors of Warren's own, and of programs that break it.
pub(crate) struct OurFault;

impl IntoResponses for OurFault {
    fn responses() -> Responses {
        BTreeMap::from([error(
            500,
            "`worker_crashed`: workers died of this job; it is not run again. `internal_error`: a fault of ours.",
        )])
    }
}

/// The errors of every route of one execution; of those that wait for its end if `WAITS`.
pub(crate) struct ExecutionErrors<const WAITS: bool>;

impl<const WAITS: bool> IntoResponses for ExecutionErrors<WAITS> {
    fn responses() -> Responses {
        let unknown = error(
            404,
            "`unknown_execution`: nothing is recorded under this id.",
        );
        BTreeMap::from([unknown, history_unavailable(WAITS)])
    }
}

/// The error of routes that read the history.
pub(crate) struct HistoryUnavailable;

impl IntoResponses for HistoryUnavailable {
    fn responses() -> Responses {
        BTreeMap::from([history_unavailable(false)])
    }
}

fn history_unavailable(waits: bool) -> (String, RefOr<Response>) {
    let about = if waits {
        "`store_unavailable`: the history cannot be read now; `too_many_waiting`: as many wait as may; `answers_full`: too many large answers are being sent."
    } else {
        "`store_unavailable`: the history cannot be read now; `answers_full`: too many large answers are being sent."
    };
    let retry_after = whole_number("In how many seconds to ask again.");
    with_header(error(503, about), ("Retry-After", retry_after))
}

fn error(status: u16, about: &str) -> (String, RefOr<Response>) {
    let body = Ref::from_schema_name("ErrorAnswer");
    let content = ContentBuilder::new().schema(Some(body)).build();
    let response = ResponseBuilder::new()
        .description(about)
        .content("application/json", content);
    (status.to_string(), RefOr::T(response.build()))
}

fn with_header(
    (status, response): (String, RefOr<Response>),
    (name, header): (&str, Header),
) -> (String, RefOr<Response>) {
    let RefOr::T(mut response) = response else {
        return (status, response);
    };
    response.headers.insert(name.to_owned(), header.into());
    (status, RefOr::T(response))
}

fn whole_number(about: &str) -> Header {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0));
    HeaderBuilder::new()
        .schema(Some(schema.build()))
        .description(Some(about))
        .build()
}
