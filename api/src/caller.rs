//! Who sends a request, as far as that is known.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who sends a request. Put into the request's extensions by whatever checks credentials; nobody
/// but that makes one that is not [`Caller::Anonymous`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Nobody said, and nobody asked.
    #[default]
    Anonymous,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
