//! Every scenario is a module; all are one program, so that they link once and wait for real time side by side.
#![forbid(unsafe_code)]

mod harness;
