//! Tests of jobs that only Judge0 can run.

mod faults;
mod runs;
mod server;

use std::time::Duration;

use serde_json::{Value, json};
use warren_config::Env;

use super::bench::Bench;
use crate::Config;
use crate::config::FallbackConfig;
use crate::execution::dispatch::config::PollPauses;
use server::{Judge0, KEY};

/// A program that prints what it is fed, and fails for some of it.
fn cat(input: &str) -> Value {
    let mut done = json!({"time": "0.012", "wall_time": "0.034", "memory": 3_000, "stdout": input,
        "stderr": null, "exit_code": 0, "exit_signal": null, "status": {"id": 3}});
    let more = match input {
        "die" => {
            json!({"status": {"id": 11}, "exit_code": 137, "message": "Exited with error code 137"})
        }
        "loop" => json!({"status": {"id": 5}, "message": "Time limit exceeded", "time": "3.0"}),
        "throw" => json!({"status": {"id": 11}, "exit_code": 1, "stderr": "Error: thrown\n"}),
        "internal" => json!({"status": {"id": 13}, "message": "No space left on device"}),
        "exec" => json!({"status": {"id": 14}, "message": "execve: Exec format error"}),
        "long" => json!({"stdout": "x".repeat(1 << 20)}),
        "half" => json!({"stdout": "ä".repeat(40_000)}),
        _ => json!({}),
    };
    let more = more.as_object().unwrap().clone();
    done.as_object_mut().unwrap().extend(more);
    done
}

/// An API whose queue has no worker, and which may ask this Judge0.
async fn bench(judge0: &Judge0) -> Bench {
    bench_with(judge0, KEY, |_config| {}).await
}

async fn bench_with(judge0: &Judge0, key: &str, more: impl FnOnce(&mut Config)) -> Bench {
    let url = format!("http://{}", judge0.address);
    let mut env = Env::from([("JUDGE0_URL", url.as_str()), ("JUDGE0_API_KEY", key)]);
    let mut fallback = FallbackConfig::from_env(&mut env);
    env.finish().unwrap();
    // As many looks as there would be, without the pauses between them.
    let moment = Duration::from_millis(1);
    fallback.judge0.as_mut().unwrap().pauses = PollPauses {
        first: moment,
        last: moment,
    };
    Bench::with(|config| {
        config.fallback = fallback;
        more(config);
    })
    .await
}

fn python(more: Value) -> String {
    let mut body = json!({"language": "python", "code": "print(input())"});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body.to_string()
}
