//! What libav logs reaches `tracing`, without secrets, and nothing reaches stderr.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use av::{Input, Interrupt, OpenOptions};
use tracing::field::{Field, Visit};
use tracing::{Event, Id, Metadata, Subscriber, span};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl Visit for Lines {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0.lock().expect("no panic"), "{value:?}").expect("a string grows");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "libav"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn lines_arrive_whole_and_without_secrets() {
    let lines = Lines::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let options = OpenOptions {
        protocols: "http,tcp".to_owned(),
        ..OpenOptions::default()
    };
    let error = tracing::subscriber::with_default(lines.clone(), || {
        let url = format!("http://joe:hunter2@{address}/a?token=swordfish");
        Input::open_url(&url, &options, &Interrupt::new()).expect_err("closed")
    });
    let lines = lines.0.lock().expect("no panic").clone();
    assert!(lines.contains("refused"), "{lines}");
    for secret in ["hunter2", "swordfish"] {
        assert!(
            !lines.contains(secret) && !error.message.contains(secret),
            "{lines} {error}"
        );
    }
}
