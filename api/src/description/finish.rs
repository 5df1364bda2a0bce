//! Completes the description with parts that no route can declare itself.
//!
//! These are the languages, the dependencies between fields, and the ways to authenticate.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use warren_languages::Languages;

use crate::access::middleware::is_open;

/// Returns the whole description.
pub(super) fn finish(gathered: OpenApi, languages: &Languages, takes_callbacks: bool) -> Value {
    let mut described = serde_json::to_value(gathered).unwrap_or_default();
    let schemas = &mut described["components"]["schemas"];
    schemas["ErrorAnswer"]["properties"]["success"]["const"] = json!(false);
    let request = &mut schemas["ExecuteRequest"];
    request["properties"]["language"]["pattern"] = json!(pattern(languages));
    request["properties"]["language"]["examples"] = json!(languages.names());
    if !takes_callbacks && let Some(fields) = request["properties"].as_object_mut() {
        fields.remove("callbackUrl");
    }
    // A tolerance is refused unless numbers are compared.
    request["anyOf"] = json!([
        { "properties": { "tolerance": { "type": "null" } } },
        { "properties": { "compare": { "const": "float" } }, "required": ["compare"] },
    ]);
    guarded(&mut described);
    described["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "An API key (`wk_…`) or an ID token (a JWT) of the provider that the operator trusts.",
        },
        "key": {
            "type": "apiKey", "in": "header", "name": "X-API-Key",
            "description": "An API key.",
        },
    });
    described
}

/// Adds the answers of the middleware to every operation that is not open to all.
fn guarded(described: &mut Value) {
    let error =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/ErrorAnswer" } } });
    let retry_after = json!({ "Retry-After": {
        "description": "In how many seconds to send the request again.",
        "schema": { "type": "integer", "minimum": 0 },
    } });
    let answers = [
        (
            "401",
            "With authentication on: no credentials (`unauthenticated`), or ones that are worth nothing (`invalid_credentials`).",
        ),
        ("403", "`forbidden_room`: the key is not for this room."),
        (
            "429",
            "`rate_limited`: too many requests; the `RateLimit-…` headers say how many may come.",
        ),
    ];
    let paths = described["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        if is_open(path) {
            continue;
        }
        for operation in operations
            .as_object_mut()
            .into_iter()
            .flat_map(|all| all.values_mut())
        {
            for (status, about) in answers {
                operation["responses"][status] = json!({ "description": about, "content": error });
            }
            operation["responses"]["429"]["headers"] = retry_after.clone();
        }
    }
}

/// Returns a pattern of every name and alias, in upper or lower case.
fn pattern(languages: &Languages) -> String {
    let names = languages.iter().flat_map(|language| {
        std::iter::once(language.name())
            .chain(language.aliases())
            .map(|name| any_case(name.as_str()))
    });
    format!("^({})$", names.collect::<Vec<_>>().join("|"))
}

fn any_case(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        'a'..='z' => format!("[{letter}{}]", letter.to_ascii_uppercase()),
        '+' => r"\+".to_owned(),
        other => other.to_string(),
    });
    letters.collect()
}
