//! Access tokens of the emulator's own making: the member, encoded, behind a mark.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const MARK: &str = "ya29.emulator.";

/// The IAM member that a token of ours stands for.
pub(crate) fn member_of(token: &str) -> Option<String> {
    let encoded = token.strip_prefix(MARK)?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
}
