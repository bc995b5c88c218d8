//! A list that comes page by page.

use crate::pubsub::Page;

/// The pages of a list so far.
pub(super) struct Pages<T> {
    pub(super) items: Vec<T>,
    next: Option<String>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            next: Some(String::new()),
        }
    }
}

impl<T> Pages<T> {
    /// The token of the page to ask for, if there is one.
    pub(super) fn next(&mut self) -> Option<String> {
        self.next.take()
    }

    pub(super) fn add(&mut self, page: Page<T>) {
        self.items.extend(page.items);
        self.next = Some(page.next).filter(|token| !token.is_empty());
    }
}
