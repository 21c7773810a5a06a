//! How large a listpack of a list may become.

use super::Node;

/// The setting `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Bytes of a listpack.
    Bytes(usize),
    /// Elements of a listpack, which has no more than [`COUNTED_BYTES_MAX`] bytes all the same.
    Count(usize),
}

/// Bytes of a listpack that is limited by the number of its elements. Source: Redis `SIZE_SAFETY_LIMIT`.
const COUNTED_BYTES_MAX: usize = 8192;

/// Bytes that an element is taken to add to its text. Source: Redis `SIZE_ESTIMATE_OVERHEAD`.
const OVERHEAD_BYTES: usize = 8;

/// Bytes that two listpacks have twice and one has once. Source: Redis 7.2 `_quicklistNodeAllowMerge`; 7.0 takes 11.
const SHARED_BYTES: usize = 7;

impl Limit {
    /// What a value of the setting means: from -1 to -5, 4 to 64 KiB; else elements, at least one.
    pub(crate) fn of(setting: i64) -> Self {
        match usize::try_from(setting) {
            Ok(count) => Self::Count(count.max(1)),
            Err(_) => Self::Bytes(2048 << setting.unsigned_abs().min(5)),
        }
    }

    /// Half of it.
    #[must_use]
    pub(crate) fn half(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes / 2),
            Self::Count(count) => Self::Count(count / 2),
        }
    }

    /// Whether a listpack that is there already may stay as it is.
    pub(super) fn admits(self, bytes: usize, count: usize) -> bool {
        match self {
            Self::Bytes(max) => bytes <= max,
            Self::Count(max) => count <= max,
        }
    }

    /// Whether a listpack may become this large.
    pub(crate) fn admits_growth(self, bytes: usize, count: usize) -> bool {
        self.admits(bytes, count) && (matches!(self, Self::Bytes(_)) || bytes <= COUNTED_BYTES_MAX)
    }

    /// Whether an element may be added to a node.
    pub(super) fn admits_into(self, node: &Node, text: &[u8]) -> bool {
        let bytes = node.bytes.len() + text.len() + OVERHEAD_BYTES;
        !node.plain && self.admits_growth(bytes, node.count() + 1)
    }

    /// Whether two nodes may become one.
    pub(super) fn admits_both(self, a: &Node, b: &Node) -> bool {
        let bytes = a.bytes.len() + b.bytes.len() - SHARED_BYTES;
        !a.plain && !b.plain && self.admits_growth(bytes, a.count() + b.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_kilobytes_or_elements() {
        for (setting, limit) in [
            (-1, Limit::Bytes(4096)),
            (-2, Limit::Bytes(8192)),
            (-5, Limit::Bytes(65_536)),
            (-9, Limit::Bytes(65_536)),
            (0, Limit::Count(1)),
            (128, Limit::Count(128)),
        ] {
            assert_eq!(Limit::of(setting), limit);
        }
    }
}
