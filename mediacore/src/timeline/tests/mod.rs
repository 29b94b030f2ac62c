//! Streams as hostile as the field has them.
