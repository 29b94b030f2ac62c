//! Records a live source: `cargo run -p mediacore --example record -- rtmp://host/app/key out.mp4 30`.

use std::path::Path;
use std::time::Duration;

use mediacore::clock::SystemClock;
use mediacore::record::{Options, Recorder};
use mediacore::source::{self, SourceUrl};

fn main() -> mediacore::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(path)) = (args.next(), args.next()) else {
        eprintln!("record URL OUT.mp4 [SECONDS]");
        return Ok(());
    };
    let duration = args
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs_f64);

    let opener = source::opener(
        &SourceUrl::parse(&url)?,
        &source::Options::default(),
        &SystemClock::shared(),
    );
    let options = Options {
        duration,
        ..Options::default()
    };
    let recording = Recorder::default().start(opener, Path::new(&path), options)?;
    for event in recording.events() {
        println!("{event:?}");
    }
    let report = recording.wait();
    println!(
        "{} after {:?}: {} gap(s), {:?}",
        report.status.as_str(),
        report.duration(),
        report.gaps.len(),
        report.end
    );
    if let Some(error) = &report.error {
        println!("{}", error.report());
    }
    for part in &report.parts {
        println!(
            "{} {} bytes, finished by {:?}",
            part.path.display(),
            part.size,
            part.method
        );
    }
    Ok(())
}
