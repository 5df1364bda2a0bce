//! Description of the API: OpenAPI 3.1, gathered from the routes, and an HTML page.

mod answers;
mod finish;
mod page;

use axum::body::Bytes;
use axum::http::HeaderValue;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use warren_languages::Languages;

pub(crate) use answers::{
    BadRequest, ErrorAnswer, ExecutionErrors, HistoryUnavailable, NoRoom, OurFault,
};

const ABOUT: &str = "Warren runs other people's JavaScript and Python, each submission in a fresh hardened container, and answers with what it printed, whether it passed its test cases, and why it failed.\n\nA program that crashes, loops or eats memory is an answer: 200 with `success: false` and a `status`. Whatever else goes wrong is an error in one shape, `ErrorAnswer`, with a code for programs and advice for people. Besides the statuses listed, every address may answer 500 `internal_error`; unknown paths 404 `not_found`, wrong methods 405 `method_not_allowed` with `Allow`.";

/// The description, ready to be sent.
pub(crate) struct Description {
    /// The description as OpenAPI.
    pub(crate) json: Bytes,
    /// The description as a page.
    pub(crate) page: Bytes,
    /// The page's content security policy: it may load nothing but its own style.
    pub(crate) page_policy: HeaderValue,
}

impl Description {
    /// Describes an API with these routes and languages, and with callbacks or without.
    pub(crate) fn new(gathered: OpenApi, languages: &Languages, takes_callbacks: bool) -> Self {
        let described = finish::finish(gathered, languages, takes_callbacks);
        let (page, page_policy) = page::render(&described);
        Self {
            json: described.to_string().into(),
            page: page.into(),
            page_policy,
        }
    }
}

/// Returns the description to which the routes add their parts.
pub(crate) fn base() -> OpenApi {
    let tag = |name: &str, about: &str| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    };
    let info = InfoBuilder::new()
        .title("Warren")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("MIT").build()))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .tags(Some([
            tag("run", "Having code run."),
            tag("read", "What became of it."),
            tag("operate", "How this process is, and what it can do."),
        ]))
        .build()
}
