//! The units in which requests and replies count time.

use tidegate_protocols::Error;
use tidegate_protocols::number::integer_argument;

/// The unit of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    /// The Unix time in milliseconds that lies as long after `base_ms` as `text` says; it may be before 1970.
    ///
    /// # Errors
    /// [`Error::NotInteger`], or [`Error::ExpireTime`] in the name of `command` if it does not fit 63 bits.
    pub(crate) fn unix_ms(self, text: &[u8], base_ms: u64, command: &'static str) -> Result<i64, Error> {
        let time = integer_argument(text)?;
        let ms = match self {
            Self::Seconds => time.checked_mul(1000),
            Self::Milliseconds => Some(time),
        };
        ms.and_then(|ms| ms.checked_add_unsigned(base_ms)).ok_or(Error::ExpireTime(command))
    }

    /// Milliseconds in this unit, rounded to the nearest.
    pub(crate) fn of(self, ms: u64) -> i64 {
        (match self {
            Self::Seconds => ms.saturating_add(500) / 1000,
            Self::Milliseconds => ms,
        }) as i64
    }
}
