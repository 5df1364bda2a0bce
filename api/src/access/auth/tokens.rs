//! Verifies ID tokens (OpenID Connect) and extracts their subject and rooms.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde::Deserialize;

use super::denied::{Denied, Invalid};
use super::key_set::{KeySet, Missing};
use super::provider::{ClaimName, Kind, Provider};
use super::rooms::Rooms;
use super::rs256;
use crate::access::caller::Subject;

/// How many seconds the issuer's clock and ours may differ.
const LEEWAY: u64 = 30;

/// Verifies the tokens of one issuer.
pub(crate) struct Tokens {
    kind: Kind,
    rooms_claim: Option<ClaimName>,
    keys: KeySet,
    validation: Validation,
}

/// The claims that are read beside those that the library checks.
#[derive(Deserialize)]
struct Claims {
    // A single issuer: the library would accept a list if any entry fits.
    #[serde(rename = "iss")]
    _issuer: String,
    sub: String,
    iat: Option<f64>,
    auth_time: Option<f64>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// The user of whom a token speaks.
pub(super) struct User {
    pub(super) subject: Subject,
    pub(super) rooms: Rooms,
}

impl Tokens {
    pub(super) fn new(provider: Provider) -> Self {
        rs256::install();
        // Never the token's choice: it could be `none`, or HMAC with our public key as the secret.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&provider.issuer]);
        validation.set_audience(&[&provider.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self {
            kind: provider.kind,
            rooms_claim: provider.rooms_claim,
            keys: KeySet::keep(provider.keys, provider.fetch_policy),
            validation,
        }
    }

    /// Verifies a token and returns its user.
    pub(super) async fn user(&self, token: &str) -> Result<User, Denied> {
        let invalid = |what| Err(Denied::Invalid(what));
        let header = match decode_header(token) {
            Ok(header) => header,
            // An unknown algorithm (`none`, say) is not a fault of the form.
            Err(_) if has_parts(token) => return invalid(Invalid::Algorithm),
            Err(_) => return invalid(Invalid::Form),
        };
        if header.alg != Algorithm::RS256 {
            return invalid(Invalid::Algorithm);
        }
        // The token requires extensions that are not supported here.
        if header.crit.is_some() {
            return invalid(Invalid::Form);
        }
        // By its id, and only among the issuer's keys: a key in the token itself proves nothing.
        let key = match self.keys.key(header.kid.as_deref()).await {
            Ok(key) => key,
            Err(Missing::Unknown) => return invalid(Invalid::UnknownSigner),
            Err(Missing::Unavailable) => return Err(Denied::Unavailable),
        };
        match decode::<Claims>(token, &key, &self.validation) {
            Ok(token) => self.check(&token.claims).map_err(Denied::Invalid),
            Err(error) => invalid(why(error.kind())),
        }
    }

    /// Checks the claims that the library does not check.
    fn check(&self, claims: &Claims) -> Result<User, Invalid> {
        let latest = get_current_timestamp().saturating_add(LEEWAY);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a float")]
        let latest = latest as f64;
        let needed = self.kind == Kind::Firebase;
        for time in [claims.iat, claims.auth_time] {
            match time {
                None if needed => return Err(Invalid::Claims),
                Some(time) if time > latest => return Err(Invalid::NotYet),
                None | Some(_) => {}
            }
        }
        let rooms = match &self.rooms_claim {
            None => Rooms::All,
            Some(claim) => Rooms::named_by(claims.others.get(claim.as_str())),
        };
        let subject = Subject::new(&claims.sub).ok_or(Invalid::Claims)?;
        Ok(User { subject, rooms })
    }
}

/// Returns whether a text has three parts, of which the first is a JSON object.
fn has_parts(token: &str) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = token.split('.');
    let head = parts
        .next()
        .and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
    let is_json = head.is_some_and(|head| {
        serde_json::from_slice::<serde_json::Value>(&head).is_ok_and(|head| head.is_object())
    });
    is_json && parts.count() == 2
}

fn why(kind: &ErrorKind) -> Invalid {
    match kind {
        ErrorKind::ExpiredSignature => Invalid::Expired,
        ErrorKind::ImmatureSignature => Invalid::NotYet,
        ErrorKind::InvalidIssuer => Invalid::Issuer,
        ErrorKind::InvalidAudience => Invalid::Audience,
        ErrorKind::InvalidSignature => Invalid::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Invalid::Algorithm,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::Json(_) => Invalid::Claims,
        _ => Invalid::Form,
    }
}
