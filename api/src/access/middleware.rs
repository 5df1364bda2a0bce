//! Middleware that authenticates, authorises and rate-limits every request.
//!
//! A route is guarded unless it is named here.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use warren_http::{BODY_TIME, Peer, body};
use warren_protocol::ids::RoomId;

use crate::access::auth::{Auth, AuthConfig, Denied, Identity};
use crate::access::rate::{Kind, Meter, RateConfig, Rates};

/// Routes open to all: probes, and those that describe the API.
const OPEN: [&str; 5] = [
    "/livez",
    "/readyz",
    "/api/health",
    "/api/openapi.json",
    "/api/docs",
];
/// Routes below this path are open, too.
const OPEN_BELOW: &str = "/api/docs/";
/// The route for operators only.
const OPERATORS: &str = "/metrics";

/// Authenticates callers and limits how often they call.
pub(crate) struct Access {
    auth: Option<Auth>,
    rates: Arc<Rates>,
}

/// The callers that a route accepts.
enum Route {
    Open,
    Guarded,
    Operators,
}

impl Access {
    /// Starts following the keys. Must be called on a Tokio runtime.
    pub(crate) fn start(auth: AuthConfig, rate: RateConfig) -> Self {
        let rates = Arc::new(Rates::new(rate));
        let auth = Auth::start(auth);
        Self { auth, rates }
    }

    /// Accepts or refuses a request, and stores its sender in its extensions.
    async fn pass(&self, parts: &mut Parts) -> Result<Option<Meter>, Response> {
        let route = route(parts);
        if matches!(route, Route::Open) {
            return Ok(None);
        }
        let denied = |denied: Denied| denied.into_response();
        let identity = match &self.auth {
            Some(auth) => auth.identify(&parts.headers).await.map_err(denied)?,
            None => Identity::anonymous(),
        };
        if matches!(route, Route::Operators) {
            return match identity.is_operator() {
                true => Ok(None),
                false => Err(denied(Denied::NotOperator)),
            };
        }
        let room = room(parts).await;
        let forbidden = room.as_ref().filter(|room| !identity.rooms.cover(room));
        if let Some(room) = forbidden {
            return Err(denied(Denied::Room(room.clone())));
        }
        let kind = match parts.method {
            Method::POST => Kind::Job(room),
            _ => Kind::Read,
        };
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| *peer);
        let address = self.rates.client(peer, &parts.headers);
        let rates = Arc::clone(&self.rates);
        let meter = Meter::new(rates, &identity.caller, address, identity.limit, kind);
        if let Err(error) = meter.charge(NonZeroU32::MIN) {
            let mut response = error.into_response();
            meter.write_headers(response.headers_mut());
            return Err(response);
        }
        parts.extensions.insert(identity.caller.tag(address));
        parts.extensions.insert(Peer::from(address));
        parts.extensions.insert(identity.caller);
        parts.extensions.insert(identity.rooms);
        parts.extensions.insert(meter.clone());
        Ok(Some(meter))
    }
}

/// Guards every route; a middleware.
pub(crate) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match access.pass(&mut parts).await {
        Ok(meter) => {
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(meter) = meter {
                meter.write_headers(response.headers_mut());
            }
            response
        }
        Err(refusal) => {
            // A caller that is still sending would not see the answer.
            body::discard(&parts.headers, body, Instant::now() + BODY_TIME).await;
            refusal
        }
    }
}

/// Returns whether everybody may request this path.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(OPEN_BELOW)
}

fn route(parts: &Parts) -> Route {
    let path = parts.extensions.get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    if is_open(path) {
        Route::Open
    } else if path == OPERATORS {
        Route::Operators
    } else {
        Route::Guarded
    }
}

/// Returns the room in the path. The handler refuses a name that cannot be a room.
async fn room(parts: &mut Parts) -> Option<RoomId> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let mut parameters = parameters.iter();
    let (_name, room) = parameters.find(|(name, _value)| *name == "roomId")?;
    room.parse().ok()
}
