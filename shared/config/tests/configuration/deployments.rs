//! Holds docker-compose and Kubernetes to the list: each passes on what its programs read.
//!
//! This reads the files as text, which takes no time and no tools. `tests/compose` asks docker-compose
//! itself, and `tests/observability` holds the manifests to Kubernetes' schemas.

use std::collections::{BTreeMap, BTreeSet};

use warren_config::{Reader, Variable, variables};

use crate::read;

/// The built-in languages, whose images can be chosen.
const LANGUAGES: &str = "shared/languages.toml";

/// A variable that a deployment sets itself, so that a value in `.env` or the `ConfigMap` has no effect.
struct Exception {
    name: &'static str,
    role: Reader,
    #[expect(dead_code, reason = "a reader of this list has to know the reason")]
    reason: &'static str,
}

const fn except(name: &'static str, role: Reader, reason: &'static str) -> Exception {
    Exception { name, role, reason }
}

const COMPOSE: [Exception; 8] = [
    except("RABBITMQ_URL", Reader::Api, "made of RABBITMQ_API_PASSWORD"),
    except(
        "RABBITMQ_URL",
        Reader::Worker,
        "made of RABBITMQ_WORKER_PASSWORD",
    ),
    except("MONGODB_URI", Reader::Api, "the stack's own database"),
    except(
        "WARREN_DATA_DIR",
        Reader::Api,
        "without effect beside MONGODB_URI; the root is read-only",
    ),
    except(
        "WARREN_API_ADDR",
        Reader::Api,
        "the published port; WARREN_BIND and WARREN_API_PORT choose",
    ),
    except(
        "WARREN_WORKER_ADDR",
        Reader::Worker,
        "the port that the API and the health check ask",
    ),
    except(
        "WARREN_WORKER_AUTH",
        Reader::Worker,
        "off: only the API and the broker are on its network",
    ),
    except(
        "DOCKER_HOST",
        Reader::Worker,
        "the mounted socket; in .env it is docker-compose's own",
    ),
];

const KUBERNETES: [Exception; 4] = [
    except(
        "WARREN_API_ADDR",
        Reader::Api,
        "the port of Service and probes",
    ),
    except(
        "WARREN_DATA_DIR",
        Reader::Api,
        "without effect beside MONGODB_URI; the root is read-only",
    ),
    except(
        "WARREN_WORKER_ADDR",
        Reader::Worker,
        "the port of the probes",
    ),
    except(
        "DOCKER_HOST",
        Reader::Worker,
        "the socket that the sidecar shares",
    ),
];

#[test]
fn docker_compose_passes_on_every_variable() {
    let compose = read("docker-compose.yml");
    for (service, role) in [("api", Reader::Api), ("worker", Reader::Worker)] {
        let entries = environment(&compose, service);
        for name in expected(role, &COMPOSE) {
            let value = entries.get(name.as_str());
            let reference = format!("${{{name}:-");
            assert!(
                value.is_some_and(|value| value.starts_with(&reference)),
                "docker-compose.yml does not pass {name} on to {service} ({value:?}): write \
                 `{name}: ${{{name}:-}}`, or add an exception with its reason here"
            );
        }
        for name in entries.keys() {
            let known = variables::find(name).is_some_and(|variable| variable.is_read_by(role));
            assert!(
                known,
                "{service} does not read {name}, which docker-compose.yml passes on"
            );
        }
    }
}

#[test]
fn docker_compose_is_made_of_listed_variables() {
    let compose = read("docker-compose.yml");
    let mut names = BTreeSet::new();
    for reference in compose.split("${").skip(1) {
        let end = reference.find([':', '}']).unwrap();
        names.insert(&reference[..end]);
    }
    for name in &names {
        assert!(variables::find(name).is_some(), "{name} is not in the list");
    }
    for variable in variables::all().filter(|variable| variable.reader == Reader::Compose) {
        assert!(
            names.contains(variable.name),
            "{} has no effect",
            variable.name
        );
    }
}

