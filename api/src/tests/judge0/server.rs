//! Server that speaks Judge0's protocol over real HTTP, with faults to be switched on.
//!
//! The protocol is that of its documentation and source (judge0/judge0: docs/api, app/controllers,
//! app/models/submission.rb). What a program does is the test's; the exchange about it is Judge0's.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_http::{Bounds, serve};

/// The only key that it accepts.
pub(super) const KEY: &str = "sesame";
const TEXTS: [&str; 4] = ["stdout", "stderr", "compile_output", "message"];
const MAX_BATCH: usize = 20;

/// What a program does with an input: the fields of a submission that is done, in plain text.
pub(super) type Program = fn(&str) -> Value;

/// A fault to switch on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// Creation requests are answered with this, and these headers.
    Create(u16, &'static [(&'static str, &'static str)], Value),
    /// Every query is answered with this.
    Always(u16),
    /// Every query is answered with a page, as by a hotel's network.
    Page,
    /// No submission leaves the queue.
    Jammed,
    /// One token is answered twice.
    TokenDoubled,
    /// One of the requested submissions is left out.
    ReportMissing,
    /// One of the requested submissions is no longer known.
    ReportNull,
    /// The last field of each answer about submissions breaks off.
    BrokenOff,
}

pub(super) struct Judge0 {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    program: Program,
    max_memory: u64,
    state: Mutex<Model>,
}

#[derive(Default)]
struct Model {
    fault: Option<Fault>,
    submissions: HashMap<String, Submission>,
    single_cache: HashMap<String, (Instant, Value)>,
    seen: Vec<Seen>,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) what: String,
    pub(super) body: Value,
}

struct Submission {
    sent: Value,
    looks: u32,
    /// The statuses to come: in queue, processing, and then the program's result.
    ahead: VecDeque<u32>,
}

impl Judge0 {
    pub(super) async fn new(program: Program) -> Self {
        Self::allowing(program, 512_000).await
    }

    /// Starts a server that allows that many kilobytes of memory.
    pub(super) async fn allowing(program: Program, max_memory: u64) -> Self {
        let shared = Arc::new(Shared {
            program,
            max_memory,
            state: Mutex::default(),
        });
        let routes = Router::new()
            .route("/languages", get(languages))
            .route("/config_info", get(config_info))
            .route("/submissions/batch", post(create).get(show))
            .route("/submissions/{token}", get(show_one))
            .layer(from_fn_with_state(Arc::clone(&shared), gate))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, routes, stop.clone(), Bounds::default()));
        Self {
            address,
            shared,
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn fail(&self, fault: Option<Fault>) {
        self.shared.lock().fault = fault;
    }

    /// Returns all requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Returns how many requests of a kind there were.
    pub(super) fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.what == what).count()
    }

    /// Returns the submissions, in the order of their creation.
    pub(super) fn submitted(&self) -> Vec<Value> {
        let seen = self.seen();
        let bodies = seen.iter().filter(|seen| seen.what == CREATE);
        let each = bodies.flat_map(|seen| seen.body["submissions"].as_array().cloned());
        each.flatten().collect()
    }

    /// Returns how often each submission was polled.
    pub(super) fn looks(&self) -> Vec<u32> {
        let state = self.shared.lock();
        state.submissions.values().map(|one| one.looks).collect()
    }
}

pub(super) const CREATE: &str = "POST /submissions/batch?base64_encoded=true&wait=false";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Model> {
        self.state.lock().unwrap()
    }

    fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }
}

/// Checks the key, and applies faults that come before anything is looked at.
async fn gate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let query = request.uri().query().filter(|_| request.method() == "POST");
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let what = format!("{} {}{query}", request.method(), request.uri().path());
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    shared.lock().seen.push(Seen {
        what: what.clone(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let said = parts.headers.get("x-auth-token");
    if said.is_none_or(|said| said != KEY) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match shared.fault() {
        Some(Fault::Always(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::Page) => "<html>Welcome! Please accept our terms.</html>".into_response(),
        Some(Fault::Create(status, headers, body)) if what.starts_with("POST") => {
            let status = StatusCode::from_u16(status).unwrap();
            let mut answer = (status, Json(body)).into_response();
            for (name, value) in headers {
                answer.headers_mut().insert(*name, value.parse().unwrap());
            }
            answer
        }
        _ => next.run(Request::from_parts(parts, body.into())).await,
    }
}

async fn languages() -> Json<Value> {
    Json(json!([
        {"id": 45, "name": "Assembly (NASM 2.14.02)"},
        {"id": 63, "name": "JavaScript (Node.js 12.14.0)"},
        {"id": 93, "name": "JavaScript (Node.js 18.15.0)"},
        {"id": 70, "name": "Python (2.7.17)"},
        {"id": 92, "name": "Python (3.11.2)"},
        {"id": 71, "name": "Python (3.8.1)"},
    ]))
}

async fn config_info(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "maintenance_mode": false, "enable_wait_result": true, "max_queue_size": 100,
        "cpu_time_limit": 5.0, "max_cpu_time_limit": 15.0, "cpu_extra_time": 1.0,
        "max_cpu_extra_time": 5.0, "wall_time_limit": 10.0, "max_wall_time_limit": 20.0,
        "memory_limit": 128_000, "max_memory_limit": shared.max_memory,
        "max_processes_and_or_threads": 60, "max_max_processes_and_or_threads": 120,
        "max_file_size": 1024, "max_max_file_size": 4096, "number_of_runs": 1,
        "max_number_of_runs": 20, "enable_batched_submissions": true,
        "max_submission_batch_size": MAX_BATCH, "submission_cache_duration": 1.0,
        "allow_enable_network": true, "enable_network": true,
    }))
}

