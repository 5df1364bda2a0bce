//! RabbitMQ through its management API, with a virtual host for each test.

use std::time::{Duration, Instant};

use anyhow::Context;
use lapin::uri::{AMQPAuthority, AMQPUri};
use reqwest::blocking::Response;
use serde_json::{Value, json};

use super::http::client;
use super::wait::SOON;

/// A broker's management API.
#[derive(Clone, Debug)]
pub struct Management {
    amqp: AMQPUri,
    http: String,
}

impl Management {
    /// Connects to the broker that the tests share: `WARREN_TEST_RABBITMQ_URL`, by default the one
    /// that `scripts/provision` starts, with its management API on port 15672 of the same host.
    pub async fn shared() -> anyhow::Result<Self> {
        let url = std::env::var("WARREN_TEST_RABBITMQ_URL")
            .unwrap_or_else(|_unset| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
        let management = Self::at(&url, 15672)?;
        management.get("/overview").await.context(
            "the tests need RabbitMQ with its management plugin: run `make test`, which provides \
             it, or set WARREN_TEST_RABBITMQ_URL",
        )?;
        Ok(management)
    }

    /// Connects to the broker at `url`, whose management API is on `port`.
    pub fn at(url: &str, port: u16) -> anyhow::Result<Self> {
        let amqp: AMQPUri = url.parse().map_err(anyhow::Error::msg)?;
        let AMQPAuthority { userinfo, host, .. } = &amqp.authority;
        let http = format!(
            "http://{}:{}@{host}:{port}/api",
            userinfo.username, userinfo.password
        );
        Ok(Self { amqp, http })
    }

    /// Returns the AMQP address of a virtual host.
    pub fn amqp_url(&self, vhost: &str) -> String {
        let uri = AMQPUri {
            vhost: vhost.to_owned(),
            ..self.amqp.clone()
        };
        uri.to_string()
    }

    /// Gets `path`, which begins with a slash.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, None).await
    }

    /// Puts `body` to `path`.
    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<()> {
        self.call("PUT", path, Some(body)).await.map(drop)
    }

    /// Posts `body` to `path`.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(body)).await
    }

    /// Deletes `path`.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.call("DELETE", path, None).await.map(drop)
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let (this, path) = (self.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || this.call_blocking(method, &path, body)).await?
    }

    fn call_blocking(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.http);
        let response = client()
            .request(method.parse()?, &url)
            .timeout(SOON)
            .header("content-type", "application/json")
            .body(body.map(|body| body.to_string()).unwrap_or_default())
            .send()
            .and_then(Response::error_for_status)
            .with_context(|| format!("{method} {path} on the management API"))?;
        let text = response.text()?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// A virtual host for one test. Dropping it removes it and everything in it.
pub struct Vhost {
    management: Management,
    name: String,
}

impl Vhost {
    /// Creates one on the broker that all tests share.
    pub async fn fresh() -> Self {
        let management = Management::shared().await;
        let management = management.expect("RabbitMQ runs; `make test` starts it");
        Self::create(&management).await.expect("a virtual host")
    }

    /// Creates one.
    pub async fn create(management: &Management) -> anyhow::Result<Self> {
        let name = format!("warren-test-{}", warren_protocol::ids::JobId::new());
        let user = &management.amqp.authority.userinfo.username;
        management
            .put(&format!("/vhosts/{name}"), json!({}))
            .await?;
        let vhost = Self {
            management: management.clone(),
            name,
        };
        let everything = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        management
            .put(&format!("/permissions/{}/{user}", vhost.name), everything)
            .await?;
        Ok(vhost)
    }

    /// Returns its AMQP address.
    pub fn amqp_url(&self) -> String {
        self.management.amqp_url(&self.name)
    }

    /// Returns all queues.
    pub async fn queues(&self) -> anyhow::Result<Vec<Value>> {
        let queues = self
            .management
            .get(&format!("/queues/{}", self.name))
            .await?;
        Ok(queues.as_array().cloned().unwrap_or_default())
    }

    /// Returns exchanges, durable queues and bindings.
    pub async fn definitions(&self) -> anyhow::Result<Value> {
        self.management
            .get(&format!("/definitions/{}", self.name))
            .await
    }

    /// Limits the length of a queue further than its declaration does.
    pub async fn limit(&self, queue: &str, length: u32) -> anyhow::Result<()> {
        let policy = json!({
            "pattern": format!("^{}$", queue.replace('.', "\\.")),
            "definition": { "max-length": length },
            "apply-to": "queues",
        });
        self.management
            .put(&format!("/policies/{}/limit-{queue}", self.name), policy)
            .await
    }

    /// Publishes a text to a queue, as anyone with access could.
    pub async fn publish(&self, queue: &str, text: &str) -> anyhow::Result<()> {
        let message = json!({
            "properties": {}, "routing_key": queue, "payload": text, "payload_encoding": "string",
        });
        let path = format!("/exchanges/{}/amq.default/publish", self.name);
        let answer = self.management.post(&path, message).await?;
        anyhow::ensure!(answer["routed"] == true, "{queue} does not exist");
        Ok(())
    }

