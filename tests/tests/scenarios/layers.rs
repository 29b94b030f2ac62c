//! The arrows between the crates point one way, and `unsafe` stays in the bindings.

use std::path::{Path, PathBuf};
use std::process::Command;

use mediastack_tests::fixtures::repository;
use mediastack_tests::process::output_of;

fn tree(args: &[&str]) -> Vec<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "tree",
        "--offline",
        "--locked",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--edges",
        "normal",
    ]);
    let (out, _) = output_of(cargo.args(args).current_dir(repository()));
    let mut names: Vec<String> = out
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn only_the_bindings_use_libav() {
    let users = tree(&["--workspace", "--invert", "ffmpeg-next", "--depth", "1"]);
    assert_eq!(users, ["ffmpeg-next", "mediacore-av"]);
    let users = tree(&["--workspace", "--invert", "mediacore-av", "--depth", "1"]);
    assert_eq!(users, ["mediacore", "mediacore-av"]);
}

#[test]
fn mediacore_knows_no_server_and_no_database() {
    let below = tree(&["--package", "mediacore"]);
    for name in ["axum", "hyper", "sqlx", "tokio", "mediastack"] {
        assert!(!below.iter().any(|n| n == name), "mediacore depends on {name}");
    }
}

/// Who embeds the library keeps their own.
#[test]
fn only_the_binary_brings_an_allocator() {
    for allocator in ["tikv-jemallocator", "tikv-jemalloc-sys"] {
        let users = tree(&["--workspace", "--invert", allocator]);
        for name in ["mediacore", "mediacore-av"] {
            assert!(!users.iter().any(|n| n == name), "{name} depends on {allocator}");
        }
        assert!(users.iter().any(|n| n == "mediastack"), "{users:?}");
    }
}

#[test]
fn unsafe_code_is_only_in_the_bindings() {
    for root in ["mediacore/src/lib.rs", "server/src/main.rs"] {
        let text = std::fs::read_to_string(repository().join(root)).expect("the crate's root");
        assert!(
            text.contains("#![forbid(unsafe_code)]"),
            "{root} does not forbid unsafe code"
        );
    }
    let mut files = Vec::new();
    for dir in ["mediacore", "server", "benches", "tests"] {
        rust_files(&repository().join(dir), &mut files);
    }
    assert!(files.len() > 20);
    let word = ["un", "safe "].concat();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let found = code.find(&word).is_some_and(|at| {
                ["{", "fn", "impl", "extern", "trait"]
                    .iter()
                    .any(|k| code[at + word.len()..].starts_with(k))
            });
            assert!(
                code.starts_with("//") || !found,
                "{}:{}: {line}",
                file.display(),
                number + 1
            );
        }
    }
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory of the repository") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && !["target", "node_modules"].contains(&name) {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}
