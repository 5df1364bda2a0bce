//! The faults, each at a random moment.
//!
//! Those of one series come one after another; the series go on side by side, so that a worker dies while
//! the broker is away and a connection is slow.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep, timeout};

use super::journal::{Journal, Kind};
use super::plan::Plan;
use super::post::{Post, Role};
use super::site::Site;
use crate::harness::proxy::{Direction, Proxy};
use crate::harness::wait::SOON;

/// How long a worker that runs a job is looked for before any is killed.
const AIM: Duration = Duration::from_millis(500);
/// How long a connection chosen to be cut may take to carry its last bytes.
const LAST_BYTES: Duration = Duration::from_millis(1_500);
/// The longest pause between a broker's return and the next fault on top of it.
const BROKER_BACK: Duration = Duration::from_secs(2);
/// Requests that nobody ever waits longer for.
const LISTING: Duration = Duration::from_secs(60);

/// Does what a plan says.
pub struct Faults {
    pub site: Arc<Site>,
    pub journal: Arc<Journal>,
    pub plan: Plan,
}

/// One fault of a plan.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillWorker,
    RestartBroker(Kind),
    Cut,
    Silence,
    Delay,
    DeleteReplyQueue,
    DeleteJobQueue,
    CloseConnection,
    KillApi,
    Roll,
}

impl Faults {
    /// All of them, to the last.
    pub async fn run(self: Arc<Self>, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let Plan {
            kills,
            restarts,
            cuts,
            silences,
            delays,
            orders,
            api_kills,
            rolls,
            ..
        } = self.plan;
        let mut stops = [Kind::BrokerKill, Kind::BrokerStop];
        random.shuffle(&mut stops);
        let orders = (0..orders).map(|n| match n % 4 {
            0 | 2 => Fault::DeleteReplyQueue,
            1 => Fault::CloseConnection,
            _ => Fault::DeleteJobQueue,
        });
        let restarts = (0..restarts).map(|n| Fault::RestartBroker(stops[n as usize % 2]));
        let series = [
            many(Fault::KillWorker, kills),
            restarts.collect(),
            [
                many(Fault::Cut, cuts),
                many(Fault::Silence, silences),
                many(Fault::Delay, delays),
            ]
            .concat(),
            orders.collect(),
            [many(Fault::KillApi, api_kills), many(Fault::Roll, rolls)].concat(),
        ];
        let series = series.map(|mut faults| {
            random.shuffle(&mut faults);
            tokio::spawn(Arc::clone(&self).run_series(faults, random.fork()))
        });
        for ended in try_join_all(series).await? {
            ended?;
        }
        Ok(())
    }

    async fn run_series(
        self: Arc<Self>,
        faults: Vec<Fault>,
        mut random: fastrand::Rng,
    ) -> anyhow::Result<()> {
        let each = self.plan.span.as_secs_f64() / faults.len().max(1) as f64;
        for fault in faults {
            let pause = Duration::from_secs_f64(random.f64() * 2.0 * each);
            sleep(pause).await;
            // Without a broker there is little that a fault could break, so most wait for it.
            if random.u8(0..4) > 0 && self.site.broker.try_lock().is_err() {
                drop(self.site.broker.lock().await);
                sleep(pause.min(BROKER_BACK)).await;
            }
            self.one(fault, &mut random).await?;
        }
        Ok(())
    }

    async fn one(&self, fault: Fault, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        match fault {
            Fault::KillWorker => self.kill_worker(random).await,
            Fault::RestartBroker(kind) => self.restart_broker(kind).await,
            Fault::Cut => self.cut(random).await,
            Fault::Silence => self.silence(random).await,
            Fault::Delay => self.delay(random).await,
            Fault::DeleteReplyQueue => self.delete_queue("warren.reply.", random).await,
            Fault::DeleteJobQueue => self.delete_queue("warren.jobs.interactive", random).await,
            Fault::CloseConnection => self.close_connection(random).await,
            Fault::KillApi => self.kill_api(random).await,
            Fault::Roll => self.roll(random).await,
        }
    }

