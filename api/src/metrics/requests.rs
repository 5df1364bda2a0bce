//! Counts requests by route and by status.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use warren_http::ErrorCode;

use super::{DURATIONS, Metrics};

/// Counts requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestCounters {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram>,
    errors: Family<CodeLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

impl RequestCounters {
    /// Registers the counters in `metrics`.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.register(
                "requests",
                "Requests by route and class of status; gone is one whose caller left before the answer",
                Family::default(),
            ),
            durations: metrics.register(
                "request_duration_seconds",
                "From a request's head to its answer's",
                Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            ),
            errors: metrics.register(
                "errors",
                "Error answers by their code",
                Family::default(),
            ),
        }
    }
}

/// Counts a request and its answer; a middleware.
pub(crate) async fn count(
    State(requests): State<RequestCounters>,
    request: Request,
    next: Next,
) -> Response {
    // By route and not by path: paths hold ids, so callers could make any number of labels.
    let route = request.extensions().get::<MatchedPath>();
    let mut timer = RequestTimer {
        method: method(request.method()),
        route: route.map_or("none", MatchedPath::as_str).to_owned(),
        status: "gone",
        begun: Instant::now(),
        requests,
    };
    let response = next.run(request).await;
    timer.status = class(response.status().as_u16());
    if let Some(ErrorCode(code)) = response.extensions().get() {
        let label = CodeLabel { code };
        timer.requests.errors.get_or_create(&label).inc();
    }
    response
}

/// A request under way. If it is dropped without an answer, its caller has left.
struct RequestTimer {
    requests: RequestCounters,
    method: &'static str,
    route: String,
    status: &'static str,
    begun: Instant,
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        let route = std::mem::take(&mut self.route);
        let of_route = RouteLabel {
            route: route.clone(),
        };
        let labels = RequestLabels {
            method: self.method,
            route,
            status: self.status,
        };
        self.requests.requests.get_or_create(&labels).inc();
        let durations = self.requests.durations.get_or_create(&of_route);
        durations.observe(self.begun.elapsed().as_secs_f64());
    }
}

/// Returns the method if it is a known one: callers may invent methods.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

const fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
