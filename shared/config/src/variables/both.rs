//! Variables that API and worker have in common, and those of the stores.

use super::Group;
use crate::variable::Variable;

/// Broker and history.
pub(super) const STORAGE: Group = Group {
    title: "Broker and history",
    variables: &[
        Variable::both(
            "RABBITMQ_URL",
            "RabbitMQ's address; `warren api` and `warren worker` need one, and docker-compose sets it",
        )
        .unset("a queue in the process, for `warren up` alone")
        .example("amqp://user:password@127.0.0.1:5672/%2f")
        .secret(),
        Variable::api(
            "MONGODB_URI",
            "MongoDB's address, where executions are recorded; docker-compose sets it",
        )
        .unset("a SQLite file in WARREN_DATA_DIR")
        .example("mongodb://127.0.0.1:27017/warren")
        .secret(),
        Variable::api("WARREN_DATA_DIR", "Directory of the SQLite file").default("data"),
        Variable::api(
            "WARREN_RETENTION_DAYS",
            "Days after which an execution is deleted, 1 to 3650",
        )
        .default("30"),
        Variable::api(
            "WARREN_STORE_CODE",
            "Whether the code itself is recorded (true), or only its SHA-256 (false)",
        )
        .default("false"),
        Variable::api(
            "WARREN_HISTORY_MIB_PER_DAY",
            "Most MiB of texts that one API records a day, 1 to 1048576; one caller may record two \
             thirds of it, one room half, and what is beyond is recorded without texts",
        )
        .default("10240"),
    ],
};

/// What every process has.
pub(super) const PROCESS: Group = Group {
    title: "Addresses and logs",
    variables: &[
        Variable::api("WARREN_API_ADDR", "IP address and port on which the API listens")
            .default("127.0.0.1:5000"),
        Variable::worker(
            "WARREN_WORKER_ADDR",
            "IP address and port on which a worker listens",
        )
        .default("127.0.0.1:5001"),
        Variable::both(
            "WARREN_HOSTS",
            "Names by which API and worker may be called while callers need no credential, \
             comma-separated; against web pages that have their own name point here",
        )
        .unset("addresses, localhost and names without a dot")
        .example("code.example.com"),
        Variable::both(
            "NODE_ENV",
            "development (readable logs, detailed errors) or production (JSON logs, no internals)",
        )
        .unset("development if standard error is a terminal, else production")
        .example("development"),
        Variable::both(
            "RUST_LOG",
            "Filter of log lines: a level, or levels by module, in the syntax of tracing's EnvFilter",
        )
        .default("info,lapin=off,hyper=warn,bollard=warn")
        .example("debug,lapin=off,hyper=warn,bollard=warn"),
    ],
};

/// OpenTelemetry.
pub(super) const TRACES: Group = Group {
    title: "Traces",
    variables: &[
        Variable::both(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Address of the collector that traces are sent to (OTLP over http/protobuf)",
        )
        .unset("no traces, at no cost")
        .example("http://127.0.0.1:4318"),
        Variable::both(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "Full address for traces alone, path included; overrides OTEL_EXPORTER_OTLP_ENDPOINT",
        )
        .example("http://127.0.0.1:4318/v1/traces"),
        Variable::both(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Headers of every export, such as the collector's key",
        )
        .example("authorization=Bearer%20key")
        .secret(),
        Variable::both(
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "Time limit of one export, in milliseconds",
        )
        .default("5000"),
        Variable::both(
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "Protocol of exports; http/protobuf is the only one built in",
        )
        .default("http/protobuf"),
        Variable::both(
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "Protocol of exports of traces; http/protobuf is the only one built in",
        )
        .default("http/protobuf"),
        Variable::both(
            "OTEL_TRACES_SAMPLER_ARG",
            "Share of traces that is sent, 0 to 1; a trace that a caller began follows the caller",
        )
        .default("1")
        .example("0.1"),
        Variable::both("OTEL_TRACES_SAMPLER", "Sampler, by OpenTelemetry's names")
            .unset("by share, following the caller")
            .example("parentbased_always_on"),
        Variable::both(
            "OTEL_TRACES_EXPORTER",
            "none sends no traces, whatever else is set",
        )
        .unset("OTLP, if an endpoint is set")
        .example("none"),
        Variable::both(
            "OTEL_SDK_DISABLED",
            "true sends no traces, whatever else is set",
        )
        .default("false"),
        Variable::both("OTEL_SERVICE_NAME", "Name of the service in traces")
            .unset("warren-api, warren-worker, or warren for `warren up`")
            .example("warren-staging"),
        Variable::both(
            "OTEL_RESOURCE_ATTRIBUTES",
            "Attributes of every trace, comma-separated",
        )
        .example("deployment.environment.name=staging"),
        Variable::both(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "Spans that may wait to be sent; further ones are dropped",
        )
        .default("2048"),
        Variable::both("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "Most spans in one export").default("512"),
        Variable::both(
            "OTEL_BSP_SCHEDULE_DELAY",
            "Pause between two exports, in milliseconds",
        )
        .default("5000"),
    ],
};
