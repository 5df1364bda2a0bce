//! Checks that Warren leaves nothing behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::models::ContainerSummaryStateEnum;
use futures_util::{StreamExt, stream};

use crate::harness::http::{self, program};
use crate::harness::wait::SOON;
use crate::harness::{corpus, docker, machine, warren::Warren};

/// Programs of every kind, and the status of each. Those that reach their time limit are few, to
/// keep the test short.
const MIX: [(&str, &str); 10] = [
    ("python/hello.py", "completed"),
    ("javascript/hello.js", "completed"),
    ("python/uncaught_exception.py", "runtime_error"),
    ("javascript/syntax_error.js", "runtime_error"),
    ("python/output_flood.py", "output_limit_exceeded"),
    ("python/unicode.py", "completed"),
    ("javascript/exit_status_7.js", "runtime_error"),
    ("python/killed_by_sigsegv.py", "runtime_error"),
    ("python/never_reads_stdin.py", "completed"),
    ("python/hello.py", "completed"),
];

#[tokio::test(flavor = "multi_thread")]
async fn after_200_mixed_jobs_no_container_process_or_volume_is_left() {
    let _machine = machine::alone().await;
    let volumes = docker::volumes().await;
    let mut warren = Warren::start("up", &[]).await.expect("warren up starts");
    let url = warren.execute_url();
    let jobs = (0..200).map(|n| {
        let (fixture, status) = if n % 50 == 0 {
            ("python/endless_sleep.py", "time_limit_exceeded")
        } else {
            MIX[n % MIX.len()]
        };
        (url.clone(), fixture, status)
    });
    // As many callers at a time as there are slots.
    let answers = stream::iter(jobs).map(|(url, fixture, status)| async move {
        let submission = program(corpus::language(fixture), &corpus::source(fixture));
        let answer = if status == "time_limit_exceeded" {
            http::submit(url, &submission).await.expect("an answer")
        } else {
            http::judged(&url, &submission).await
        };
        (fixture, status, answer)
    });
    let mut answers = answers.buffer_unordered(4);
    while let Some((fixture, status, answer)) = answers.next().await {
        // One that takes its whole time may be late on a busy machine.
        let is_late = status == "time_limit_exceeded" && answer.is_late();
        assert!(
            is_late || (answer.status, answer.text("status")) == (200, status),
            "{fixture}: {}",
            answer.body
        );
    }
    // Containers that wait for a job are removed with their worker, before it ends.
    let instance = warren.instance();
    warren.terminate();
    let status = warren.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(docker::containers_of(&instance).await, []);
    assert_eq!(docker::volumes().await, volumes);
    until_no_processes_of_jobs().await;
}

/// How many workers are killed.
const KILLS: u32 = 4;
/// The latest moment to kill one, in milliseconds: jobs, refills and removals all take less.
const PHASES: u64 = 900;

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_at_any_moment_leave_nothing() {
    let _machine = machine::alone().await;
    let volumes = docker::volumes().await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let settings = [("WARREN_SLOTS", "2"), ("WARREN_POOL_SIZE", "2")];
    let mut instances = Vec::new();
    let mut marks = BTreeSet::new();
    for kill in 1..=KILLS {
        let warren = Warren::start("up", &settings).await;
        let mut warren = warren.expect("warren up starts");
        if kill == 1 {
            warren.until_pool_is_full().await;
            let alive = docker::marks_of(&warren.instance()).await;
            assert!(!traces(&alive).is_empty(), "what lives leaves traces");
        }
        // Jobs empty the pool, which is refilled beside them, until the worker is killed.
        let url = warren.execute_url();
        let busy = tokio::spawn(async move {
            let job = program("python", "import time\ntime.sleep(0.1)");
            while http::submit(url.clone(), &job).await.is_ok() {}
        });
        let url = warren.execute_url();
        let long = tokio::spawn(async move {
            let endless = program("python", &corpus::source("python/endless_sleep.py"));
            while http::submit(url.clone(), &endless).await.is_ok() {}
        });
        let phase = Duration::from_millis(random.u64(0..PHASES));
        tokio::time::sleep(phase).await;
        warren.kill();
        eprintln!("kill {kill} with seed {seed}: {phase:?} after the start");
        for caller in [busy, long] {
            caller.await.expect("it ends with the worker");
        }
        until_ended_by_themselves(&warren.instance()).await;
        marks.extend(docker::marks_of(&warren.instance()).await);
        instances.push(warren.instance());
    }
    assert!(!marks.is_empty(), "the workers had containers");

    let begun = Instant::now();
    let other = Warren::start("up", &settings).await;
    let other = other.expect("warren up starts");
    for instance in &instances {
        docker::until_none_of(instance).await;
    }
    eprintln!(
        "{} marks of containers; none left after {:?}",
        marks.len(),
        begun.elapsed()
    );
    drop(other);
    let begun = Instant::now();
    loop {
        let left = traces(&marks);
        if left.is_empty() {
            break;
        }
        assert!(begun.elapsed() < SOON, "{left:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(docker::volumes().await, volumes);
}

/// Waits until no container of a dead worker runs, while no other worker could end them.
async fn until_ended_by_themselves(instance: &str) {
    docker::until(instance, "ended by themselves", |left| {
        // One that was just being made has never started.
        let over = [
            ContainerSummaryStateEnum::EXITED,
            ContainerSummaryStateEnum::CREATED,
        ];
        let states = left.iter().filter_map(|container| container.state);
        states.filter(|state| !over.contains(state)).count() == 0
    })
    .await;
}

/// Returns the processes (by the cgroups that they are in), cgroups and mounts of this machine that
/// bear one of these marks.
fn traces(marks: &BTreeSet<String>) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    let mut found: Vec<_> = mounts.lines().map(str::to_owned).collect();
    directories(Path::new("/sys/fs/cgroup"), &mut found);
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    for process in processes {
        let groups = std::fs::read_to_string(process.path().join("cgroup"));
        found.extend(groups.map(|groups| format!("{}: {groups}", process.path().display())));
    }
    assert!(found.len() > 1, "there are cgroups and mounts");
    found.retain(|line| marks.iter().any(|mark| line.contains(mark)));
    found
}

fn directories(of: &Path, found: &mut Vec<String>) {
    // One that disappears in the meantime is no leftover.
    for entry in std::fs::read_dir(of).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path().display().to_string());
            directories(&entry.path(), found);
        }
    }
}

async fn until_no_processes_of_jobs() {
    let started = Instant::now();
    loop {
        let left = processes_of_jobs();
        if left.is_empty() {
            return;
        }
        assert!(started.elapsed() < SOON, "{left:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the processes of this machine that run as one of the users of our containers.
fn processes_of_jobs() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok())
        .filter(|status| {
            let uids = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
            let real = uids.and_then(|uids| uids.split('\t').next()?.parse::<u32>().ok());
            real.is_some_and(|uid| docker::USERS.contains(&uid))
        })
        .collect()
}