#[test]
fn kubernetes_passes_on_every_variable() {
    let config = read("deploy/kubernetes/config.yaml");
    for (file, name, role) in [
        ("api.yaml", "warren-api", Reader::Api),
        ("worker.yaml", "warren-worker", Reader::Worker),
    ] {
        let manifest = read(&format!("deploy/kubernetes/{file}"));
        for source in ["configMapRef", "secretRef"] {
            let all_of = format!("- {source}: {{ name: {name} }}");
            assert!(manifest.contains(&all_of), "{file}: no {all_of}");
        }
        let fixed: BTreeSet<_> = manifest
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- { name: ")?.split(',').next())
            .filter(|name| variables::find(name).is_some())
            .collect();
        let offered = config_map(&config, name);
        for name in expected(role, &KUBERNETES) {
            assert!(
                !fixed.contains(name.as_str()),
                "{file} fixes {name}: move it into config.yaml, or add an exception with its reason here"
            );
            let secret = variables::find(&name).unwrap().secret;
            if secret {
                let header = manifest.split("apiVersion:").next().unwrap();
                assert!(
                    header.contains(&name),
                    "the head of {file} does not name the secret {name}"
                );
            }
            assert_eq!(
                offered.contains(name.as_str()),
                !secret,
                "{name} in config.yaml's ConfigMap for {file}: settings belong there, secrets do not"
            );
        }
        for name in offered {
            let known = variables::find(name).is_some_and(|variable| variable.is_read_by(role));
            assert!(
                known,
                "{file}'s program does not read {name}, which config.yaml offers"
            );
        }
    }
}

#[test]
fn exceptions_are_of_listed_variables() {
    for Exception { name, role, .. } in COMPOSE.iter().chain(&KUBERNETES) {
        let known = variables::find(name).is_some_and(|variable| variable.is_read_by(*role));
        assert!(known, "{name} needs no exception any more");
    }
}

/// Returns the names that a deployment has to pass on to a program of this role.
fn expected(role: Reader, exceptions: &[Exception]) -> Vec<String> {
    let excepted = |variable: &&Variable| {
        let mut matching = exceptions.iter();
        matching.any(|one| one.name == variable.name && one.role == role)
    };
    let read = variables::all().filter(|variable| variable.is_read_by(role));
    let names: Vec<_> = read
        .filter(|one| !excepted(one))
        .flat_map(members)
        .collect();
    assert!(names.len() > 10, "{role:?} reads more than {names:?}");
    names
}

/// Returns the variable, or the members of its family: one for each built-in language.
fn members(variable: &Variable) -> Vec<String> {
    let Some(prefix) = variable.family() else {
        return vec![variable.name.to_owned()];
    };
    let languages = read(LANGUAGES);
    let names = languages
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let members: Vec<_> = names
        .map(|name| format!("{prefix}{}", name.to_uppercase()))
        .collect();
    assert!(members.len() > 1, "{LANGUAGES} has languages: {members:?}");
    members
}

/// Returns the `environment:` of a service: names and raw values.
fn environment<'a>(compose: &'a str, service: &str) -> BTreeMap<&'a str, &'a str> {
    let head = format!("\n  {service}:\n");
    let (_, rest) = compose.split_once(&head).unwrap();
    let (_, block) = rest.split_once("\n    environment:\n").unwrap();
    let lines = block.lines().take_while(|line| line.starts_with("      "));
    lines
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name, value.trim())
        })
        .collect()
}

/// Returns the names in the data of a `ConfigMap`, those in comments included.
fn config_map<'a>(config: &'a str, name: &str) -> BTreeSet<&'a str> {
    let head = format!("metadata: {{ name: {name},");
    let (_, rest) = config.split_once(&head).unwrap();
    let (_, data) = rest.split_once("\ndata:\n").unwrap();
    let lines = data.lines().take_while(|line| line.starts_with("  "));
    lines
        .filter_map(|line| {
            let (name, _) = line.trim().trim_start_matches('#').split_once(": ")?;
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
                .then_some(name)
        })
        .collect()
}
