//! `/redoc`: the API as one page to read, made of its document. It needs no script and nothing of another host.

mod schema;

use std::sync::Arc;

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::Value;

use schema::Schemas;

use crate::app::App;

/// How it looks.
const STYLE: &str = include_str!("style.css");

/// What the page may load: nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The methods of a path, in the order in which they are shown.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// The document and its page, which is made each time that somebody reads it.
pub(super) fn routes(document: Bytes) -> Router<Arc<App>> {
    let text = document.clone();
    let read = move || async move { answer(&serde_json::from_slice(&document).unwrap_or_default()) };
    let json = HeaderValue::from_static("application/json");
    let send = move || async move { ([(header::CONTENT_TYPE, json)], text) };
    Router::new()
        .route("/redoc", get(read))
        .route("/openapi.json", get(send))
}

fn answer(document: &Value) -> Response {
    let mut response = Html(page(document)).into_response();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An operation with its path.
struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    about: &'a Value,
}

impl Operation<'_> {
    fn tag(&self) -> &str {
        self.about["tags"][0].as_str().unwrap_or("other")
    }

    fn id(&self) -> String {
        match self.about["operationId"].as_str() {
            Some(id) => escape(id),
            None => escape(&format!("{}{}", self.method, self.path)),
        }
    }

    fn summary(&self) -> &str {
        self.about["summary"].as_str().unwrap_or(self.path)
    }
}

fn page(document: &Value) -> String {
    let title = escape(document["info"]["title"].as_str().unwrap_or("API"));
    let operations = operations(document);
    let mut tags: Vec<&str> = operations.iter().map(Operation::tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let of = |tag: &str| -> Vec<&Operation<'_>> {
        operations
            .iter()
            .filter(|operation| operation.tag() == tag)
            .collect()
    };
    let mut nav = String::new();
    let mut main = String::new();
    let schemas = Schemas(document);
    for tag in tags {
        nav += &format!("<details open><summary>{}</summary><ul>", escape(tag));
        main += &format!("<section><h2 id=\"tag-{0}\">{0}</h2>", escape(tag));
        for operation in of(tag) {
            nav += &format!(
                "<li><a href=\"#{}\"><b class={1}>{1}</b> {2}</a></li>",
                operation.id(),
                operation.method,
                prose(first_sentence(operation.summary()))
            );
            main += &show(operation, &schemas);
        }
        nav += "</ul></details>";
        main += "</section>";
    }
    main += &schemas.section();
    nav += "<p><a href=\"#schemas\">Schemas</a></p>";
    let about = prose(document["info"]["description"].as_str().unwrap_or_default());
    let version = escape(document["info"]["version"].as_str().unwrap_or_default());
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><nav aria-label=Contents><h1><a href=\"#top\">{title}</a></h1>{nav}</nav>\
         <main id=top><header><h1>{title} <small>{version}</small></h1><p>{about}</p>\
         <p>The same as a document for programs: <a href=\"/openapi.json\">openapi.json</a>; to try requests out: <a href=\"/docs/\">docs</a>. \
         Requests of an administrator have the header <code>Authorization: Bearer …</code> with the token of a sign-in. \
         A refusal is a problem (RFC 9457) whose <code>detail</code> says why.</p></header>{main}</main></body></html>"
    )
}

/// What fits into a list of contents.
fn first_sentence(text: &str) -> &str {
    let ends = ["; ", ". "].into_iter().filter_map(|end| text.find(end));
    text[..ends.min().unwrap_or(text.len())].trim_end_matches('.')
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            if let Some(about) = item.get(method) {
                all.push(Operation { path, method, about });
            }
        }
    }
    all
}

fn show(operation: &Operation<'_>, schemas: &Schemas<'_>) -> String {
    let about = operation.about;
    let mut out = format!(
        "<article id=\"{}\"><h3><b class={1}>{1}</b> <code>{2}</code></h3><p>{3}</p>",
        operation.id(),
        operation.method,
        escape(operation.path),
        prose(operation.summary())
    );
    if let Some(more) = about["description"]
        .as_str()
        .filter(|text| *text != operation.summary())
    {
        out += &format!("<p>{}</p>", prose(more));
    }
    out += match about["security"].as_array().map(Vec::as_slice) {
        None | Some([]) => "<p class=who>For everybody.</p>",
        Some(ways) if ways.iter().any(|way| way == &serde_json::json!({})) => {
            "<p class=who>For administrators, and for others by the rule above.</p>"
        }
        Some(_) => "<p class=who>For administrators.</p>",
    };
    if let Some(parameters) = about["parameters"].as_array().filter(|all| !all.is_empty()) {
        out += "<h4>Parameters</h4><dl>";
        for parameter in parameters {
            let required = parameter["required"] == true;
            out += &format!(
                "<dt><code>{}</code> <i>{}, {}{}</i></dt><dd>{}</dd>",
                escape(parameter["name"].as_str().unwrap_or_default()),
                escape(parameter["in"].as_str().unwrap_or_default()),
                schemas.kind(&parameter["schema"]),
                if required { ", required" } else { "" },
                prose(parameter["description"].as_str().unwrap_or_default())
            );
        }
        out += "</dl>";
    }
    if about["requestBody"].is_object() {
        out += "<h4>Body</h4>";
        out += &content(&about["requestBody"], schemas);
    }
    out += "<h4>Answers</h4>";
    for (status, response) in about["responses"].as_object().into_iter().flatten() {
        let response = schemas.resolved(response);
        let class = status.chars().next().unwrap_or('0');
        out += &format!(
            "<details{}><summary><b class=s{class}>{}</b> {}</summary>{}</details>",
            if class == '2' { " open" } else { "" },
            escape(status),
            prose(response["description"].as_str().unwrap_or_default()),
            content(response, schemas)
        );
    }
    out + "</article>"
}

fn content(holder: &Value, schemas: &Schemas<'_>) -> String {
    let mut out = String::new();
    for (kind, media) in holder["content"].as_object().into_iter().flatten() {
        out += &format!("<p class=type>{}</p>", escape(kind));
        if media["schema"].is_object() {
            out += &schemas.body(&media["schema"]);
        }
    }
    out
}

/// A text as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

/// A text of a comment: what stands between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out += &format!("<code>{}</code>", escape(part));
        } else {
            out += &escape(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_schema_is_on_the_page_and_every_link_leads_somewhere() {
        let document = serde_json::to_value(crate::http::document()).unwrap();
        let page = page(&document);
        let operations = operations(&document);
        assert!(operations.len() > 100);
        for operation in &operations {
            let anchor = format!("<article id=\"{}\">", operation.id());
            assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
        }
        let links = page
            .split("href=\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for link in links {
            assert!(
                page.contains(&format!("id=\"{link}\"")) || link == "top",
                "{link}"
            );
            count += 1;
        }
        assert!(count > 300, "{count} links");
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));
    }

    #[test]
    fn texts_of_comments_can_not_break_the_page() {
        assert_eq!(
            prose("a `<b>` & \"c\" <https://x>"),
            "a <code>&lt;b&gt;</code> &amp; &quot;c&quot; &lt;https://x&gt;"
        );
    }
}
