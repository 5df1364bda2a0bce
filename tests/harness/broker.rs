//! A RabbitMQ broker of a test's own, which it can stop and start.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use super::rabbitmq::Management;
use super::wait::SOON;

/// The configuration that `rabbitmq/` ships, in force here as well.
const SHIPPED_CONFIGURATION: &str = include_str!("../../rabbitmq/rabbitmq.conf");
const SHIPPED_ADVANCED: &str = include_str!("../../rabbitmq/advanced.config");

/// A broker on loopback ports of its own, with its data in a temporary directory. Dropping it
/// kills it; its log is shown when the test failed.
pub struct Broker {
    directory: TempDir,
    node: String,
    amqp_port: u16,
    management_port: u16,
    distribution_port: u16,
    server: Option<Child>,
}

impl Broker {
    /// Creates a broker that is not started yet.
    pub fn prepare() -> anyhow::Result<Self> {
        let [amqp_port, management_port, distribution_port] = free_ports();
        let broker = Self {
            directory: TempDir::with_prefix("warren-broker-")?,
            node: format!("warren-test-{}-{amqp_port}@localhost", std::process::id()),
            amqp_port,
            management_port,
            distribution_port,
            server: None,
        };
        let own = ["management.", "log.console.level"];
        let shipped = SHIPPED_CONFIGURATION
            .lines()
            .filter(|line| !own.iter().any(|name| line.starts_with(name)));
        let configuration = format!(
            "{}\nlisteners.tcp.local = 127.0.0.1:{amqp_port}\nmanagement.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management_port}\nlog.console.level = warning\n",
            shipped.collect::<Vec<_>>().join("\n")
        );
        fs::write(broker.path("rabbitmq.conf"), configuration)?;
        fs::write(broker.path("advanced.config"), SHIPPED_ADVANCED)?;
        fs::write(broker.path("enabled_plugins"), "[rabbitmq_management].\n")?;
        Ok(broker)
    }

    /// Creates and starts a broker.
    pub async fn run() -> anyhow::Result<Self> {
        let mut broker = Self::prepare()?;
        broker.start().await?;
        Ok(broker)
    }

    /// Returns its AMQP address, with the default virtual host.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.amqp_port)
    }

    /// Returns its management API.
    pub fn management(&self) -> anyhow::Result<Management> {
        Management::at(&self.amqp_url(), self.management_port)
    }

    /// Starts it, with the data that it had when it was stopped, and waits until it can be used.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.server.is_none(), "the broker runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))?;
        let server = self
            .command("rabbitmq-server")
            .stdout(log.try_clone()?)
            .stderr(log)
            // The script starts the virtual machine as a child; both are ended as a group.
            .process_group(0)
            .spawn()
            .context("RabbitMQ is needed: run `make test`, or install rabbitmq-server")?;
        self.server = Some(server);
        let started = Instant::now();
        let management = self.management()?;
        while TcpStream::connect(("127.0.0.1", self.amqp_port)).is_err()
            || management.get("/overview").await.is_err()
        {
            let ended = self
                .server
                .as_mut()
                .map(Child::try_wait)
                .transpose()?
                .flatten();
            anyhow::ensure!(
                ended.is_none(),
                "the broker ended while starting:\n{}",
                self.log()
            );
            anyhow::ensure!(
                started.elapsed() < SOON,
                "the broker did not start:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Stops it in order; it keeps its durable queues for the next start.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        let stopping = Instant::now();
        while let Some(server) = &mut self.server {
            if server.try_wait()?.is_some() {
                self.server = None;
            } else {
                anyhow::ensure!(
                    stopping.elapsed() < SOON,
                    "the broker did not stop:\n{}",
                    self.log()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.signal("KILL");
        if let Some(mut server) = self.server.take() {
            let _ = server.wait();
        }
    }

    /// Runs `rabbitmqctl` on it.
    pub async fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("rabbitmqctl");
        command
            .args(["--quiet", "--node", &self.node])
            .args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        anyhow::ensure!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(real_script(script));
        command
            .current_dir(self.directory.path())
            // The directory where Erlang keeps the cookie that its tools need.
            .env("HOME", self.directory.path())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", self.path("data"))
            .env("RABBITMQ_LOG_BASE", self.path("logs"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .stdin(Stdio::null());
        command
    }

    fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            let group = format!("-{}", server.id());
            let _ = Command::new("kill")
                .args([&format!("-{name}"), "--", &group])
                .status();
        }
    }
}

impl Drop for Broker {
    #[expect(
        clippy::print_stderr,
        reason = "a test's output is where this is looked for"
    )]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the log of the broker {}:\n{}", self.node, self.log());
        }
    }
}

/// Returns the real script behind Debian's own, which insists on the system's user and directories.
fn real_script(name: &str) -> PathBuf {
    let behind = Path::new("/usr/lib/rabbitmq/bin").join(name);
    if behind.exists() {
        behind
    } else {
        PathBuf::from(name)
    }
}

/// Returns ports that were free a moment ago, all at once so that they differ.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [_; N] = std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)));
    held.map(|listener| {
        let address = listener.and_then(|listener| listener.local_addr());
        address.expect("loopback has free ports").port()
    })
}
