//! The OpenAPI document is reviewed like code: a change of the API shows in its snapshot, `server/openapi.json`.

use std::process::Command;

#[test]
fn the_document_is_the_reviewed_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_mediastack"))
        .arg("openapi")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let now = String::from_utf8(output.stdout).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("MEDIASTACK_BLESS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap();
    assert!(
        now == reviewed,
        "the API is not what server/openapi.json says; `MEDIASTACK_BLESS=1 cargo test -p mediastack --test openapi` writes it anew, for review"
    );
}
