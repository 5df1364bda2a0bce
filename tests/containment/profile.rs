//! The container's own system-call profile, with nothing of the runner's beside it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{corpus, docker, machine, warren::Warren};

/// The capabilities for the calls that are to be refused. Without them the kernel would refuse many by
/// itself.
const POWERS: &[&str] = &[
    "DAC_READ_SEARCH",
    "IPC_OWNER",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_alone_refuses_each_call_even_to_root() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let language = |container: &bollard::models::ContainerSummary| {
        let labels = container.labels.as_ref();
        labels.is_some_and(|labels| {
            labels
                .get("warren.language")
                .is_some_and(|is| is == "python")
        })
    };
    let is_there = |containers: &[_]| containers.iter().any(language);
    docker::until(&warren.instance(), "a parked Python", is_there).await;
    let all = docker::containers_of(&warren.instance()).await;
    let id = all
        .iter()
        .find(|one| language(one))
        .and_then(|one| one.id.clone());
    let inspected = docker::client()
        .inspect_container(&id.expect("an id"), None)
        .await
        .expect("docker inspects a parked container");
    let options = inspected.host_config.and_then(|host| host.security_opt);
    let options = options.expect("security options");
    let profile = options
        .iter()
        .find_map(|option| option.strip_prefix("seccomp="));

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), profile.expect("a profile")).expect("the profile is written");
    let mut docker = Command::new("docker");
    docker
        .args([
            "run",
            "--rm",
            "--interactive",
            "--network",
            "none",
            "--user",
            "0:0",
        ])
        .args(POWERS.iter().flat_map(|power| ["--cap-add", power]))
        .args(["--security-opt", "no-new-privileges", "--security-opt"])
        .arg(format!("seccomp={}", file.path().display()))
        .args(["--env", "PROFILE_ALONE=1", "--entrypoint", "python3"])
        .args([inspected.image.expect("an image").as_str(), "-"]);
    let mut docker = docker
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker starts");
    let program = corpus::source("hostile/forbidden_calls.py");
    let mut stdin = docker.stdin.take().expect("a pipe");
    stdin
        .write_all(program.as_bytes())
        .expect("the program is read");
    drop(stdin);
    let output = docker.wait_with_output().expect("docker ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"contained\n", "{stderr}");
}
