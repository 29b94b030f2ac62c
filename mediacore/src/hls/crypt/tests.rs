//! What players decrypt is what was encrypted.
