//! Checks that docker-compose passes variables on from a file `.env`, as docker-compose itself sees it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tempfile::NamedTempFile;
use warren_config::{Reader, variables};

use crate::tools::{ROOT, config};

/// The variables that `docker-compose.yml` sets itself; `warren-config`'s tests hold the reasons.
const SET_BY_THE_FILE: [&str; 6] = [
    "RABBITMQ_URL",
    "MONGODB_URI",
    "WARREN_API_ADDR",
    "WARREN_WORKER_ADDR",
    "WARREN_WORKER_AUTH",
    "DOCKER_HOST",
];
/// The variable that the two programs cannot use there.
const WITHOUT_EFFECT: &str = "WARREN_DATA_DIR";
/// Variables that once had no effect under docker-compose, and whose values the running stack
/// shows.
pub(crate) const SHOWN: [(&str, &str, &str); 3] = [
    ("api", "WARREN_WAIT_MS", "4500"),
    ("worker", "WARREN_DRAIN_MS", "7000"),
    (
        "worker",
        "RUST_LOG",
        "info,lapin=off,hyper=warn,bollard=error",
    ),
];

/// Writes a file `.env`: the project's own, if there is one, and these lines after it.
pub(crate) fn env_file<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let own = std::fs::read_to_string(Path::new(ROOT).join(".env")).unwrap_or_default();
    writeln!(file, "{own}").unwrap();
    for (name, value) in lines {
        writeln!(file, "{name}={value}").unwrap();
    }
    file
}

#[test]
fn variables_set_in_env_reach_api_and_worker_and_others_are_empty() {
    let names = variables::all()
        .filter(|variable| variable.is_read_by(Reader::Both))
        .filter(|variable| variable.family().is_none());
    // A value that no default has, and that says which variable it belongs to.
    let set: BTreeMap<_, _> = names
        .map(|one| (one.name, format!("set-{}", one.name)))
        .collect();
    assert!(set.len() > 50, "{set:?}");
    let file = env_file(set.iter().map(|(name, value)| (*name, value.as_str())));
    let empty = NamedTempFile::new().unwrap();
    let (with, without) = (config(file.path(), &[]), config(empty.path(), &[]));
    for (service, role) in [("api", Reader::Api), ("worker", Reader::Worker)] {
        let of = |config: &Value, name: &str| config[service]["environment"][name].clone();
        for (name, value) in &set {
            let variable = variables::find(name).unwrap();
            let fixed = SET_BY_THE_FILE.contains(name) || *name == WITHOUT_EFFECT;
            let found = of(&with, name);
            if variable.is_read_by(role) && !fixed {
                assert_eq!(found, value.as_str(), "{service} {name}");
                let default = ["NODE_ENV", "WARREN_AUTH"].contains(name);
                assert!(default || of(&without, name) == "", "{service} {name}");
            } else {
                assert_ne!(found, value.as_str(), "{service} {name}");
            }
        }
    }
}

/// Asserts that the containers of the running stack have what its `.env` sets.
pub(crate) fn assert_shown(services: &BTreeMap<String, Vec<Value>>) {
    for (service, name, value) in SHOWN {
        let entry = Value::from(format!("{name}={value}"));
        for container in &services[service] {
            let environment = container["Config"]["Env"].as_array().unwrap();
            assert!(
                environment.contains(&entry),
                "{service} has no {entry}: {environment:?}"
            );
        }
    }
}
