//! The web UI in a real browser, against a real server and a real stream.

use std::process::Command;

use mediastack_tests::fixtures::{media, repository};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::process::output_of;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::Server;
use serde_json::{Value, json};

/// Bytes of script, compressed, that a first load may bring.
const SCRIPT: i64 = 250_000;

/// Files of script and style that a first load may bring: each costs a slow processor more than what is in it.
const FILES: i64 = 30;

/// Milliseconds that the first paint of the dashboard may come later than that of an empty page, with a processor four times slower. What
/// other programs take of the machine is in both.
const FIRST_PAINT: i64 = 800;

fn list(value: &Value) -> String {
    let all = value.as_array().expect("a list");
    all.iter()
        .map(|one| format!("\n  {}", one.as_str().unwrap_or_default()))
        .collect()
}

/// Sign in, add a source by the wizard, record, watch the live card grow, stop, review, publish under a code, unlock, play, seek, switch
/// speed: on a wide screen in English and on a phone in Chinese. Then every page is looked at: nothing in the console, no serious
/// violation of accessibility, nothing wider than the screen. Pictures are in `target/ui-screenshots`.
#[test]
fn an_operator_records_and_publishes_and_a_viewer_watches() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("hall"), &Content::of(media("live_360p.flv")));
    let server = Server::start();
    let shots = repository().join("target/ui-screenshots");
    let (said, _) = output_of(
        Command::new("node")
            .arg("ui.mjs")
            .arg(server.url(""))
            .arg(nginx.url("hall"))
            .arg(&shots)
            .current_dir(repository().join("tests/browser")),
    );
    let seen: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said}"));
    assert_eq!(seen["console"], json!([]), "errors:{}", list(&seen["console"]));
    assert_eq!(seen["violations"], json!([]), "axe:{}", list(&seen["violations"]));
    assert_eq!(seen["overflow"], json!([]), "width:{}", list(&seen["overflow"]));
    let wide = &seen["passes"][0];
    eprintln!(
        "first load: console {} B, viewers' site {} B of script; first paint with a processor four times slower: {} ms, of an empty page {} ms",
        wide["console"]["script"], wide["viewer"]["script"], wide["first_paint_ms"], wide["blank_paint_ms"]
    );
    let later = wide["first_paint_ms"].as_i64().expect("a number")
        - wide["blank_paint_ms"].as_i64().expect("a number");
    assert!(later <= FIRST_PAINT, "{wide}");
    for page in ["console", "viewer"] {
        assert!(wide[page]["script"].as_i64() <= Some(SCRIPT), "{wide}");
        assert!(wide[page]["files"].as_i64() <= Some(FILES), "{wide}");
        assert_eq!(wide[page]["other_hosts"], json!([]), "{wide}");
    }
}
