//! The programs in `examples/`, run as their README says, against a real Warren.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use crate::harness::{http, images, machine, wait::SOON, warren::Warren};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Runs a command to its end.
async fn output(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    running.await.expect("no panic").expect("it starts")
}

/// Runs `submit.py` with the server's address and these arguments.
async fn submit_py(server: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command
        .arg("submit.py")
        .args(arguments)
        .current_dir(examples())
        .env_remove("WARREN_KEY")
        .env("WARREN_SERVER", server);
    output(command).await
}

/// Runs `submit.mjs` on the Node of the sandboxes' base image, which every machine that runs the
/// tests has.
async fn submit_mjs(server: &str, arguments: &[&str]) -> Output {
    let image = images::variables()
        .remove("WARREN_IMAGE_JAVASCRIPT")
        .unwrap_or_else(|| "node:18-alpine".to_owned());
    let mount = format!(
        "type=bind,src={},dst=/examples,readonly",
        examples().display()
    );
    let mut command = Command::new("docker");
    command
        .args(["run", "--rm", "--network=host", "--mount", &mount])
        .args(["--env", &format!("WARREN_SERVER={server}")])
        .args(["--workdir", "/examples", "--entrypoint", "node", &image])
        .arg("submit.mjs")
        .args(arguments);
    output(command).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_py_shows_verdicts_and_says_what_is_wrong() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let server = warren.api.clone().expect("an API");

    let passed = submit_py(&server, &["double.py", "1", "2", "21", "42"]).await;
    assert_eq!(passed.status.code(), Some(0), "{passed:?}");
    let said = text(&passed.stderr);
    assert!(
        said.starts_with("case 1: completed\ncase 2: completed\ncompleted in "),
        "{said}"
    );

    let failed = submit_py(&server, &["double.py", "1", "3"]).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(text(&failed.stdout), "2\n", "{failed:?}");
    assert!(
        text(&failed.stderr).starts_with("case 1: wrong_answer\n"),
        "{failed:?}"
    );

    // The example is a program like any other, and one that is not allowed.
    let refused = submit_py(&server, &["submit.py"]).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).starts_with("400 "), "{refused:?}");
    let nobody = submit_py("http://127.0.0.1:1", &["double.py"]).await;
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    assert!(text(&nobody.stderr).starts_with("cannot run the program"));
}

/// A running `webhook_receiver.py`, ended when dropped.
struct Receiver {
    child: Child,
    url: String,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["webhook_receiver.py", "0"])
            .current_dir(examples())
            .env("WARREN_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let first = lines.recv_timeout(SOON).expect("it says where it listens");
        let url = first.strip_prefix("listening on ").expect("an address");
        Self {
            url: url.to_owned(),
            child,
            lines,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_mjs_has_its_result_posted_to_a_receiver_that_verifies_it() {
    let _machine = machine::shared().await;
    let receiver = Receiver::start();
    let variables = [
        ("WARREN_WEBHOOK_SECRET", SECRET),
        ("WARREN_CALLBACK_ALLOW", "127.0.0.0/8"),
    ];
    let warren = Warren::start("up", &variables).await;
    let warren = warren.expect("warren up starts");
    let server = warren.api.clone().expect("an API");

    // A sender that does not know the secret is ignored, and the next line is not about its job.
    let forged = br#"{"data":{"jobId":"forged","status":"completed"}}"#.to_vec();
    let refused = http::post(receiver.url.clone(), "application/json", forged).await;
    assert_eq!(refused.expect("an answer").status, 401);

    let done = submit_mjs(&server, &["hello.js", &receiver.url]).await;
    assert_eq!(
        (done.status.code(), text(&done.stdout)),
        (Some(0), "hello from a sandbox\n"),
        "{done:?}"
    );
    let (job, status) = text(&done.stderr)
        .trim()
        .split_once(": ")
        .expect("a verdict");
    assert_eq!(status, "completed", "{done:?}");
    let posted = receiver.lines.recv_timeout(SOON).expect("a callback");
    assert_eq!(posted, format!("{job} completed"));
}

#[test]
fn the_receiver_accepts_only_fresh_and_valid_signatures() {
    let check = r#"
from webhook_receiver import is_signed, keys
secret = keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
body, at = b'{"test": 2432232314}', 1614265330
good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
def case(signature=good, identity="msg_p5jXN8AQM9LWM0D4loKWxJek", time=str(at), body=body, now=at):
    headers = {"webhook-id": identity, "webhook-timestamp": time, "webhook-signature": signature}
    return is_signed(secret, headers, body, now)
assert case() and case("v1,AAAA " + good) and case(now=at + 299) and case(now=at - 299)
for bad in [dict(signature=""), dict(signature="v1,"), dict(signature=good.replace("v1", "v2")),
            dict(signature="v1,###"), dict(body=body + b" "), dict(identity="other"), dict(identity=""),
            dict(time=str(at + 1)), dict(time="-1"), dict(time=""), dict(now=at + 301), dict(now=at - 301)]:
    assert not case(**bad), bad
for bad in ["", "whsec_###", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]:
    try:
        keys(bad)
    except ValueError:
        continue
    raise AssertionError(bad)
print("verified")
"#;
    let checked = Command::new("python3")
        .args(["-B", "-c", check])
        .current_dir(examples())
        .output()
        .expect("python3 starts");
    assert_eq!(text(&checked.stdout), "verified\n", "{checked:?}");
}
