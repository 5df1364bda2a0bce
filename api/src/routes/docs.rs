//! `GET /api/openapi.json` and `GET /api/docs`: the description of this API.

use std::sync::Arc;

use axum::Extension;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::description::Description;

/// This description
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "operate",
    operation_id = "getDescription",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn json(Extension(description): Extension<Arc<Description>>) -> Response {
    let content_type = [(CONTENT_TYPE, "application/json")];
    (content_type, description.json.clone()).into_response()
}

/// The same as a page for people
#[utoipa::path(
    get,
    path = "/api/docs",
    tag = "operate",
    operation_id = "getDocumentation",
    responses((status = 200, description = "A page without scripts that loads nothing.", body = String, content_type = "text/html"))
)]
pub(crate) async fn page(Extension(description): Extension<Arc<Description>>) -> Response {
    let mut response = description.page.clone().into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    let policy = description.page_policy.clone();
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}
