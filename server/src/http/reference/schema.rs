//! Schemas as people read them.

use serde_json::Value;

use super::{escape, prose};

/// The schemas of a document.
pub(super) struct Schemas<'a>(pub(super) &'a Value);

const PREFIX: &str = "#/components/schemas/";

impl<'a> Schemas<'a> {
    /// What a reference leads to, or the thing itself.
    pub(super) fn resolved(&self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
        target
            .and_then(|pointer| self.0.pointer(pointer))
            .unwrap_or(value)
    }

    /// The type of a schema in words, in HTML.
    pub(super) fn kind(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(PREFIX)) {
            let target = &self.0["components"]["schemas"][name];
            if target["format"].is_string() {
                return self.kind(target);
            }
            return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(all) = schema[key].as_array() {
                let joint = if key == "allOf" { " and " } else { " or " };
                let kinds: Vec<String> = all.iter().map(|one| self.kind(one)).collect();
                return kinds.join(joint);
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            let one = |value: &Value| match value.as_str() {
                Some(text) => format!("<code>{}</code>", escape(text)),
                None => escape(&value.to_string()),
            };
            return values.iter().map(one).collect::<Vec<_>>().join(" | ");
        }
        let one = |kind: &str| match kind {
            "array" => format!("array of {}", self.kind(&schema["items"])),
            "string" => match schema["format"].as_str() {
                Some(format) => escape(format),
                None => "string".to_owned(),
            },
            kind => escape(kind),
        };
        match &schema["type"] {
            Value::String(kind) => one(kind),
            Value::Array(kinds) => {
                let kinds: Vec<String> = kinds.iter().filter_map(Value::as_str).map(one).collect();
                kinds.join(" or ")
            }
            _ => "any".to_owned(),
        }
    }

    /// A schema with its fields, one level deep; what is deeper is a link.
    pub(super) fn body(&self, schema: &'a Value) -> String {
        let is_list = schema["type"] == "array";
        let one = if is_list { &schema["items"] } else { schema };
        let fields = self.fields(one, 4);
        if fields.is_empty() {
            return format!("<p>{}</p>", self.kind(schema));
        }
        format!("<p>{}</p><dl>{fields}</dl>", self.kind(schema))
    }

    /// The fields of a schema and of what it is made of; `deep` ends a schema that is part of itself.
    fn fields(&self, schema: &'a Value, deep: u32) -> String {
        if deep == 0 {
            return String::new();
        }
        let schema = self.resolved(schema);
        let mut out = String::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            out += &self.fields(part, deep - 1);
        }
        let required = schema["required"].as_array();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let always = required.is_some_and(|names| names.iter().any(|known| known == name));
            out += &format!(
                "<dt><code>{}</code> <i>{}{}</i></dt><dd>{}</dd>",
                escape(name),
                self.kind(field),
                if always { "" } else { ", optional" },
                prose(field["description"].as_str().unwrap_or_default())
            );
        }
        out
    }

    /// All of them.
    pub(super) fn section(&self) -> String {
        let mut out = "<section><h2 id=\"schemas\">Schemas</h2>".to_owned();
        let all = self.0["components"]["schemas"].as_object();
        for (name, schema) in all.into_iter().flatten() {
            out += &format!(
                "<article id=\"schema-{0}\"><h3><code>{0}</code></h3><p>{1}</p>{2}</article>",
                escape(name),
                prose(schema["description"].as_str().unwrap_or_default()),
                self.body(schema)
            );
        }
        out + "</section>"
    }
}
