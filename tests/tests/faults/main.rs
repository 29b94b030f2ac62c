//! What goes wrong in the field, row by row, on the real binary. All is one program, so that it links once and waits for real time side
//! by side. `MEDIASTACK_FAULTS=all` runs everything, otherwise long waits are cut; `scripts/faults.sh` makes the table.
#![forbid(unsafe_code)]

// Media of strangers.
mod media_hostile;
mod media_uploads;
mod media_workers;
// Sources and time.
mod hostile;
mod hostile_ts;
mod schedules;
mod soak;
mod source_bombs;
mod source_changes;
mod source_cut;
mod source_hls;
mod source_silent;
mod source_sound;
mod source_start;
mod source_timestamps;
mod source_udp;
mod stop;
mod time_clock;

// Who may reach what.
mod access_addresses;
mod access_media;
mod access_secrets;
mod access_sign_in;

// Viewers and other clients.
mod viewers_hostile;
mod viewers_many;
mod viewers_patience;

// Storage and the database.
mod kill_server;
mod power_server;
mod storage_calls;
mod storage_database;
mod storage_full;
mod storage_mounts;
