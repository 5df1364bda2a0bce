//! Sends ten times as many requests as can be served.
//!
//! Accepted requests are answered in time, the rest are refused at once, and the API does not grow.

use std::fs;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::harness::http::{Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::{load, machine, warren::Warren};

/// The length of the overload in `make test`, in seconds; `make soak` sets two minutes.
const SHORT_S: u64 = 8;
/// The time for which the capacity is measured before that.
const MEASURE: Duration = Duration::from_secs(4);
/// Callers that measure it: a few more than a worker has slots on two cores.
const CALLERS: usize = 6;
/// The factor by which the load exceeds the capacity.
const OVERLOAD: f64 = 10.0;
/// The time within which callers are promised an answer.
const PROMISED: Duration = Duration::from_millis(5_500);
/// The time within which 99 of 100 refusals are sent, on a machine without other load (a soak's).
const REFUSED_WITHIN: Duration = Duration::from_millis(100);
/// The time within which half of them are sent on any machine: callers that wait for a result are
/// answered much later.
const REFUSED_SOON: Duration = Duration::from_secs(1);
/// The growth that is allowed to the API from the first quarter to the end, in KiB: what its
/// recorder and the allocator keep for bursts.
const GROWTH_KIB: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_at_once_and_accepted_requests_are_answered() {
    let seconds = std::env::var("WARREN_SOAK_OVERLOAD_S");
    let seconds = seconds.map(|text| text.parse().expect("WARREN_SOAK_OVERLOAD_S: seconds"));
    let is_long = seconds.is_ok();
    let duration = Duration::from_secs(seconds.unwrap_or(SHORT_S));

    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let _worker = Warren::start("worker", &broker)
        .await
        .expect("a worker starts");
    let api = Warren::start("api", &broker).await.expect("the API starts");
    let target = Target::of(&api);

    let capacity = target.capacity().await;
    let rss = || resident_kib(api.pid());
    let (answers, memory) = target.flood(capacity * OVERLOAD, duration, rss).await;

    let (accepted, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    // With other load, the machine may become slower than was expected when a job was accepted.
    let (late, refused): (Vec<_>, Vec<_>) = others
        .iter()
        .partition(|answer| answer.error_code() == "timed_out");
    let refusals = Spread::of(&refused);
    let served = Spread::of(&accepted);
    let throughput = accepted.len() as f64 / duration.as_secs_f64();
    let quarter = memory.len() / 4;
    let early = memory[..=quarter].iter().max().copied().unwrap_or_default();
    let end = memory.last().copied().unwrap_or_default();
    println!(
        "overload: {} s at {:.0} requests a second, {OVERLOAD} times the capacity of {capacity:.1}: {} accepted ({throughput:.1} a second), \
         answered within {:.0?} (half within {:.0?}); {} late; {} refused, half within {:.1?}, 99 % within {:.1?}, all within {:.0?}; API {early} KiB, then {end} KiB",
        duration.as_secs(),
        capacity * OVERLOAD,
        accepted.len(),
        served.all,
        served.half,
        late.len(),
        refused.len(),
        refusals.half,
        refusals.most,
        refusals.all,
    );

    for answer in &accepted {
        assert!(answer.took < PROMISED, "{answer:?}");
    }
    for answer in &refused {
        let told = answer.retry_after.as_ref().map(|text| text.parse::<u64>());
        let is_refusal = answer.status == 503 && answer.error_code() == "overloaded";
        let says_when = matches!(told, Some(Ok(1..=30)));
        assert!(is_refusal && says_when, "{answer:?}");
    }
    assert!(refused.len() > accepted.len(), "it was no overload");
    assert!(late.len() < accepted.len(), "{} were late", late.len());
    assert!(refusals.half < REFUSED_SOON, "{refusals:?}");
    // Between two phases of one run other load may come and go; a soak has the machine to itself.
    if is_long {
        assert!(refused.len() > 5 * accepted.len(), "it was no overload");
        assert!(late.is_empty(), "{} were late", late.len());
        assert!(refusals.most < REFUSED_WITHIN, "{refusals:?}");
        assert!(
            throughput > capacity / 2.0,
            "the load keeps the worker from its jobs"
        );
    }
    assert!(end < early + GROWTH_KIB, "the API grows: {memory:?} KiB");
}

/// The spread of the times that answers took.
#[derive(Debug)]
struct Spread {
    half: Duration,
    most: Duration,
    all: Duration,
}

impl Spread {
    fn of(answers: &[&Answer]) -> Self {
        let mut times: Vec<_> = answers.iter().map(|answer| answer.took).collect();
        times.sort();
        let part = |percent: usize| times[(times.len() - 1) * percent / 100];
        assert!(!times.is_empty(), "there are such answers");
        Self {
            half: part(50),
            most: part(99),
            all: part(100),
        }
    }
}

struct Target {
    address: String,
    path: String,
    programs: Vec<String>,
}

impl Target {
    fn of(api: &Warren) -> Self {
        let url = api.execute_url();
        let url = url.strip_prefix("http://").expect("an address");
        let (address, path) = url.split_once('/').expect("a path");
        let quick = program("python", "print('hello')");
        let other = program("javascript", "console.log('hello')");
        let slow = program("python", "import time\ntime.sleep(1)\nprint('hello')");
        let programs = [
            &quick, &quick, &other, &quick, &quick, &slow, &quick, &other, &quick, &quick,
        ];
        Self {
            address: address.to_owned(),
            path: format!("/{path}"),
            programs: programs.map(ToString::to_string).to_vec(),
        }
    }

    fn ask(&self, number: usize) -> impl Future<Output = anyhow::Result<Answer>> + Send + 'static {
        let program = self.programs[number % self.programs.len()].clone();
        let (address, path) = (self.address.clone(), self.path.clone());
        async move { load::post(&address, &path, None, &program).await }
    }

    /// Measures jobs per second, with enough callers to keep the slots taken.
    async fn capacity(&self) -> f64 {
        let started = Instant::now();
        let callers = (0..CALLERS).map(|caller| async move {
            let mut done = 0_u32;
            for round in 0.. {
                if started.elapsed() >= MEASURE {
                    break;
                }
                let answer = self.ask(caller + round).await.expect("an answer");
                if answer.status == 200 {
                    done += 1;
                } else {
                    assert!(answer.is_late(), "{answer:?}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            done
        });
        let done: u32 = join_all(callers).await.into_iter().sum();
        f64::from(done) / started.elapsed().as_secs_f64()
    }

    /// Sends so many requests a second, whatever their answers. Returns the answers, and the value
    /// of `memory` each second.
    async fn flood(
        &self,
        rate: f64,
        duration: Duration,
        memory: impl Fn() -> u64,
    ) -> (Vec<Answer>, Vec<u64>) {
        let (started, mut asked) = (Instant::now(), JoinSet::new());
        let mut measured = vec![memory()];
        let mut tick = interval(Duration::from_secs_f64(1.0 / rate));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0.. {
            tick.tick().await;
            if started.elapsed() >= duration {
                break;
            }
            asked.spawn(self.ask(number));
            if started.elapsed().as_secs() >= measured.len() as u64 {
                measured.push(memory());
            }
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.push(
                answer
                    .expect("no panic")
                    .expect("every request is answered"),
            );
        }
        measured.push(memory());
        (answers, measured)
    }
}

/// Returns the memory of a process that is in RAM.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the API runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a size")
}
