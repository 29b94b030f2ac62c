//! Records one source many times in one process: `sixty_four URL FOLDER COUNT SECONDS`. Run by `compare`, which measures it.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use mediacore::clock::SystemClock;
use mediacore::record::{Options, Recorder, Status};
use mediacore::source::{self, SourceUrl};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, count, seconds] = arguments.as_slice() else {
        return Err("usage: sixty_four URL FOLDER COUNT SECONDS".into());
    };
    let (count, seconds): (u32, u64) = (count.parse()?, seconds.parse()?);
    let url = SourceUrl::parse(url)?;
    let options = Options {
        duration: Some(Duration::from_secs(seconds)),
        ..Options::default()
    };
    let mut recordings = Vec::new();
    for number in 0..count {
        let opener = source::opener(&url, &source::Options::default(), &SystemClock::shared());
        let path = Path::new(folder).join(format!("{number:02}.mp4"));
        recordings.push(Recorder::default().start(opener, &path, options.clone())?);
    }
    for recording in recordings {
        let report = recording.wait();
        if report.status != Status::Completed || !report.gaps.is_empty() {
            return Err(format!("{} {:?} {:?}", report.status.as_str(), report.error, report.gaps).into());
        }
    }
    Ok(())
}
