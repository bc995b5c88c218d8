//! The stories that only the real Google Pub/Sub can settle: what its documentation leaves open, and the operator relies
//! on. `make test-gcp` tells them of a project of yours and prints what it measured; `make test` tells the same ones of the
//! emulator, so that they work when they are needed. See docs/google.md.
//!
//! | file | the question |
//! |---|---|
//! | [`filter_change`] | is an event lost when a filter changes, and when does the old subscription go? |
//! | [`dead_letters`] | how does a dead letter look? |
//! | [`dead_letter_grants`] | what happens while the service agent has no rights, and how soon after it has them? |
//! | [`revoke`] | how long is a pull allowed after its right was taken, or refused after it was given? |
//! | [`visibility`] | when is what was made, or deleted, seen? |
//! | [`pages`] | how much is on a page of a list? |
//! | [`defaults`] | what does the service fill in, and does a subscription come back as it was written? |
//! | [`masks`] | what becomes of a filter in an update? |
//! | [`policies`] | what is said of a principal that does not exist, and of a policy that somebody else wrote? |

mod dead_letter_grants;
mod dead_letters;
mod defaults;
mod filter_change;
mod letters;
mod made;
mod masks;
mod messages;
mod pages;
mod policies;
mod revoke;
mod service;
mod visibility;
