//! Refuses requests that a browser sends for a page of another site.
//!
//! A page on the web may have the browser of whoever looks at it send requests to any address, also to a
//! Warren on the same machine, where without keys they would run code. Two rules stop it. A request that
//! says that it comes from another site is refused, as Go's `net/http.CrossOriginProtection` does it
//! (F. Valsorda, *Cross-Site Request Forgery*, 2025), here for reading, too. And a page whose name was
//! pointed at this machine after it was loaded (DNS rebinding) is of the same site, but its requests
//! name that site as `Host`.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::Instant;
use warren_protocol::contract::Problem;

use crate::api_error::ApiError;
use crate::body;
use crate::budget::BODY_TIME;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The rules of one server.
#[derive(Clone, Debug, Default)]
pub struct ForeignPages {
    /// The origins whose pages may call from a browser, as browsers send them.
    pub origins: Vec<HeaderValue>,
    /// The names by which the server may be called; `None` where every caller shows a credential, which
    /// a foreign page has not.
    pub hosts: Option<Hosts>,
    /// The paths that every `Host` may ask for: probes, which name the server as they like.
    pub probes: &'static [&'static str],
}

/// The values of `Host` that a server without credentials answers to: this machine's, names without a
/// dot, which only a local network gives (compose's `api`), and those that are configured. A name in
/// the public DNS may be anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The names that are configured.
    pub named: HostNames,
    /// Whether the server can be reached from this machine alone, and so by no other address.
    pub only_loopback: bool,
}

/// Names of hosts, in lower case; separated by commas, where they are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// The variable that names the hosts of API and worker.
    pub const VARIABLE: &'static str = "WARREN_HOSTS";
}

impl FromStr for HostNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        let names = names.map(|one| {
            let host = one.parse::<Authority>().ok();
            let is_name = host.is_some_and(|host| host.host() == one) && !one.starts_with('[');
            is_name.then(|| one.to_ascii_lowercase()).ok_or_else(|| {
                format!("{one:?} is not the name of a host, like code.example.com (without scheme and port)")
            })
        });
        names.collect::<Result<_, _>>().map(Self)
    }
}

impl Hosts {
    /// Returns whether requests to this host are answered.
    fn have(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if self.named.0.iter().any(|named| named == bare) {
            return true;
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            // An address is what it says, whoever has written it.
            return !self.only_loopback || address.to_canonical().is_loopback();
        }
        // Resolvers keep `localhost` and all below it to the machine (RFC 6761).
        let is_local = bare == "localhost" || bare.ends_with(".localhost");
        is_local || (!bare.is_empty() && !bare.contains('.'))
    }
}

impl ForeignPages {
    /// Returns why a request is refused, if it is.
    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
        let host = host(uri, headers);
        let is_probe = self.probes.contains(&uri.path());
        if let (Some(hosts), false, Some(host)) = (&self.hosts, is_probe, &host)
            && !host.as_ref().is_ok_and(|host| hosts.have(host.host()))
        {
            return Some(unknown_host(host.as_ref().ok()));
        }
        let host = host.and_then(Result::ok);
        self.is_foreign(method, headers, host.as_ref())
            .then(cross_site)
    }

    /// Returns whether a request comes from a page of another site.
    fn is_foreign(&self, method: &Method, headers: &HeaderMap, host: Option<&Authority>) -> bool {
        let origin = headers.get(ORIGIN);
        if origin.is_some_and(|origin| self.origins.contains(origin)) {
            return false;
        }
        // Set by the browser itself; a page cannot.
        match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => false,
            Some(_) => !is_navigation(method, headers),
            // A program, or a browser that is old or came without TLS.
            None => origin.is_some_and(|origin| !is_own(origin, host)),
        }
    }
}

/// Returns whether the browser opens an address for its user: a link was followed. The page that has
/// the link does not see the answer.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name, value| headers.get(name).is_some_and(|given| given == value);
    *method == Method::GET && is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document")
}

/// Returns whether the origin is this server's own, by the name that it was called by.
fn is_own(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| origin.parse::<Uri>().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    origin.is_some() && origin == host
}

/// Returns the host that a request names, if it names one; an error, if that is none.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Result<Authority, ()>> {
    let header = headers.get(HOST).map(|host| {
        let host = host.to_str().map_err(drop)?;
        host.parse().map_err(drop)
    });
    // An absolute address in the request line goes before the header (RFC 9112, 3.2.2).
    let absolute = uri.authority().cloned().map(Ok);
    absolute.or(header)
}

/// Lets requests through that are not from a foreign page; a middleware.
pub async fn refuse_foreign_pages(
    State(rules): State<Arc<ForeignPages>>,
    request: Request,
    next: Next,
) -> Response {
    let refusal = rules.refusal(request.method(), request.uri(), request.headers());
    let Some(problem) = refusal else {
        return next.run(request).await;
    };
    tracing::debug!(code = problem.code, "refused a request for a foreign page");
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, body, Instant::now() + BODY_TIME).await;
    ApiError::from(problem).into_response()
}

fn cross_site() -> Problem {
    let message = "A browser sent this request for a page of another site. If that page is yours, name its origin in CLIENT_URL; programs should send neither Origin nor Sec-Fetch-Site.";
    Problem::new(403, "cross_site", message)
}