    /// Takes one message from a queue as soon as there is one.
    pub async fn take(&self, queue: &str) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            if let Some(message) = self.take_all(queue, 1).await?.pop() {
                return Ok(message);
            }
            anyhow::ensure!(started.elapsed() < SOON, "no message in {queue}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes up to `count` messages that a queue holds now.
    pub async fn take_all(&self, queue: &str, count: usize) -> anyhow::Result<Vec<Value>> {
        let body = json!({ "count": count, "ackmode": "ack_requeue_false", "encoding": "auto" });
        let path = format!("/queues/{}/{queue}/get", self.name);
        let messages = self.management.post(&path, body).await?;
        Ok(messages.as_array().cloned().unwrap_or_default())
    }

    /// Removes the messages that wait in `queue`.
    pub async fn purge(&self, queue: &str) -> anyhow::Result<()> {
        let path = format!("/queues/{}/{queue}/contents", self.name);
        self.management.delete(&path).await
    }

    /// Deletes a queue.
    pub async fn delete_queue(&self, name: &str) -> anyhow::Result<()> {
        self.management
            .delete(&format!("/queues/{}/{name}", self.name))
            .await
    }

    /// Makes the broker close the connections whose name has `part` in it. Waits until it shows at
    /// least `count` of them, and returns those that were closed.
    pub async fn close_connections(&self, part: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let started = Instant::now();
        let open = loop {
            let open = self.connections(part).await?;
            if open.len() >= count {
                break open;
            }
            anyhow::ensure!(
                started.elapsed() < SOON,
                "only {} connections of {part}",
                open.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        for name in &open {
            let path = format!(
                "/connections/{}",
                name.replace(' ', "%20").replace('>', "%3E")
            );
            self.management.delete(&path).await?;
        }
        Ok(open)
    }

    /// Returns the broker's names of the connections whose own name has `part` in it.
    pub async fn connections(&self, part: &str) -> anyhow::Result<Vec<String>> {
        let named = self.named_connections(|name| name.contains(part)).await?;
        let names = named.iter();
        Ok(names
            .filter_map(|connection| connection["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Returns the bytes that the broker has received, as far as it has counted, on the connections
    /// whose own name begins with `owner` and ends with `purpose`.
    pub async fn received(&self, owner: &str, purpose: &str) -> anyhow::Result<u64> {
        let ending = format!(" {purpose}");
        let theirs = |name: &str| {
            let rest = name.strip_prefix(owner);
            let rest = rest.and_then(|rest| rest.strip_suffix(&ending));
            rest.is_some_and(|instance| !instance.contains(' '))
        };
        let counted = self.named_connections(theirs).await?;
        let bytes = counted.iter().filter_map(|one| one["recv_oct"].as_u64());
        Ok(bytes.sum())
    }

    async fn named_connections(&self, is: impl Fn(&str) -> bool) -> anyhow::Result<Vec<Value>> {
        let all = self
            .management
            .get(&format!("/vhosts/{}/connections", self.name))
            .await?;
        let mut all = all.as_array().cloned().unwrap_or_default();
        all.retain(|connection| connection["user_provided_name"].as_str().is_some_and(&is));
        Ok(all)
    }

    /// Declares what the definitions of one virtual host have.
    pub async fn import(&self, definitions: Value) -> anyhow::Result<()> {
        let path = format!("/definitions/{}", self.name);
        self.management.post(&path, definitions).await.map(drop)
    }

    /// Creates a user with these rights on this virtual host alone. Returns the user.
    pub async fn user(&self, rights: &Value) -> anyhow::Result<User> {
        let user = User {
            management: self.management.clone(),
            name: format!("warren-test-{}", warren_protocol::ids::JobId::new()),
            password: warren_protocol::ids::JobId::new().to_string(),
            vhost: self.name.clone(),
        };
        let body = json!({ "password": user.password, "tags": "" });
        let path = format!("/users/{}", user.name);
        self.management.put(&path, body).await?;
        let rights = json!({
            "configure": rights["configure"], "write": rights["write"], "read": rights["read"],
        });
        let path = format!("/permissions/{}/{}", self.name, user.name);
        self.management.put(&path, rights).await?;
        Ok(user)
    }
}

/// A user of the broker, on one virtual host. Dropping it removes it.
pub struct User {
    management: Management,
    name: String,
    password: String,
    vhost: String,
}

impl User {
    /// Returns the AMQP address of the virtual host with the user's credentials.
    pub fn amqp_url(&self) -> String {
        let mut uri = self.management.amqp.clone();
        uri.vhost.clone_from(&self.vhost);
        uri.authority.userinfo.username.clone_from(&self.name);
        uri.authority.userinfo.password.clone_from(&self.password);
        uri.to_string()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        remove(self.management.clone(), format!("/users/{}", self.name));
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        remove(self.management.clone(), format!("/vhosts/{}", self.name));
    }
}

/// Removes what a test created.
#[expect(
    clippy::print_stderr,
    reason = "a test's output is where this is looked for"
)]
fn remove(management: Management, path: String) {
    let what = path.clone();
    let removing = move || management.call_blocking("DELETE", &path, None);
    let removed = std::thread::spawn(removing).join();
    if !matches!(removed, Ok(Ok(_))) {
        eprintln!("{what} could not be removed from RabbitMQ");
    }
}
