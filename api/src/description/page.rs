//! Renders the description as a page for people.
//!
//! It is plain HTML made from the description itself, so that both say the same; without scripts,
//! and without anything from another host.

use std::fmt::Write;

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Returns the page, and the policy to send with it.
pub(super) fn render(described: &Value) -> (String, HeaderValue) {
    let mut page = String::new();
    let info = &described["info"];
    let title = format!("{} {}", text(&info["title"]), text(&info["version"]));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{}\n<p>For programs: <a href=\"/api/openapi.json\">openapi.json</a>.</p>\n",
        paragraphs(&info["description"]),
    );
    contents(&mut page, described);
    for (path, method, operation) in operations(described) {
        one_operation(&mut page, path, method, operation);
    }
    page.push_str("<h2 id=\"bodies\">Bodies</h2>\n");
    for (name, schema) in entries(&described["components"]["schemas"]) {
        one_schema(&mut page, name, schema);
    }
    page.push_str("<h2>Who may call</h2>\n<dl>\n");
    for (name, scheme) in entries(&described["components"]["securitySchemes"]) {
        let name = scheme["name"].as_str().unwrap_or(name);
        let about = inline(&scheme["description"]);
        let _ = writeln!(
            page,
            "<dt><code>{}</code></dt><dd>{about}</dd>",
            escaped(name)
        );
    }
    page.push_str("</dl>\n</body></html>\n");
    (page, policy())
}

fn policy() -> HeaderValue {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy)
        .unwrap_or_else(|_never| HeaderValue::from_static("default-src 'none'"))
}

fn contents(page: &mut String, described: &Value) {
    page.push_str("<h2>Addresses</h2>\n<table>\n");
    for (path, method, operation) in operations(described) {
        let _ = writeln!(
            page,
            "<tr><td><a href=\"#{}\"><code>{} {}</code></a></td><td>{}</td></tr>",
            text(&operation["operationId"]),
            method.to_uppercase(),
            escaped(path),
            inline(&operation["summary"]),
        );
    }
    page.push_str("</table>\n");
}

fn one_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = writeln!(
        page,
        "<h3 id=\"{}\"><code>{} {}</code></h3>\n<p>{}.</p>\n{}",
        text(&operation["operationId"]),
        method.to_uppercase(),
        escaped(path),
        inline(&operation["summary"]),
        paragraphs(&operation["description"]),
    );
    let parameters = operation["parameters"].as_array();
    table(
        page,
        ["parameter", "in", "type", ""],
        parameters.into_iter().flatten().map(|parameter| {
            [
                format!("<code>{}</code>", text(&parameter["name"])),
                text(&parameter["in"]),
                kind(&parameter["schema"]),
                inline(&parameter["description"]),
            ]
        }),
    );
    let request = &operation["requestBody"]["content"]["application/json"];
    if request.is_object() {
        let _ = writeln!(page, "<p>Body: {}</p>", kind(&request["schema"]));
    }
    for (_name, example) in entries(&request["examples"]) {
        let pretty = serde_json::to_string_pretty(&example["value"]).unwrap_or_default();
        let about = inline(&example["summary"]);
        let _ = writeln!(page, "<p>{about}:</p>\n<pre>{}</pre>", escaped(&pretty));
    }
    table(
        page,
        ["answer", "body", "headers", ""],
        entries(&operation["responses"]).map(|(status, response)| {
            let bodies = entries(&response["content"]).map(|(media, content)| {
                format!(
                    "{} <code>{}</code>",
                    kind(&content["schema"]),
                    escaped(media)
                )
            });
            let headers = entries(&response["headers"]).map(|(name, header)| {
                let about = inline(&header["description"]);
                format!("<code>{}</code>: {about}", escaped(name))
            });
            [
                escaped(status),
                bodies.collect::<Vec<_>>().join("<br>"),
                headers.collect::<Vec<_>>().join("<br>"),
                inline(&response["description"]),
            ]
        }),
    );
}

fn one_schema(page: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    let _ = writeln!(
        page,
        "<h3 id=\"schema-{name}\"><code>{name}</code></h3>\n{}",
        paragraphs(&schema["description"])
    );
    if !schema["properties"].is_object() {
        let _ = writeln!(page, "<p>{}</p>", kind(schema));
        return;
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    table(
        page,
        ["field", "type", "", ""],
        entries(&schema["properties"]).map(|(field, schema)| {
            let must = required.iter().any(|name| name == field);
            [
                format!("<code>{}</code>", escaped(field)),
                kind(schema),
                if must {
                    "required".into()
                } else {
                    String::new()
                },
                inline(&schema["description"]),
            ]
        }),
    );
}

/// Appends a table with a head; nothing at all without rows.
fn table(page: &mut String, head: [&str; 4], rows: impl Iterator<Item = [String; 4]>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(
        page,
        "<table>\n<tr><th>{}</th></tr>",
        head.join("</th><th>")
    );
    for row in rows {
        let _ = writeln!(page, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    page.push_str("</table>\n");
}

/// Describes a schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let several = ["oneOf", "anyOf"]
        .iter()
        .find_map(|key| schema[key].as_array());
    if let Some(several) = several {
        return several.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    };
    let mut words = vec![types];
    if schema["items"].is_object() {
        words.push(format!("of {}", kind(&schema["items"])));
    }
    for (key, word) in [
        ("format", ""),
        ("const", "always "),
        ("pattern", "like "),
        ("maxLength", "length at most "),
        ("maxItems", "at most "),
        ("exclusiveMinimum", "above "),
        ("exclusiveMaximum", "below "),
        ("minimum", "at least "),
        ("maximum", "at most "),
    ] {
        let value = &schema[key];
        if !value.is_null() {
            words.push(format!("{word}<code>{}</code>", text(value)));
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values
            .iter()
            .map(|value| format!("<code>{}</code>", text(value)));
        words.push(values.collect::<Vec<_>>().join(", "));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn operations(described: &Value) -> impl Iterator<Item = (&str, &'static str, &Value)> {
    entries(&described["paths"]).flat_map(|(path, item)| {
        let described = METHODS
            .into_iter()
            .map(move |method| (path, method, &item[method]));
        described.filter(|(_path, _method, operation)| operation.is_object())
    })
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// Renders text with `code` in it.
fn inline(value: &Value) -> String {
    let text = text(value);
    let parts = text.split('`').enumerate().map(|(n, part)| {
        if n % 2 == 1 {
            format!("<code>{part}</code>")
        } else {
            part.to_owned()
        }
    });
    parts.collect()
}

fn paragraphs(value: &Value) -> String {
    let html = inline(value);
    let paragraphs = html.split("\n\n").filter(|part| !part.is_empty());
    paragraphs.map(|part| format!("<p>{part}</p>")).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
