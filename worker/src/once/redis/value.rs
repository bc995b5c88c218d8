//! Pure: what stands under a key, as text.

use events::Digest;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

use crate::once::{Claim, End, Identity};

/// Ends what this release writes under the keys of the release before, which reads the first word alone.
pub(super) const MIRRORED: &str = " 2";

/// The value of a claim.
pub(super) fn claim(token: &str) -> String {
    format!("claim {token}")
}

/// The value of an end.
pub(super) fn end(event: &Identity<'_>, token: &str, end: End) -> String {
    let digest = event.digest;
    match end {
        End::Done => format!("done {token} {digest}"),
        End::PermanentlyFailed => format!("failed {token} {digest} {}", scope(event)),
    }
}

/// What a value means for an event that is to be handled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The answer.
    Answer(Claim),
    /// A permanent failure of another message, or found by another version of the handler: it may be replaced.
    Outdated,
    /// Nothing that a worker writes.
    Foreign,
}

/// Reads a value. `own` is the value that this delivery's claim has.
pub(super) fn found(value: &str, own: &str, event: &Identity<'_>) -> Found {
    let mut words = value.split(' ');
    let (what, _token) = (words.next(), words.next());
    let same = |words: &mut std::str::Split<'_, char>| {
        let digest = words.next().and_then(|word| word.parse::<Digest>().ok());
        digest.is_none_or(|digest| digest == event.digest)
    };
    match what {
        // The answer to our SET got lost.
        Some("claim") if value == own => Found::Answer(Claim::Claimed),
        Some("claim") => Found::Answer(Claim::InFlight),
        Some("done") if same(&mut words) => Found::Answer(Claim::Done),
        Some("failed") if same(&mut words) => match words.next() == Some(&scope(event)) {
            true => Found::Answer(Claim::PermanentlyFailed),
            false => Found::Outdated,
        },
        Some("done" | "failed") => Found::Answer(Claim::Conflict),
        _ => Found::Foreign,
    }
}

/// The message and the handler's version, which a permanent failure counts for. A hash: a version may be any text.
fn scope(event: &Identity<'_>) -> String {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    for part in [event.message_id, event.handler_version] {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_they_were_written() {
        let event = Identity {
            event_type: "document.ingested",
            key: "k",
            digest: Digest::of(&events::Payload::default()),
            message_id: "1",
            handler_version: "v 1",
        };
        let own = claim("i-1");
        let answer = |value: &str, event: &Identity<'_>| found(value, &own, event);
        assert_eq!(answer(&own, &event), Found::Answer(Claim::Claimed));
        assert_eq!(answer(&claim("i-2"), &event), Found::Answer(Claim::InFlight));
        let [done, failed] = [End::Done, End::PermanentlyFailed].map(|how| end(&event, "i-2", how));
        assert_eq!(answer(&done, &event), Found::Answer(Claim::Done));
        assert_eq!(answer(&failed, &event), Found::Answer(Claim::PermanentlyFailed));
        let mut other = event;
        other.digest = Digest::of(&serde_json::Map::from_iter([("a".to_owned(), 1.into())]).into());
        assert_eq!(answer(&done, &other), Found::Answer(Claim::Conflict));
        assert_eq!(answer(&failed, &other), Found::Answer(Claim::Conflict));
        for change in [
            |e: &mut Identity<'_>| e.message_id = "2",
            |e: &mut Identity<'_>| e.handler_version = "v 2",
        ] {
            let mut other = event;
            change(&mut other);
            assert_eq!(answer(&failed, &other), Found::Outdated);
            assert_eq!(answer(&done, &other), Found::Answer(Claim::Done));
        }
        assert_eq!(answer("a list", &event), Found::Foreign);
    }
}
