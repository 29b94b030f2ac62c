//! The OpenAPI document is reviewed like code: a change of the API shows in its snapshot, `server/openapi.json`.

use std::process::Command;

fn path() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")
}

#[test]
fn the_document_is_the_reviewed_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_mediastack"))
        .arg("openapi")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let now = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("MEDIASTACK_BLESS").is_some() {
        std::fs::write(path(), &now).unwrap();
    }
    let reviewed = std::fs::read_to_string(path()).unwrap();
    assert!(
        now == reviewed,
        "the API is not what server/openapi.json says; `MEDIASTACK_BLESS=1 cargo test -p mediastack --test openapi` writes it anew, for review"
    );
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let mut left = vec![&document];
    let mut seen = 0;
    while let Some(value) = left.pop() {
        if let Some(to) = value.get("$ref").and_then(|to| to.as_str()) {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "nothing is at {to}");
            seen += 1;
        }
        match value {
            serde_json::Value::Object(fields) => left.extend(fields.values()),
            serde_json::Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    assert!(seen > 100, "{seen} references");
}

#[test]
fn operations_have_names_of_their_own() {
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let mut names = std::collections::HashMap::new();
    for (route, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(name) = operation["operationId"].as_str() else {
                continue;
            };
            let other = names.insert(name, format!("{method} {route}"));
            assert_eq!(other, None, "{method} {route} is called {name} too");
        }
    }
    assert!(names.len() > 100, "{names:?}");
}