fn bad(reason: impl Into<String>) -> Response {
    (
        StatusCode::BAD_REQUEST,
        Json(json!({ "error": reason.into() })),
    )
        .into_response()
}

async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let sent = body["submissions"].as_array().cloned().unwrap_or_default();
    if sent.is_empty() {
        return bad("there should be at least one submission in a batch");
    }
    if sent.len() > MAX_BATCH {
        return bad("number of submissions in a batch should be less than or equal to 20");
    }
    let mut created = Vec::new();
    for submission in sent {
        let errors = errors(&submission, &shared);
        if !errors.is_empty() {
            created.push(Value::Object(errors));
            continue;
        }
        let token = warren_protocol::ids::JobId::new().to_string();
        let mut state = shared.lock();
        let ahead = VecDeque::from([1, 2]);
        let submission = Submission {
            sent: submission,
            looks: 0,
            ahead,
        };
        state.submissions.insert(token.clone(), submission);
        created.push(json!({ "token": token }));
    }
    if shared.fault() == Some(Fault::TokenDoubled) {
        created.extend(created.last().cloned());
    }
    let any = created.iter().any(|one| one.get("token").is_some());
    let status = if any {
        StatusCode::CREATED
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    (status, Json(created)).into_response()
}

/// Validates like `Submission`, as far as its rules concern what is sent.
fn errors(sent: &Value, shared: &Shared) -> Map<String, Value> {
    let mut errors = Map::new();
    let mut refuse = |field: &str, why: &str| {
        errors.insert(field.to_owned(), json!([why]));
    };
    if ![45, 63, 93, 70, 92, 71]
        .map(Value::from)
        .contains(&sent["language_id"])
    {
        refuse("language_id", "language with id … doesn't exist");
    }
    if decoded(sent, "source_code").trim().is_empty() {
        refuse("source_code", "can't be blank");
    }
    for (field, least, most) in [
        ("cpu_time_limit", 0.0, 15.0),
        ("cpu_extra_time", 0.0, 5.0),
        ("wall_time_limit", 1.0, 20.0),
        ("memory_limit", 2048.0, shared.max_memory as f64),
        ("max_processes_and_or_threads", 1.0, 120.0),
        ("max_file_size", 0.0, 4096.0),
        ("number_of_runs", 1.0, 20.0),
    ] {
        let value = sent[field].as_f64().unwrap_or(-1.0);
        if !(least..=most).contains(&value) {
            refuse(field, &format!("must be less than or equal to {most}"));
        }
    }
    errors
}

async fn show(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query: HashMap<String, String> = query.into_owned().collect();
    let tokens = query.get("tokens").cloned().unwrap_or_default();
    let tokens: Vec<&str> = tokens.split(',').filter(|one| !one.is_empty()).collect();
    if tokens.is_empty() || tokens.len() > MAX_BATCH {
        return bad("number of submissions in a batch should be less than or equal to 20");
    }
    let fields = query.get("fields").cloned();
    let encoded = query
        .get("base64_encoded")
        .is_some_and(|said| said == "true");
    if !encoded {
        return bad("some attributes cannot be converted to UTF-8, use base64_encoded=true");
    }
    let fault = shared.fault();
    let mut found: Vec<Value> = tokens
        .iter()
        .map(|token| looked_at(&shared, token, fields.as_deref()))
        .collect();
    match fault {
        Some(Fault::ReportMissing) => drop(found.pop()),
        Some(Fault::ReportNull) => found[0] = Value::Null,
        _ => {}
    }
    let mut body = json!({ "submissions": found }).to_string();
    if fault == Some(Fault::BrokenOff) {
        body.truncate(body.len() - 5);
    }
    ([("content-type", "application/json")], body).into_response()
}

/// One submission, moved one state on. Cached for a second, like Judge0's.
async fn show_one(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Response {
    let cached = shared.lock().single_cache.get(&token).cloned();
    if let Some((at, value)) = cached
        && at.elapsed() < Duration::from_secs(1)
    {
        return Json(value).into_response();
    }
    let value = looked_at(&shared, &token, None);
    let entry = (Instant::now(), value.clone());
    shared.lock().single_cache.insert(token, entry);
    Json(value).into_response()
}

fn looked_at(shared: &Shared, token: &str, fields: Option<&str>) -> Value {
    let mut state = shared.lock();
    let jammed = state.fault == Some(Fault::Jammed);
    let Some(submission) = state.submissions.get_mut(token) else {
        return Value::Null;
    };
    submission.looks += 1;
    let status = if jammed {
        Some(1)
    } else {
        submission.ahead.pop_front()
    };
    let mut report = json!({"time": null, "wall_time": null, "memory": null, "stdout": null,
        "stderr": null, "compile_output": null, "message": null, "exit_code": null,
        "exit_signal": null, "status": {"id": status}});
    if status.is_none() {
        let done = (shared.program)(&decoded(&submission.sent, "stdin"));
        for (field, value) in done.as_object().unwrap() {
            report[field] = value.clone();
        }
        for field in TEXTS {
            if let Some(text) = report[field].as_str() {
                report[field] = ruby_base64(text).into();
            }
        }
    }
    report["token"] = token.into();
    let asked = fields.unwrap_or("token,time,memory,stdout,stderr,compile_output,message,status");
    let asked: Vec<&str> = asked.split(',').collect();
    let report = report.as_object().unwrap().clone();
    report
        .into_iter()
        .filter(|(field, _)| asked.contains(&field.as_str()))
        .collect()
}

pub(super) fn decoded(sent: &Value, field: &str) -> String {
    let text = sent[field].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap()
}

/// `Base64.encode64`: a line feed after every 60 characters, and at the end.
fn ruby_base64(text: &str) -> String {
    let packed = STANDARD.encode(text);
    let lines = packed.as_bytes().chunks(60);
    lines
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect()
}
