//! The media types that a request body may have.

use crate::refusal::Refusal;

/// Accepts `application/json` and its relatives (`application/problem+json`), with any parameters. A
/// missing media type is refused, because a page of any site may have a browser post a body without
/// one, and would so run code on the machine of whoever looks at it. For a body of these types the
/// browser asks the server first (Fetch standard, *CORS-safelisted request-header*).
///
/// # Errors
/// [`Refusal::NotJson`], [`Refusal::NoMediaType`].
pub fn expect_json(content_type: Option<&str>) -> Result<(), Refusal> {
    let Some(given) = content_type else {
        return Err(Refusal::NoMediaType);
    };
    let given = given.trim().to_ascii_lowercase();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let subtype = essence.strip_prefix("application/");
    if subtype.is_some_and(|name| name == "json" || name.ends_with("+json")) {
        Ok(())
    } else {
        Err(Refusal::NotJson { given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_its_media_type() {
        for good in [
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/problem+json"),
        ] {
            assert!(expect_json(good).is_ok(), "{good:?}");
        }
        assert_eq!(expect_json(None), Err(Refusal::NoMediaType));
        for bad in ["text/plain", "text/json", "application/jsonp", "", "json"] {
            assert!(expect_json(Some(bad)).is_err(), "{bad}");
        }
    }
}
