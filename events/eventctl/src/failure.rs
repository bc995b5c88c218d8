//! How a command fails, and the exit code that says so.

/// What the caller has to change before the command can work: exit code 2, as for a wrong command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The exit code of a usage error.
pub(crate) const USAGE: u8 = 2;

/// A usage error with the whole chain of an error behind what is wrong.
pub(crate) fn usage(what: &str, error: impl Into<anyhow::Error>) -> anyhow::Error {
    Usage(format!("{what}: {:#}", error.into())).into()
}

/// The exit code for an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Usage>() {
        Some(_) => USAGE,
        None => 1,
    }
}
