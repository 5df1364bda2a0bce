//! Verifies every limit of the contract from inside a container.

use serde_json::{Value, json};

use crate::harness::http::program;
use crate::harness::{corpus, machine, warren::Warren};

async fn probe() -> Value {
    let warren = Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let submission = program("python", &corpus::source("python/probe_containment.py"));
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    serde_json::from_str(answer.text("stdout")).expect("the probe prints JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_is_effective_inside_a_container() {
    let _machine = machine::shared().await;
    let seen = probe().await;
    let is =
        |field: &str, expected: Value| assert_eq!(seen[field], expected, "{field} in {seen:#}");

    let uid = seen["uids"][0]
        .as_str()
        .and_then(|uid| uid.parse::<u32>().ok())
        .expect("a uid");
    assert!(
        (64_000..65_000).contains(&uid),
        "an unprivileged user: {uid}"
    );
    is("uids", json!([uid.to_string()]));
    is("groups", json!([uid.to_string()]));
    is("capabilities", json!([""]));
    is("no_new_privs", json!("1"));
    is("seccomp", json!("2"));
    let refused = ["splice", "tee", "syncfs", "mlockall"].map(|call| (call, json!("EPERM")));
    is("profile", refused.into_iter().collect());

    let memory = (256 * 1024 * 1024).to_string();
    is("memory", json!(memory));
    if seen["swap_v2"].is_null() {
        is("memory_and_swap_v1", json!(memory));
    } else {
        is("swap_v2", json!("0"));
    }
    is("pids", json!("50"));
    if seen["cpu_v2"].is_null() {
        is("cpu_quota_v1", json!("50000"));
        is("cpu_period_v1", json!("100000"));
    } else {
        is("cpu_v2", json!("50000 100000"));
    }

    is("interfaces", json!(["lo"]));
    is("routes", json!([]));
    is("core", json!([1, 1]));
    is("open_files", json!([256, 256]));

    is("root_mount", json!("ro"));
    is("scratch_bytes", json!(16 * 1024 * 1024));
    let scratch = seen["scratch_mount"].as_array().expect("options");
    for option in ["tmpfs", "rw", "noexec", "nosuid", "nodev"] {
        assert!(scratch.contains(&json!(option)), "{option} in {scratch:?}");
    }
    is("executes_scratch", json!("EACCES"));
    is("scratch_full", json!("ENOSPC"));
    assert!(
        seen["scratch_written"]
            .as_u64()
            .is_some_and(|n| n <= 16 << 20),
        "{seen:#}"
    );

    is("setuid", json!([]));
    is("creates_in", json!([]));
    is("proc_writable", json!([]));
    is("fork_fails_with", json!("EAGAIN"));
    assert!(
        seen["children"]
            .as_u64()
            .is_some_and(|n| (40..50).contains(&n)),
        "{seen:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_program_gets_no_more_than_half_a_cpu() {
    let _machine = machine::alone().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let answer = warren
        .judged(&program("python", &corpus::source("python/burn_cpu.py")))
        .await;
    let (wall, cpu) = (
        answer.body["durationMs"].as_f64().unwrap(),
        answer.body["cpuMs"].as_f64().unwrap(),
    );
    let share = cpu / wall;
    // The quota is kept per period of 100 ms, with the scheduler's slack; a whole CPU would be 1.
    // How much less than its quota the program gets depends on what else the machine does.
    assert!(share < 0.65, "{share} of a CPU: {}", answer.body);
    assert!(cpu > 0.0, "it was not measured: {}", answer.body);
}
