//! Verifies every limit of the contract from inside a container.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::engine::{Engine, on_each_engine};
use crate::harness::http::program;
use crate::harness::wait::SOON;
use crate::harness::{corpus, docker, machine, native, warren::Warren};

on_each_engine!(
    every_limit_is_effective_inside_a_container,
    a_busy_program_gets_no_more_than_half_a_cpu,
    processes_that_sit_in_the_kernel_never_use_two_cpus_at_once,
);

async fn probe(engine: Engine) -> Value {
    let warren = Warren::start_on(engine, "up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let submission = program("python", &corpus::source("python/probe_containment.py"));
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    serde_json::from_str(answer.text("stdout")).expect("the probe prints JSON")
}

async fn every_limit_is_effective_inside_a_container(engine: Engine) {
    let _machine = machine::shared().await;
    let seen = probe(engine).await;
    let is =
        |field: &str, expected: Value| assert_eq!(seen[field], expected, "{field} in {seen:#}");

    let uid = seen["uids"][0]
        .as_str()
        .and_then(|uid| uid.parse::<u32>().ok())
        .expect("a uid");
    assert!(docker::USERS.contains(&uid), "an unprivileged user: {uid}");
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

    is("cpus", json!(1));
    is("oom_score_of_init", json!("500"));

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
    is("scratch_files_end_with", json!("ENOSPC"));
    assert!(
        seen["scratch_files"]
            .as_u64()
            .is_some_and(|n| (4_000..4_096).contains(&n)),
        "{seen:#}"
    );
    is("shared_memory_bytes", json!(4 * 1024 * 1024));
    let shared = seen["shared_memory_mount"].as_array().expect("options");
    for option in ["tmpfs", "rw", "noexec", "nosuid", "nodev"] {
        assert!(shared.contains(&json!(option)), "{option} in {shared:?}");
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
    is("creates_in", json!(["/dev/shm"]));
    is("unmasked", json!([]));
    is("not_read_only", json!([]));
    let count = |field: &str| seen[field].as_array().map_or(0, Vec::len);
    assert!(count("masked") > 8 && count("read_only") > 3, "{seen:#}");
    is("opens_terminal", json!("ENOENT"));
    is("proc_writable", json!([]));
    is("fork_fails_with", json!("EAGAIN"));
    assert!(
        seen["children"]
            .as_u64()
            .is_some_and(|n| (40..50).contains(&n)),
        "{seen:#}"
    );
}

async fn a_busy_program_gets_no_more_than_half_a_cpu(engine: Engine) {
    let _machine = machine::alone().await;
    let warren = Warren::start_on(engine, "up", &[])
        .await
        .expect("warren up starts");
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

/// One look at how much CPU time a container has used.
#[derive(Clone, Copy)]
struct Look {
    asked: Instant,
    told: Instant,
    cpu: Duration,
}

impl Look {
    fn at(account: &Path) -> Option<Self> {
        let asked = Instant::now();
        let cpu = docker::cpu_in(account)?;
        Some(Self {
            asked,
            told: Instant::now(),
            cpu,
        })
    }

    /// Returns the CPUs that were in use between two looks, at least: the looks themselves take time.
    fn cpus_since(&self, earlier: &Self) -> f64 {
        let longest = self.told - earlier.asked;
        self.cpu.saturating_sub(earlier.cpu).as_secs_f64() / longest.as_secs_f64()
    }
}

/// The shortest time between two looks that are compared: many times what a look takes, and many of
/// the kernel's ticks.
const APART: Duration = Duration::from_millis(200);

/// Returns the kernel's file with the CPU time of the container of the only job, once there is one.
async fn account_of_the_job(warren: &Warren) -> Option<PathBuf> {
    match warren.engine {
        Engine::Docker => {
            let jobs = docker::containers_of_jobs(&warren.instance()).await;
            jobs.first().and_then(|id| docker::cpu_account(id))
        }
        Engine::Native => {
            let mut inits = native::inits_of(warren.pid()).into_iter();
            inits.find_map(native::cpu_account)
        }
    }
}

/// Looks at the job's container until it is gone. Returns the most CPUs that it had in use at once.
async fn most_cpus_of_the_job(warren: &Warren) -> f64 {
    let started = Instant::now();
    let account = loop {
        if let Some(account) = account_of_the_job(warren).await {
            break account;
        }
        assert!(started.elapsed() < SOON, "there is no container");
    };
    let (mut looks, mut most) = (VecDeque::new(), 0.0_f64);
    while let Some(look) = Look::at(&account) {
        looks.push_back(look);
        while let Some(earliest) = looks.front().filter(|it| look.asked > it.told + APART) {
            most = most.max(look.cpus_since(earliest));
            looks.pop_front();
        }
        assert!(started.elapsed() < SOON, "the container does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    most
}

async fn processes_that_sit_in_the_kernel_never_use_two_cpus_at_once(engine: Engine) {
    let _machine = machine::alone().await;
    // No pool: the job has the only container that is labelled with one.
    let variables = [("WARREN_POLICY", "off"), ("WARREN_POOL_SIZE", "0")];
    let warren = Warren::start_on(engine, "up", &variables)
        .await
        .expect("warren up starts");
    let submission = program(
        "python",
        &corpus::source("python/burn_cpu_in_the_kernel.py"),
    );
    let (answer, most) = tokio::join!(warren.submit(&submission), most_cpus_of_the_job(&warren));
    let answer = answer.expect("an answer");
    eprintln!("{most:.2} CPUs at most: {:.300}", answer.raw);
    assert!(most > 0.0, "it was not seen: {:.300}", answer.raw);
    // One CPU, and what the kernel's counting adds; without its one core it would be two.
    assert!(most < 1.25, "{most} CPUs at once: {:.300}", answer.raw);
}
