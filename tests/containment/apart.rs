//! Jobs are apart: each has a container for itself, and each container a user.

use std::collections::BTreeSet;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use crate::harness::dockerd::{Dockerd, python_alone};
use crate::harness::engine::{Engine, on_each_engine};
use crate::harness::http::program;
use crate::harness::{docker, machine, native, warren::Warren};

on_each_engine!(
    no_two_jobs_see_one_container,
    no_two_containers_of_a_worker_have_one_user,
);

/// Prints what no two containers have in common: while one lives, its namespace's number is not given
/// out again, and one that is started later has another start of PID 1.
const WHO: &str = "\
import os
started = open('/proc/1/stat').read().rsplit(')', 1)[1].split()[19]
print(os.readlink('/proc/self/ns/mnt'), started, os.getuid())
";

/// Runs a job and returns its container, as far as it can tell, and its user.
async fn container_and_user(warren: &Warren, code: &str) -> (String, u32) {
    let answer = warren.judged(&program("python", code)).await;
    let printed = answer.text("stdout").trim().to_owned();
    let (container, user) = printed.rsplit_once(' ').expect("three words");
    (container.to_owned(), user.parse().expect("a number"))
}

/// Returns the users of a worker's containers, in no order, those of its daemon's `client`.
async fn users_of(client: &bollard::Docker, instance: &str) -> Vec<u32> {
    let mut users = Vec::new();
    for id in docker::ids_at(client, instance).await {
        users.push(docker::user_of(client, &id).await);
    }
    users
}

async fn no_two_jobs_see_one_container(engine: Engine) {
    let _machine = machine::alone().await;
    let variables = [("WARREN_POLICY", "off"), ("WARREN_SLOTS", "3")];
    let warren = Warren::start_on(engine, "up", &variables)
        .await
        .expect("warren up starts");
    warren.until_pool_is_full().await;
    const JOBS: usize = 12;
    let seen: Vec<_> = stream::iter(0..JOBS)
        .map(|_| container_and_user(&warren, WHO))
        .buffer_unordered(3)
        .collect()
        .await;
    let containers: BTreeSet<_> = seen.iter().map(|(container, _)| container).collect();
    assert_eq!(containers.len(), JOBS, "{seen:#?}");
}

async fn no_two_containers_of_a_worker_have_one_user(engine: Engine) {
    let _machine = machine::shared().await;
    let variables = [("WARREN_POLICY", "off"), ("WARREN_POOL_SIZE", "3")];
    let warren = Warren::start_on(engine, "up", &variables)
        .await
        .expect("warren up starts");
    warren.until_pool_is_full().await;
    let users = match engine {
        Engine::Docker => users_of(&docker::client(), &warren.instance()).await,
        Engine::Native => {
            let inits = native::inits_of(warren.pid()).into_iter();
            inits.filter_map(native::user_of).collect()
        }
    };
    let distinct: BTreeSet<_> = users.iter().copied().collect();
    assert_eq!(distinct.len(), users.len(), "{users:?}");
    assert!(users.len() >= 6, "of both languages: {users:?}");
    let (_, user) = container_and_user(&warren, WHO).await;
    assert!(docker::USERS.contains(&user), "{user}");
}

/// The users that are left free on the daemon for two workers, which need about ten.
const FREE: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn workers_on_one_daemon_pass_over_each_others_users() {
    let _machine = machine::alone().await;
    let (dockerd, image) = Dockerd::with_python().await.expect("an engine of our own");
    // Others have all users but a few in the middle of the range.
    let middle = docker::USERS.start + 200..docker::USERS.start + 200 + FREE;
    let client = dockerd.client();
    let others: Vec<_> = docker::USERS
        .filter(|user| !middle.contains(user))
        .collect();
    for some in others.chunks(8) {
        join_all(some.iter().map(|user| hold(&client, &image, *user))).await;
    }
    let languages = dockerd.write_languages(python_alone());
    let host = dockerd.host();
    let variables = [
        ("DOCKER_HOST", host.as_str()),
        ("WARREN_IMAGE_PYTHON", image.as_str()),
        ("WARREN_LANGUAGES", languages.as_str()),
        ("WARREN_POLICY", "off"),
        ("WARREN_POOL_SIZE", "4"),
        ("WARREN_SLOTS", "1"),
    ];
    let both = join_all([0, 1].map(|_| Warren::start("up", &variables))).await;
    let both: Vec<_> = both
        .into_iter()
        .map(|warren| warren.expect("it starts"))
        .collect();
    let mut users = Vec::new();
    for warren in &both {
        warren.until_pool_is_full().await;
        let (_, user) = container_and_user(warren, WHO).await;
        assert!(middle.contains(&user), "{user}");
        warren.until_pool_is_full().await;
    }
    for warren in &both {
        users.extend(users_of(&client, &warren.instance()).await);
    }
    let distinct: BTreeSet<_> = users.iter().copied().collect();
    assert_eq!(distinct.len(), users.len(), "{users:?}");
    assert!(users.len() >= 8, "two pools: {users:?}");
    assert!(users.iter().all(|user| middle.contains(user)), "{users:?}");
    for user in others {
        let kept = client.inspect_container(&name(user), None).await;
        assert!(kept.is_ok(), "the container of {user} is another's");
    }
}

/// Creates a container that has this user, and never starts it.
async fn hold(client: &bollard::Docker, image: &str, user: u32) {
    let name = name(user);
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["true".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let created = client.create_container(Some(options), body).await;
    created.expect("docker creates a container");
}

fn name(user: u32) -> String {
    format!("warren-user-{user}")
}
