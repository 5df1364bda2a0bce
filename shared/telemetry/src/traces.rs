//! Traces, sent to a collector over OTLP and propagated between processes.
//!
//! They are sent if `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. Trace context (W3C) is propagated
//! in any case.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, TraceId};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use warren_config::Env;

const TRACEPARENT: &str = "traceparent";
/// The field of a span, and so of its log lines, that holds the trace's id.
const TRACE_ID: &str = "trace_id";
/// The only protocol that is built in.
const PROTOCOL: &str = "http/protobuf";
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// The longest that sending one batch to the collector may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT`
/// sets another limit. The caller that builds the HTTP client needs it.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The configuration of traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceConfig {
    /// The share of the traces begun here that is sent (`OTEL_TRACES_SAMPLER_ARG`). With `None`, the
    /// library reads `OTEL_TRACES_SAMPLER`, and sends all traces without it. A trace that comes from
    /// outside is sent if its origin sends it.
    ratio: Option<f64>,
}

impl TraceConfig {
    /// Reads the environment; `None` if no traces are to be sent.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let is = |name: &str, value: &str| env.text(name).as_deref() == Some(value);
        let named = ENDPOINTS
            .into_iter()
            .find(|name| env.text(name).is_some())?;
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return None;
        }
        let endpoint = env.text(named)?;
        let usable = url::Url::parse(&endpoint)
            .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        if !usable {
            env.fault(
                named,
                "is not the address of a collector; set one like http://127.0.0.1:4318, or unset it to send no traces",
            );
        }
        for name in [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ] {
            if env.text(name).is_some_and(|protocol| protocol != PROTOCOL) {
                env.fault(
                    name,
                    format!("traces can be sent by {PROTOCOL} alone; unset it, and use the collector's port for that protocol (4318)"),
                );
            }
        }
        let sampler = env.text("OTEL_TRACES_SAMPLER");
        let ratio = match sampler {
            Some(_) => None,
            None => env.parse::<f64>("OTEL_TRACES_SAMPLER_ARG"),
        };
        if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            env.fault(
                "OTEL_TRACES_SAMPLER_ARG",
                "must be the share of traces to send, from 0 to 1",
            );
        }
        Some(Self { ratio })
    }
}

/// A sender of traces, which works in batches and on a thread of its own. Spans that the collector does
/// not take in time are dropped: at most 2,048 are queued (`OTEL_BSP_…` changes that), and no request
/// waits for them.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending through `client` as `service`, unless `OTEL_SERVICE_NAME` sets another name.
    ///
    /// # Errors
    /// A setting of `OTEL_…` is not usable.
    pub fn start(
        config: TraceConfig,
        service: &'static str,
        client: reqwest::blocking::Client,
    ) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none_or(|name| name.is_empty()) {
            resource = resource.with_service_name(service);
        }
        let mut provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build());
        if let Some(ratio) = config.ratio {
            let ratio = Box::new(Sampler::TraceIdRatioBased(ratio));
            provider = provider.with_sampler(Sampler::ParentBased(ratio));
        }
        Ok(Self(provider.build()))
    }

    /// Sends the remaining spans within `grace`. Must not be called on an async runtime.
    pub fn finish(self, grace: Duration) {
        if let Err(error) = self.0.shutdown_with_timeout(grace) {
            tracing::warn!(%error, "failed to send the last traces; dropping them");
        }
    }

    /// Returns the layer that makes traces of Warren's own spans, and of no library's and no log lines.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("warren"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                metadata.is_span()
                    && *metadata.level() <= Level::INFO
                    && metadata.target().starts_with("warren")
            }))
    }
}

/// Makes a span that was not entered yet part of the trace that `traceparent` names. Without one, it
/// begins a new trace if traces are sent. The span's field `trace_id` then holds the trace's id.
pub fn join(span: &Span, traceparent: Option<&str>) {
    let remote = traceparent.map(context_of);
    let mut trace = remote.as_ref().map_or(TraceId::INVALID, trace_id);
    if let Some(remote) = remote {
        // If no traces are sent, there is no parent to set.
        drop(span.set_parent(remote));
    }
    let own = trace_id(&span.context());
    if own != TraceId::INVALID {
        trace = own;
    }
    if trace != TraceId::INVALID {
        span.record(TRACE_ID, tracing::field::display(trace));
    }
}

/// Returns the `traceparent` for children of this span; `None` if no traces are sent.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    headers.remove(TRACEPARENT)
}

/// Adds an attribute to a span, for the trace alone. Never code, input or output.
pub fn note(span: &Span, name: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(name, value);
}

fn context_of(traceparent: &str) -> Context {
    let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
}

fn trace_id(context: &Context) -> TraceId {
    context.span().span_context().trace_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<TraceConfig>, Vec<String>) {
        let variables = variables.iter();
        let mut env: Env = variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let config = TraceConfig::from_env(&mut env);
        let faults = env.finish().err().map_or_else(Vec::new, |faults| faults.0);
        let faults = faults.into_iter().map(|fault| fault.variable).collect();
        (config, faults)
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn traces_are_sent_only_if_a_collector_is_named() {
        assert_eq!(read(&[]), (None, vec![]));
        assert_eq!(read(&[("OTEL_TRACES_SAMPLER_ARG", "0.5")]), (None, vec![]));
        assert_eq!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).0, None);
        assert_eq!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).0, None);
        assert_eq!(read(&[ENDPOINT]).0, Some(TraceConfig { ratio: None }));
        let half = read(&[ENDPOINT, ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
        assert_eq!(half.0, Some(TraceConfig { ratio: Some(0.5) }));
        let named = [
            ENDPOINT,
            ("OTEL_TRACES_SAMPLER", "always_off"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
        ];
        assert_eq!(read(&named).0, Some(TraceConfig { ratio: None }));
    }

    #[test]
    fn unusable_settings_are_reported() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_TRACES_SAMPLER_ARG", "half"),
        ] {
            let (_, faults) = read(&[ENDPOINT, (name, value)]);
            let unset = read(&[(name, value)]).1;
            let expected = name.to_owned();
            assert!(
                faults.contains(&expected) || unset.contains(&expected),
                "{name}={value}: {faults:?}"
            );
        }
    }

    #[test]
    fn without_a_collector_no_context_is_passed_on() {
        let span = tracing::info_span!("request", trace_id = tracing::field::Empty);
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        join(&span, Some(given));
        assert_eq!(traceparent_of(&span), None);
    }
}
