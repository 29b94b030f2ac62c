//! Finishes what a crash left below a folder: `cargo run -p mediacore --example recover -- recordings/`.

use std::path::Path;

use mediacore::record::finish::Preference;
use mediacore::record::recover::{recover, unfinished_in};

fn main() -> mediacore::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for path in unfinished_in(Path::new(&folder))? {
        match recover(&path, Preference::Auto, &|_, _| {}) {
            Ok(found) => println!(
                "{}: {} {:?}",
                path.display(),
                found.outcome.as_str(),
                found.duration
            ),
            // One that is still being recorded, or damaged, does not keep the others from being finished.
            Err(error) => println!("{}: {}", path.display(), error.report()),
        }
    }
    Ok(())
}
