//! A URL that may hold a password, shown without it.

use std::fmt;

use reqwest::Url;

/// A URL whose `Debug` shows where it leads, and neither as whom nor with which query.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked(Url);

impl Masked {
    /// The whole URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl From<Url> for Masked {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

/// A URL without what may be secret: user, password, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // A URL that cannot have a user has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let masked = |text: &str| format!("{:?}", Masked::from(Url::parse(text).unwrap()));
        assert_eq!(
            masked("http://user:s3cret@h:1/p?token=s3cret#s3cret"),
            "http://h:1/p"
        );
        assert_eq!(masked("https://h"), "https://h/");
        assert_eq!(masked("data:s3cret-not"), "data:s3cret-not");
    }
}
