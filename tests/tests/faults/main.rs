//! What goes wrong in the field, row by row, on the real binary. All is one program, so that it links once and waits for real time side
//! by side. `MEDIASTACK_FAULTS=all` runs everything, otherwise long waits are cut; `scripts/faults.sh` makes the table.
#![forbid(unsafe_code)]

// Sources and time.
mod source_cut;
mod source_silent;

// Who may reach what.
mod access_addresses;
mod access_media;
mod access_secrets;
mod access_sign_in;

// Viewers and other clients.
mod viewers_hostile;
mod viewers_many;
mod viewers_patience;
