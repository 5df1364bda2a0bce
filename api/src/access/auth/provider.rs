//! Identity provider whose ID tokens are accepted.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};
use warren_config::Env;

use super::fetch_policy::FetchPolicy;

const FIREBASE_KEYS: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// The provider whose ID tokens are accepted, and what they must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) keys: JwksUrl,
    pub(crate) kind: Kind,
    pub(crate) fetch_policy: FetchPolicy,
    /// The claim that names a user's rooms (`WARREN_OIDC_ROOMS_CLAIM`); without it, a user may use
    /// every room.
    pub(crate) rooms_claim: Option<ClaimName>,
}

/// The rules that hold beside OpenID Connect's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No further rules.
    OpenId,
    /// Firebase's: `iat` and `auth_time` must be there and in the past.
    Firebase,
}

impl Provider {
    /// Reads the provider from `FIREBASE_PROJECT_ID`, or from `WARREN_OIDC_ISSUER` and `_AUDIENCE`;
    /// and `WARREN_OIDC_JWKS_URL` and `_ROOMS_CLAIM`.
    pub(super) fn from_env(env: &mut Env) -> Option<Self> {
        let project = env.parse::<ProjectId>("FIREBASE_PROJECT_ID");
        let issuer = env.text("WARREN_OIDC_ISSUER");
        let audience = env.text("WARREN_OIDC_AUDIENCE");
        let keys = env.parse::<JwksUrl>("WARREN_OIDC_JWKS_URL");
        let rooms_claim = env.parse::<ClaimName>("WARREN_OIDC_ROOMS_CLAIM");
        match (project, issuer, audience) {
            (Some(ProjectId(project)), None, None) => Some(Self {
                issuer: format!("https://securetoken.google.com/{project}"),
                audience: project,
                keys: keys.or_else(|| FIREBASE_KEYS.parse().ok())?,
                kind: Kind::Firebase,
                fetch_policy: FetchPolicy::default(),
                rooms_claim,
            }),
            (Some(_), _, _) => {
                env.fault(
                    "WARREN_OIDC_ISSUER",
                    "FIREBASE_PROJECT_ID names an issuer and an audience already; unset it, or WARREN_OIDC_ISSUER and WARREN_OIDC_AUDIENCE",
                );
                None
            }
            (None, Some(issuer), Some(audience)) => {
                if keys.is_none() && env.text("WARREN_OIDC_JWKS_URL").is_none() {
                    env.fault(
                        "WARREN_OIDC_JWKS_URL",
                        "is not set, and without the issuer's keys no token can be checked; give the jwks_uri that the issuer's /.well-known/openid-configuration names",
                    );
                }
                Some(Self {
                    issuer,
                    audience,
                    keys: keys?,
                    kind: Kind::OpenId,
                    fetch_policy: FetchPolicy::default(),
                    rooms_claim,
                })
            }
            (None, None, None) if keys.is_none() && rooms_claim.is_some() => {
                env.fault(
                    "WARREN_OIDC_ROOMS_CLAIM",
                    "has no effect without an issuer; set FIREBASE_PROJECT_ID or WARREN_OIDC_ISSUER",
                );
                None
            }
            (None, None, None) if keys.is_none() => None,
            (None, issuer, _) => {
                let missing = match issuer {
                    None => "WARREN_OIDC_ISSUER",
                    Some(_) => "WARREN_OIDC_AUDIENCE",
                };
                env.fault(
                    missing,
                    "is not set; WARREN_OIDC_ISSUER, WARREN_OIDC_AUDIENCE and WARREN_OIDC_JWKS_URL go together",
                );
                None
            }
        }
    }
}

/// The address where an issuer publishes its keys. It must use TLS or be on this machine, because
/// whoever could change the keys on the way could sign any token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwksUrl(Url);

impl JwksUrl {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for JwksUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "must be an https address (http only of this machine), like https://id.example.com/keys";
        let url: Url = text.parse().map_err(|_invalid| fault)?;
        let is_local = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_local => Ok(Self(url)),
            _ => Err(fault),
        }
    }
}

/// The name of a claim of ID tokens: 1 to 256 bytes, such as `warren_rooms` or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimName(String);

impl ClaimName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClaimName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (1..=256).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the name of a claim: 1 to 256 bytes")
        }
    }
}

struct ProjectId(String);

impl FromStr for ProjectId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a Firebase project's id: lower-case letters, digits and '-'")
        }
    }
}
