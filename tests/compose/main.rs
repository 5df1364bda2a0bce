//! Tests of `docker-compose.yml` as a user runs it.
//!
//! Two workers share the jobs, `.env` reaches them, every container is as hardened as the file says,
//! and nothing is left afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a panic is how a test fails; clippy.toml's allowance covers test functions, not what they call"
)]

mod inspect;
mod passed_on;
mod stack;
mod tools;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};

use stack::Stack;
use tools::{REQUIRED, compose, config, succeed, text};

/// Time limit until API and workers are healthy, once the broker is.
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);
/// Time limit for the broker's figures, which are up to five seconds old.
const COUNTED_WITHIN: Duration = Duration::from_secs(180);
const WORKERS: usize = 2;

#[test]
fn two_workers_share_the_jobs_in_hardened_containers() {
    let stack = Stack::up(WORKERS);
    wait("API and workers are healthy", HEALTHY_WITHIN, || {
        let services = stack.containers();
        let healthy = |service: &str, count| {
            services.get(service).is_some_and(|containers| {
                containers.len() == count && containers.iter().all(inspect::is_healthy)
            })
        };
        healthy("api", 1) && healthy("worker", WORKERS)
    });

    let containers = stack.containers();
    inspect::assert_hardened(&containers, WORKERS);
    passed_on::assert_shown(&containers);
    wait(
        "the management UI counts two consumers",
        COUNTED_WITHIN,
        || get(&stack.management("queues/%2f/warren.jobs"))["consumers"] == json!(WORKERS),
    );

    // Each has its own user, whose rights end at what it does.
    let connections = get(&stack.management("connections"));
    let users = connections.as_array().into_iter().flatten();
    let users = users.map(|one| {
        let name = one["user_provided_name"].as_str().unwrap_or_default();
        let role = name.trim_start_matches("warren ").split('-').next();
        (role.unwrap_or_default().to_owned(), one["user"].clone())
    });
    let expected = [
        ("api".to_owned(), json!("warren-api")),
        ("worker".to_owned(), json!("warren-worker")),
    ];
    let mut seen = Vec::new();
    for pair in users {
        if !seen.contains(&pair) {
            seen.push(pair);
        }
    }
    seen.sort_by_key(|(role, _)| role.clone());
    assert_eq!(seen, expected);
    let rights = get(&stack.management("permissions"));
    let shipped: Value =
        serde_json::from_str(include_str!("../../rabbitmq/definitions.json")).unwrap();
    for expected in shipped["permissions"].as_array().unwrap() {
        assert!(rights.as_array().unwrap().contains(expected), "{rights}");
    }

    let workers = workers_that_answer(stack.api_port);
    assert_eq!(
        workers.len(),
        WORKERS,
        "both workers take jobs: {workers:?}"
    );

    assert_eq!(
        stack.down(),
        Vec::<String>::new(),
        "nothing of the stack is left"
    );
    for worker in &workers {
        let label = format!("label=warren.instance={worker}");
        let sandboxes = succeed(
            std::process::Command::new("docker")
                .args(["ps", "--all", "--quiet", "--filter", &label]),
        );
        assert_eq!(sandboxes, "", "no container of {worker}'s jobs is left");
    }
}

/// Not every machine can pull the images, so this checks only that docker-compose accepts the file,
/// and that both services are as hardened as the others.
#[test]
fn the_observability_profile_is_hardened_and_reaches_its_sources() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let all = config(empty.path(), &["--profile", "observability"]);
    for service in ["prometheus", "grafana"] {
        let service = &all[service];
        assert_eq!(service["read_only"], true, "{service}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{service}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
        assert!(service["mem_limit"].is_string() || service["mem_limit"].is_number());
        assert!(service["pids_limit"].is_number(), "{service}");
        assert!(!service.to_string().contains("docker.sock"), "{service}");
        assert!(service["user"].is_string(), "{service}");
    }
    assert!(
        all["prometheus"]["ports"].is_null(),
        "only Grafana queries it"
    );
    let networks = |service: &str| all[service]["networks"].as_object().unwrap().clone();
    for asked in ["api", "worker", "rabbitmq"] {
        let networks = (networks("prometheus"), networks(asked));
        let shared = networks.0.keys().any(|name| networks.1.contains_key(name));
        assert!(shared, "prometheus reaches {asked}");
    }
    for kept in ["worker", "mongodb", "rabbitmq"] {
        assert!(
            !networks(kept).contains_key("observe"),
            "Grafana reaches {kept}"
        );
    }
}

#[test]
fn missing_credentials_are_reported() {
    // Used instead of the .env that may lie in the project's root.
    let empty = tempfile::NamedTempFile::new().unwrap();
    for missing in REQUIRED {
        let mut command = compose();
        command.arg("--env-file").arg(empty.path()).arg("config");
        for name in REQUIRED {
            command.env(name, "1").env_remove(missing);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success(), "works without {missing}");
        let said = text(&output);
        assert!(
            said.contains(missing) && said.contains(".env"),
            "says what to do: {said}"
        );
    }
}

/// Submits in both languages, one job for each worker at a time, and returns the workers that answered.
fn workers_that_answer(port: u16) -> BTreeSet<String> {
    const ROUNDS: usize = 3;
    let url = format!("http://127.0.0.1:{port}/api/rooms/compose/execute");
    let programs = [
        json!({"language": "python", "code": "import time\ntime.sleep(0.3)\nprint(6 * int(input()))", "input": "7"}),
        json!({"language": "javascript", "code": "console.log(6 * 7)"}),
    ];
    let mut workers = BTreeSet::new();
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            let requests = programs
                .each_ref()
                .map(|program| scope.spawn(|| post(&url, program)));
            for request in requests {
                let (status, answer) = request.join().unwrap();
                assert_eq!(status, 200, "{answer}");
                assert_eq!(answer["stdout"], "42\n", "{answer}");
                assert_eq!(answer["success"], true, "{answer}");
                workers.insert(answer["worker"].as_str().unwrap().to_owned());
            }
        });
    }
    workers
}

fn client() -> Client {
    warren_outbound::blocking_client(Duration::from_secs(60)).unwrap()
}

fn get(url: &str) -> Value {
    client().get(url).send().unwrap().json().unwrap()
}

fn post(url: &str, body: &Value) -> (u16, Value) {
    let answer = client().post(url).json(body).send().unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().unwrap())
}

/// Checks a condition every half second, and panics if it does not hold in time.
fn wait(what: &str, within: Duration, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(500));
    }
}
