//! Segments as they are sent.
