//! What a worker gives away before it reads the first byte of media: more memory and time than it needs, files, system calls.

mod calls;
mod files;

use std::path::Path;

use mediacore::{Error, ErrorKind, Result};

use super::limits::Limits;
use super::wire::Confined;
use crate::config::Sandbox;

/// Holds this process, which has no threads yet, to `limits`, to reading `input` and to writing below `folder`.
///
/// # Errors
/// `Refused` when the system can't do it all and it is required.
pub(super) fn confine(
    sandbox: Sandbox,
    limits: &Limits,
    input: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Confined> {
    // When memory runs out, the system is to end a worker and not the server. Where this can't be said, it chooses for itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    limits.apply()?;
    if sandbox == Sandbox::Off {
        return Ok(Confined::default());
    }
    let refused = |what: &str, cause: String| {
        let text =
            format!("a worker can't be held to its {what} here, and worker_sandbox is required: {cause}");
        Error::new(ErrorKind::Refused, text)
    };
    rustix::thread::set_no_new_privs(true).map_err(|cause| refused("rights", cause.to_string()))?;
    let files = files::confine(input, folder);
    let calls = calls::confine();
    if sandbox == Sandbox::Required {
        if let Err(cause) = &files {
            return Err(refused("files", cause.clone()));
        }
        if let Err(cause) = &calls {
            return Err(refused("system calls", cause.clone()));
        }
    }
    Ok(Confined {
        calls: calls.is_ok(),
        files: files.is_ok(),
    })
}
