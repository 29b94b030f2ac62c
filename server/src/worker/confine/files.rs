//! Landlock: the files that a worker can open.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest form that is asked for; older systems do what they can of it.
const NEWEST: ABI = ABI::V6;

/// Lets this thread and those that it starts read `input`, do with the files in `folder` what they like, and open nothing else. What
/// is open stays open, and so do libraries that are loaded.
pub(super) fn confine(input: Option<&Path>, folder: Option<&Path>) -> Result<(), String> {
    match rule(input, folder) {
        Ok(RulesetStatus::NotEnforced) => Err("the system has no Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn rule(input: Option<&Path>, folder: Option<&Path>) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    // No links, devices, sockets or programs.
    let work = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let allowed: [(Option<&Path>, BitFlags<AccessFs>); 2] =
        [(input, AccessFs::ReadFile.into()), (folder, work)];
    for (path, access) in allowed {
        // A file that can't be opened is none that has to be allowed: the work says what is wrong with it.
        if let Some(Ok(path)) = path.map(PathFd::new) {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}
