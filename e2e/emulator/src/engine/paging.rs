//! Pages: a size, and a token that says after which name to go on.

use crate::{
    limits::{DEFAULT_PAGE, MAX_PAGE},
    status::{Result, Status},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};

/// Number of entries, and the name after which they begin.
pub(super) fn request(size: i32, token: &str) -> Result<(usize, String)> {
    let size = match usize::try_from(size) {
        Err(_) => return Err(Status::invalid("The page size must not be negative.")),
        Ok(0) => DEFAULT_PAGE,
        Ok(size) => size.min(MAX_PAGE),
    };
    let after = URL_SAFE
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    after
        .map(|after| (size, after))
        .ok_or_else(|| Status::invalid("Invalid page token."))
}

/// Cuts one entry more than fits into a page and the token of the next one.
pub(super) fn cut<T>(mut entries: Vec<T>, size: usize, name: impl Fn(&T) -> &str) -> (Vec<T>, String) {
    if entries.len() <= size {
        return (entries, String::new());
    }
    entries.truncate(size);
    let token = entries
        .last()
        .map(|last| URL_SAFE.encode(name(last)))
        .unwrap_or_default();
    (entries, token)
}
