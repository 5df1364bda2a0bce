//! Variables of the worker: capacity, sandboxes and languages.

use super::Group;
use crate::variable::Variable;

/// Capacity and sandboxes.
pub(super) const WORKER: Group = Group {
    title: "Workers",
    variables: &[
        Variable::worker("WARREN_SLOTS", "Jobs that one worker runs at a time, 1 to 256")
            .unset("two for each core")
            .example("4"),
        Variable::worker(
            "WARREN_POOL_SIZE",
            "Containers of each language that a worker starts ahead, interpreter and all, 0 to 64",
        )
        .unset("as many as slots")
        .example("4"),
        Variable::worker(
            "WARREN_POOL_MAX_AGE_MS",
            "Longest time that such a container waits for a job before it is replaced, in \
             milliseconds, 1000 to 43200000",
        )
        .default("600000"),
        Variable::worker(
            "WARREN_POOL_REFILL",
            "Containers of the pool that are started at a time, 1 to 16",
        )
        .default("1"),
        Variable::worker(
            "WARREN_UNATTENDED_SHARE",
            "Share of a worker's slot time that jobs nobody waits for may take while callers come, 0.01 to 1",
        )
        .default("0.25"),
        Variable::worker(
            "WARREN_ISOLATION",
            "Sandboxes of one job: job has all its runs share one, in turn; case gives each run its own, as \
             many at a time as slots are free, so that no test case can find anything of another",
        )
        .unset("what the engine suggests: job with Docker, whose containers cost 110 ms each")
        .example("case"),
        Variable::worker(
            "WARREN_DRAIN_MS",
            "Longest time that a worker takes to stop, in milliseconds, 0 to 60000; jobs that still run \
             1.5 s before its end go back to the queue. docker-compose kills after 15 s",
        )
        .default("8000"),
        Variable::both(
            "WARREN_WORKER_SECRET",
            "Secret that a worker's own POST /execute asks for and that the API sends to EXECUTOR_URL, \
             16 to 256 characters, such as `openssl rand -hex 32` prints",
        )
        .secret(),
        Variable::worker(
            "WARREN_WORKER_AUTH",
            "off lets a worker listen on any address without a secret; docker-compose sets it",
        )
        .unset("without a secret on loopback addresses only")
        .example("off"),
        Variable::worker(
            "WARREN_ENGINE",
            "Engine that makes the containers: docker, or native, which needs no daemon",
        )
        .default("docker"),
        Variable::worker(
            "WARREN_NATIVE_RIGHTS",
            "Rights of the native engine on the host: rootless (none), root, or auto (rootless where the host lets it be)",
        )
        .default("auto"),
        Variable::worker(
            "WARREN_NATIVE_NETNS",
            "Network namespace of each container of the native engine: recycled (one that an audit finds without a trace of \
             its last user) or fresh, which costs 2 ms",
        )
        .default("recycled"),
        Variable::worker(
            "WARREN_NATIVE_CGROUP",
            "Control group that is delegated to the native engine, as a path below the hierarchy's mount",
        )
        .unset("the worker's own")
        .example("/warren"),
        Variable::worker(
            "WARREN_DOCKER_RUNTIME",
            "Docker runtime that makes the containers (runc, crun, runsc, …); crun costs a fifth less \
             CPU than runc",
        )
        .unset("the daemon's default")
        .example("crun"),
        Variable::worker(
            "WARREN_CPUS",
            "CPUs that containers run on, each container on one of them, as a list of numbers",
        )
        .unset("all that the worker and its engine may use")
        .example("2-7,10"),
        Variable::worker("DOCKER_HOST", "Address of the Docker Engine")
            .default("unix:///var/run/docker.sock"),
    ],
};

/// Languages and what code may contain.
pub(super) const LANGUAGES: Group = Group {
    title: "Languages",
    variables: &[
        Variable::worker(
            "WARREN_IMAGE_<LANGUAGE>",
            "Base image of a language, by the language's name in capitals, with _ for what is neither \
             letter nor digit",
        )
        .unset("the language file's, built in: python:3.10-alpine and node:18-alpine")
        .example("WARREN_IMAGE_PYTHON=python:3.12-alpine"),
        Variable::worker(
            "WARREN_ROOTFS_DIR",
            "Directory of the languages' root file systems, one directory each, which `warren rootfs \
             import` makes and the native engine uses",
        )
        .default("data/rootfs"),
        Variable::worker(
            "WARREN_ROOTFS_<LANGUAGE>",
            "Root file system of a language, if it is not in WARREN_ROOTFS_DIR; by the language's name as above",
        )
        .unset("WARREN_ROOTFS_DIR, by the language's name")
        .example("WARREN_ROOTFS_PYTHON=/srv/warren/python"),
        Variable::both(
            "WARREN_LANGUAGES",
            "Language file to use instead of the built-in one; under docker-compose the path inside the \
             container",
        )
        .unset("shared/languages.toml, built in")
        .example("languages.toml"),
        Variable::both(
            "WARREN_POLICY",
            "Whether forbidden patterns are refused (on), or the container alone is relied on (off)",
        )
        .default("on"),
    ],
};
