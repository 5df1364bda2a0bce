//! Variables of docker-compose, of the command line's client, of make and the tests.

use super::Group;
use crate::variable::Variable;

/// `docker-compose.yml`.
pub(super) const COMPOSE: Group = Group {
    title: "docker-compose",
    variables: &[
        Variable::compose("RABBITMQ_USER", "RabbitMQ's user for people, in its management UI; made at the broker's first start")
            .required()
            .example("warren"),
        Variable::compose("RABBITMQ_PASSWORD", "That user's password")
            .required()
            .secret(),
        Variable::compose(
            "RABBITMQ_API_PASSWORD",
            "Password of RabbitMQ's user warren-api: letters and digits, because it becomes part of an address",
        )
        .required()
        .secret(),
        Variable::compose(
            "RABBITMQ_WORKER_PASSWORD",
            "Password of RabbitMQ's user warren-worker, likewise",
        )
        .required()
        .secret(),
        Variable::compose(
            "DOCKER_GID",
            "Group that owns the Docker socket: `stat -c %g /var/run/docker.sock` (Docker Desktop: 0)",
        )
        .required(),
        Variable::compose(
            "WARREN_BIND",
            "Address of this machine on which the ports below are published",
        )
        .default("127.0.0.1"),
        Variable::compose("WARREN_API_PORT", "Published port of the API").default("5000"),
        Variable::compose("RABBITMQ_UI_PORT", "Published port of RabbitMQ's management UI")
            .default("15672"),
        Variable::compose(
            "GRAFANA_PORT",
            "Published port of Grafana, with --profile observability",
        )
        .default("3000"),
    ],
};

/// Commands that ask a server.
pub(super) const CLIENT: Group = Group {
    title: "Command line",
    variables: &[
        Variable::client(
            "WARREN_SERVER",
            "Server that `warren run` and the like ask; from the environment alone, not from .env",
        )
        .default("http://127.0.0.1:5000"),
        Variable::client(
            "WARREN_KEY",
            "API key or ID token shown to that server; from the environment alone, not from .env",
        )
        .secret(),
        Variable::client("NO_COLOR", "Any value prints without colours")
            .unset("colours on a terminal")
            .example("1"),
    ],
};

/// Make, scripts and tests.
pub(super) const DEVELOPMENT: Group = Group {
    title: "Make and tests",
    variables: &[
        Variable::development(
            "WARREN_PROVISION",
            "install makes scripts/provision install what is missing, check only list it",
        )
        .unset("install for root on a machine without systemd, else check"),
        Variable::development(
            "WARREN_PULL_SECONDS",
            "Time limit of one image pull, in seconds",
        )
        .default("180"),
        Variable::development(
            "WARREN_WRITE_DOCS",
            "1 makes the test of documents write docs/CONFIGURATION.md and .env.example",
        )
        .unset("the test compares them"),
        Variable::development(
            "WARREN_WRITE_GOLDEN",
            "1 makes the tests of a sandbox's posture write their golden files",
        )
        .unset("the tests compare them"),
        Variable::development("WARREN_TEST_RABBITMQ_URL", "Broker that the tests use")
            .unset("the local one, as user guest")
            .secret(),
        Variable::development("WARREN_TEST_MONGODB_URI", "MongoDB that the tests use")
            .unset("the local one")
            .secret(),
        Variable::development(
            "WARREN_TEST_MONGOD",
            "The mongod that tests of its loss start",
        )
        .unset("the one that scripts/provision has fetched"),
        Variable::development(
            "WARREN_TEST_BINARY",
            "The warren binary that the chaos suite runs",
        )
        .unset("cargo's debug build"),
        Variable::development(
            "WARREN_TEST_ENGINE",
            "Engine of the tests that are written for either: docker or native",
        )
        .default("docker"),
        Variable::development(
            "WARREN_TEST_ROOT",
            "Root file system of the launcher's tests",
        )
        .unset("imported from WARREN_IMAGE_PYTHON"),
        Variable::development(
            "WARREN_TEST_IMAGE",
            "Service image of tests/compose; that test sets it",
        ),
        Variable::development(
            "WARREN_LABELLED",
            "Part of the names of labelled programs to run",
        )
        .unset("all"),
        Variable::development(
            "WARREN_HOSTILE",
            "Part of the names of hostile programs to run",
        )
        .unset("all"),
        Variable::development(
            "WARREN_DIFFERENTIAL",
            "Part of the names of differential programs to run",
        )
        .unset("all"),
        Variable::development("WARREN_CHAOS", "Plan of the chaos suite: bounded or soak")
            .default("bounded"),
        Variable::development("WARREN_CHAOS_SEED", "Seed of the chaos suite")
            .unset("the time of day"),
        Variable::development(
            "WARREN_CHAOS_KEEP_LOGS",
            "Any value keeps the logs of a chaos run",
        )
        .unset("kept after a failure"),
        Variable::development(
            "WARREN_CHAOS_<QUANTITY>",
            "Quantities of the chaos suite, which docs/RELIABILITY.md lists",
        )
        .unset("those of the plan"),
        Variable::development(
            "WARREN_SOAK_<PART>",
            "Size of a soak test, which the Makefile's targets set",
        )
        .unset("the size of `make test`"),
        Variable::development("WARREN_SCHEMATHESIS_SEED", "Seed of the Schemathesis test")
            .unset("a new one for each run"),
    ],
};
