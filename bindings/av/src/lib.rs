//! A small safe face over libav: the only crate of the workspace with `unsafe`.

mod interrupt;

pub use interrupt::Interrupt;
