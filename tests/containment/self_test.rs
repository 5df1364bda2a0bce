//! The self-test behind readiness: on an engine that drops a hardening, no job is run.

use serde_json::{Value, json};

use crate::harness::meddler::Meddler;
use crate::harness::{docker, http, machine, warren::Warren};

/// A hardening that the engine leaves out, and a fact that shows it.
type Dropped = (&'static str, fn(&mut Value));

const DROPPED: [Dropped; 4] = [
    ("CapBnd", |host| host["CapDrop"] = json!([])),
    ("mount /", |host| host["ReadonlyRootfs"] = json!(false)),
    ("processes", |host| host["PidsLimit"] = json!(0)),
    ("scratch files", |host| {
        host["Tmpfs"]["/tmp"] = json!("rw,noexec,nosuid,nodev,size=16777216,mode=1777");
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_not_ready_while_its_engine_drops_a_hardening() {
    let _machine = machine::shared().await;
    for (fact, drop_it) in DROPPED {
        let meddler = Meddler::start(move |configuration: &mut Value| {
            drop_it(&mut configuration["HostConfig"]);
        });
        let meddler = meddler.expect("a proxy");
        let host = meddler.host();
        let variables = [("DOCKER_HOST", host.as_str()), ("WARREN_POOL_SIZE", "0")];
        let mut warren = Warren::spawn("up", &variables).expect("it starts");
        warren.until_listening().await.expect("it listens");
        let weaker = "its sandbox is weaker than it must be, so no program is run";
        let health = warren
            .until_worker(&format!("refusing for {fact}"), |health| {
                let languages = &health["services"]["languages"];
                let says = languages["detail"].as_str().unwrap_or_default();
                languages["status"] == "down" && says.contains(weaker)
            })
            .await;
        let says = health["services"]["languages"]["detail"].as_str();
        assert!(
            says.unwrap_or_default().contains(fact),
            "{fact}: {health:#}"
        );
        assert!(warren.log().contains(fact), "the log names {fact}");
        let worker = warren.worker.clone().expect("a worker");
        let ready = http::get(format!("{worker}/readyz"))
            .await
            .expect("an answer");
        assert_eq!(ready.status, 503, "{fact}: {}", ready.raw);
        let instance = health["instance"].as_str().expect("a name").to_owned();
        drop(warren);
        docker::until_none_of(&instance).await;
    }
}
