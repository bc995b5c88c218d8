//! Ack ids: which lease of which message of which subscription.

use std::{fmt, str::FromStr};

/// Opaque to clients. It names one delivery: the next delivery of the message has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckId {
    pub(super) incarnation: u32,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// `E`, three groups of eight hexadecimal digits, and [`FILLER`]. The service's have about as many characters, and no more than
/// this allows: Google's Node client acknowledges 3,000 messages in a request, which may have 512 KiB.
pub(crate) const ACK_ID_LENGTH: usize = 25 + FILLER.len();

/// Means nothing, and has to be there.
const FILLER: &[u8; 143] = b"PtYgjmUhBel31iEl2hpChYgCfrL1spNxnyVmihA-2O76UMFxFkM-R5Kjp1vRt_1fjORS-6ilI8ihN5KXSc7Tvo-hBKqFYY-kv5ZJr3J1TWDtkwtDDb_xHKas1VOqg6YYZYn9ZhyiA4uoRgn";

impl AckId {
    #[cfg(test)]
    pub(crate) const fn of(incarnation: u32, slot: u32, generation: u32) -> Self {
        Self {
            incarnation,
            slot,
            generation,
        }
    }

    /// The text, written into a buffer without going through the formatter: it is on the hot path.
    pub(crate) fn text(self) -> [u8; ACK_ID_LENGTH] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'E'; ACK_ID_LENGTH];
        let words = [self.incarnation, self.slot, self.generation];
        let (head, filler) = text.split_at_mut(ACK_ID_LENGTH - FILLER.len());
        filler.copy_from_slice(FILLER);
        for (i, byte) in head.iter_mut().skip(1).enumerate() {
            let word = words.get(i / 8).copied().unwrap_or_default();
            let nibble = (word >> (28 - 4 * (i % 8))) & 0xf;
            *byte = DIGITS.get(nibble as usize).copied().unwrap_or(b'0');
        }
        text
    }
}

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl FromStr for AckId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text
            .strip_prefix('E')
            .and_then(|rest| rest.as_bytes().strip_suffix(FILLER))
            .filter(|digits| digits.len() == 24)
            .and_then(|digits| str::from_utf8(digits).ok())
            .ok_or(())?;
        let word = |from: usize| {
            digits
                .get(from..from + 8)
                .filter(|w| !w.starts_with('+'))
                .and_then(|w| u32::from_str_radix(w, 16).ok())
                .ok_or(())
        };
        Ok(Self {
            incarnation: word(0)?,
            slot: word(8)?,
            generation: word(16)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(incarnation: u32, slot: u32, generation: u32) {
            let id = AckId { incarnation, slot, generation };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert!(format!("{id}0").parse::<AckId>().is_err(), "more than an ack id is none");
            let text = id.to_string();
            prop_assert_eq!(text.len(), ACK_ID_LENGTH);
            prop_assert!(text[..25].parse::<AckId>().is_err(), "less than an ack id is none");
            prop_assert!(text[..text.len() - 1].parse::<AckId>().is_err());
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<AckId>();
        }
    }
}