// 421, because the server does not answer for the site that the request names (RFC 9110, 15.5.20); a
// 403 would say that some credential could help.
fn unknown_host(host: Option<&Authority>) -> Problem {
    let message = "This server is not known by the name in Host. Call it by an address, or as localhost; if you operate it, add the name to WARREN_HOSTS, or have callers authenticate.";
    let host = host.map(|host| host.host().chars().take(253).collect::<String>());
    Problem::new(421, "unknown_host", message).with_details(json!({ "host": host }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(only_loopback: bool) -> ForeignPages {
        ForeignPages {
            origins: vec![HeaderValue::from_static("https://play.example.com")],
            hosts: Some(Hosts {
                named: "Code.example.com, ".parse().unwrap(),
                only_loopback,
            }),
            probes: &["/livez"],
        }
    }

    fn refused(rules: &ForeignPages, method: Method, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse::<HeaderValue>().unwrap())
        });
        let refusal = rules.refusal(&method, &uri.parse().unwrap(), &headers.collect());
        refusal.map_or(0, |problem| problem.status)
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_answered_to() {
        for (host, local, anywhere) in [
            ("localhost", 0, 0),
            ("LocalHost:5000", 0, 0),
            ("localhost.:5000", 0, 0),
            ("warren.localhost:5000", 0, 0),
            ("127.0.0.1:5000", 0, 0),
            ("127.9.9.9", 0, 0),
            ("[::1]:5000", 0, 0),
            ("api:5000", 0, 0),
            ("code.example.com", 0, 0),
            ("Code.Example.Com:443", 0, 0),
            ("192.0.2.7:5000", 421, 0),
            ("[2001:db8::1]:5000", 421, 0),
            ("evil.example:5000", 421, 421),
            ("localhost.evil.example", 421, 421),
            ("127.0.0.1.evil.example", 421, 421),
            ("code.example.com.evil.example", 421, 421),
            ("notlocalhost.com", 421, 421),
            ("", 421, 421),
            (".", 421, 421),
        ] {
            for (only_loopback, status) in [(true, local), (false, anywhere)] {
                let rules = rules(only_loopback);
                for method in [Method::GET, Method::POST, Method::DELETE] {
                    let got = refused(&rules, method, "/api/executions/1", &[("host", host)]);
                    assert_eq!(got, status, "{host} {only_loopback}");
                }
                assert_eq!(refused(&rules, Method::GET, "/livez", &[("host", host)]), 0);
            }
        }
        // As a proxy would be asked.
        let (rules, local) = (rules(true), [("host", "localhost")]);
        let absolute = "http://evil.example/api/executions/1";
        assert_eq!(refused(&rules, Method::GET, absolute, &local), 421);
        let open = ForeignPages::default();
        let other = [("host", "anything.example")];
        assert_eq!(refused(&open, Method::POST, "/", &other), 0);
    }

    #[test]
    fn hosts_are_configured_by_their_names_alone() {
        for bad in [
            "https://code.example.com",
            "code.example.com:80",
            "a b",
            "*",
            "[::1]",
            "u@h",
        ] {
            let refused = bad.parse::<HostNames>();
            assert_eq!(refused.is_err(), bad != "*", "{bad}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_programs_are_not() {
        const OWN: (&str, &str) = ("host", "localhost:5000");
        const EVIL: (&str, &str) = ("origin", "https://evil.example");
        const FRIEND: (&str, &str) = ("origin", "https://play.example.com");
        let site = |value| ("sec-fetch-site", value);
        for (headers, status) in [
            (&[OWN][..], 0),
            (&[OWN, EVIL], 403),
            (&[OWN, ("origin", "null")], 403),
            (&[OWN, ("origin", "")], 403),
            (&[OWN, FRIEND], 0),
            (&[OWN, ("origin", "http://localhost:5000")], 0),
            (&[OWN, ("origin", "http://LOCALHOST:5000")], 0),
            (&[OWN, ("origin", "http://localhost:3000")], 403),
            (&[("origin", "http://localhost:5000")], 403),
            (&[OWN, site("none")], 0),
            (&[OWN, site("same-origin")], 0),
            // Behind a proxy that renames the host, the browser still knows.
            (
                &[
                    OWN,
                    site("same-origin"),
                    ("origin", "https://front.example"),
                ],
                0,
            ),
            (&[OWN, site("same-site")], 403),
            (&[OWN, site("cross-site")], 403),
            (&[OWN, site("anything")], 403),
            (&[OWN, site("cross-site"), EVIL], 403),
            (&[OWN, site("cross-site"), FRIEND], 0),
            (&[OWN, site("same-site"), FRIEND], 0),
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let got = refused(&rules(true), method, "/api/executions/1", headers);
                assert_eq!(got, status, "{headers:?}");
            }
        }
        let link = [
            OWN,
            site("cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let rules = rules(true);
        assert_eq!(refused(&rules, Method::GET, "/api/docs", &link), 0);
        assert_eq!(refused(&rules, Method::POST, "/api/docs", &link), 403);
        let frame = [&link[..3], &[("sec-fetch-dest", "iframe")]].concat();
        assert_eq!(refused(&rules, Method::GET, "/api/docs", &frame), 403);
    }
}
