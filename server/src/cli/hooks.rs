//! Two environment variables for tests, left out of the help: `MEDIASTACK_FINISH` (`auto`, `reserved`, `insert_range`,
//! `copy`) forces a way to finish, `MEDIASTACK_CRASH_AT` (`<method>:<step>`, or `journal_removed`) ends the program there
//! as a crash would.

use std::env;
use std::sync::Arc;

use mediacore::record::finish::{Method, Preference, Step, StepObserver};
use mediacore::{Error, ErrorKind, Result};

/// How to finish.
pub(crate) fn preference() -> Result<Preference> {
    Ok(match env::var("MEDIASTACK_FINISH").as_deref() {
        Err(_) | Ok("" | "auto") => Preference::Auto,
        Ok("reserved") => Preference::Only(Method::Reserved),
        Ok("insert_range") => Preference::Only(Method::InsertRange),
        Ok("copy") => Preference::Only(Method::Copy),
        Ok(other) => {
            let message = format!("MEDIASTACK_FINISH={other:?}: not auto, reserved, insert_range or copy");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    })
}

/// What crashes at the step that was asked for, if one was.
pub(crate) fn observer() -> Option<StepObserver> {
    let wanted = env::var("MEDIASTACK_CRASH_AT")
        .ok()
        .filter(|step| !step.is_empty())?;
    Some(StepObserver(Arc::new(move |method, step| {
        let here = format!("{}:{}", method.as_str(), step.as_str());
        if wanted == here || (step == Step::JournalRemoved && wanted == step.as_str()) {
            std::process::abort();
        }
    })))
}
