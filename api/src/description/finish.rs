//! What the routes cannot say themselves: which languages there are, which field belongs to which,
//! and how callers say who they are.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use warren_shared::languages::Languages;

/// The whole description.
pub(super) fn finish(gathered: OpenApi, languages: &Languages) -> Value {
    let mut described = serde_json::to_value(gathered).unwrap_or_default();
    let schemas = &mut described["components"]["schemas"];
    schemas["ErrorAnswer"]["properties"]["success"]["const"] = json!(false);
    let request = &mut schemas["ExecuteRequest"];
    request["properties"]["language"]["pattern"] = json!(pattern(languages));
    request["properties"]["language"]["examples"] = json!(languages.names());
    // A tolerance where no numbers are compared is refused.
    request["anyOf"] = json!([
        { "properties": { "tolerance": { "type": "null" } } },
        { "properties": { "compare": { "const": "float" } }, "required": ["compare"] },
    ]);
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

/// Every name and alias, in any case of letters.
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
