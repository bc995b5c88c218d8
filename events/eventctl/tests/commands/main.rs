//! The real binary, against an emulator.

mod dev;
mod publish;
mod support;