    /// Every other one while it is known to run a job.
    async fn kill_worker(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let mut workers = self.site.of(Role::Worker);
        random.shuffle(&mut workers);
        let mut victim = Arc::clone(&workers[0]);
        if random.bool() {
            let busy = async {
                loop {
                    for worker in &workers {
                        if worker.runs_a_job().await {
                            return Arc::clone(worker);
                        }
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            if let Ok(busy) = timeout(AIM, busy).await {
                victim = busy;
            }
        }
        let number = self
            .journal
            .begin(Kind::WorkerKill, format!("SIGKILL {}", victim.name));
        victim.kill().await?;
        self.journal.over(number);
        Ok(())
    }

    async fn restart_broker(&self, kind: Kind) -> anyhow::Result<()> {
        let mut broker = self.site.broker.lock().await;
        let number = self.journal.begin(kind, kind.name());
        if kind == Kind::BrokerKill {
            broker.kill();
        } else {
            broker.stop().await?;
        }
        broker.start().await?;
        self.journal.over(number);
        Ok(())
    }

    /// The way to the broker of one process, or of the test itself.
    fn line<'a>(
        &'a self,
        posts: &'a [Arc<Post>],
        random: &mut fastrand::Rng,
    ) -> (&'a str, &'a Proxy) {
        match posts.get(random.usize(..=posts.len())) {
            Some(post) => (&post.name, &post.line),
            None => ("the test", &self.site.line),
        }
    }

    async fn cut(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let (name, line) = self.line(&self.site.posts, random);
            // A frame of a publication is some hundred bytes long, a reply's some thousand.
            let bytes = random.u64(0..3_000);
            let begun = self
                .journal
                .begin(Kind::Cut, format!("{name}: cut after {bytes} bytes"));
            if let Some(cut) = line.cut_one(bytes, |n| random.usize(..n)) {
                if timeout(LAST_BYTES, cut.cancelled()).await.is_err() {
                    cut.cancel();
                }
                self.journal.over(begun);
                return Ok(());
            }
            self.journal.withdraw(begun);
            anyhow::ensure!(started.elapsed() < SOON, "no connection to cut");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn silence(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let (name, line) = self.line(&self.site.posts, random);
        let span = Duration::from_millis(random.u64(1_500..6_000));
        let (deaf, ways): (&[Direction], _) = match random.u8(0..3) {
            0 => (&[Direction::Up], "to the broker"),
            1 => (&[Direction::Down], "from the broker"),
            _ => (&[Direction::Up, Direction::Down], "both ways"),
        };
        let what = format!("{name}: nothing passes {ways} for {span:.1?}");
        let number = self.journal.begin(Kind::Silence, what);
        for way in deaf {
            line.set_deaf_to(*way, true);
        }
        sleep(span).await;
        line.set_deaf(false);
        self.journal.over(number);
        Ok(())
    }

    async fn delay(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let (name, line) = self.line(&self.site.posts, random);
        let delay = Duration::from_millis(random.u64(20..250));
        let what = format!("{name}: everything {delay:?} later");
        let number = self.journal.begin(Kind::Delay, what);
        line.set_delay(delay);
        sleep(Duration::from_secs(3)).await;
        line.set_delay(Duration::ZERO);
        self.journal.over(number);
        Ok(())
    }

    async fn delete_queue(&self, prefix: &str, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let path = "/queues/%2f?columns=name&disable_stats=true";
        let chosen = self.choose(path, prefix, random).await?;
        let number = self
            .journal
            .begin(Kind::QueueDeleted, format!("{chosen} deleted"));
        // Gone meanwhile, or its broker is: then that was the fault.
        drop(self.order(&format!("/queues/%2f/{chosen}")).await);
        self.journal.over(number);
        Ok(())
    }

    async fn close_connection(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let chosen = self.choose("/connections?columns=name", "", random).await?;
        let number = self
            .journal
            .begin(Kind::ConnectionClosed, format!("{chosen} closed"));
        let path = chosen.replace(' ', "%20").replace('>', "%3E");
        drop(self.order(&format!("/connections/{path}")).await);
        self.journal.over(number);
        Ok(())
    }

    /// One of what the management API lists, as soon as there is one.
    async fn choose(
        &self,
        path: &str,
        prefix: &str,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<String> {
        let started = Instant::now();
        loop {
            let listed = timeout(LISTING, self.site.management.get(path)).await;
            let all = listed.ok().and_then(Result::ok).unwrap_or_default();
            let names = all.as_array().into_iter().flatten();
            let names: Vec<_> = names
                .filter_map(|one| one["name"].as_str())
                .filter(|name| name.starts_with(prefix))
                .collect();
            if let Some(name) = random.choice(names) {
                return Ok(name.to_owned());
            }
            anyhow::ensure!(started.elapsed() < SOON, "{path} lists nothing");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn order(&self, path: &str) -> anyhow::Result<()> {
        timeout(LISTING, self.site.management.delete(path)).await?
    }

    async fn kill_api(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let apis = self.site.of(Role::Api);
        let victim = &apis[random.usize(..apis.len())];
        let number = self
            .journal
            .begin(Kind::ApiKill, format!("SIGKILL {}", victim.name));
        victim.kill().await?;
        self.journal.over(number);
        Ok(())
    }

    async fn roll(&self, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let posts = &self.site.posts;
        let post = &posts[random.usize(..posts.len())];
        let number = self
            .journal
            .begin(Kind::Rolled, format!("SIGTERM {}", post.name));
        post.roll(&self.journal).await?;
        self.journal.over(number);
        Ok(())
    }
}

fn many(fault: Fault, n: u32) -> Vec<Fault> {
    (0..n).map(|_| fault).collect()
}
