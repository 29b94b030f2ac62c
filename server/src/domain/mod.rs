//! Words of the server: newtypes and rules without I/O.

pub(crate) mod cron;
pub(crate) mod retention;
pub(crate) mod status;
pub(crate) mod time;
