//! The hash of a key: 64 bits, different in every process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_micro_inline};

/// Chosen anew at each start, so that nobody outside knows which keys collide.
static SECRETS: LazyLock<RapidSecrets> =
    LazyLock::new(|| RapidSecrets::seed(RandomState::new().build_hasher().finish()));

/// Hashes keys. A copy of the process's secrets, to be kept where it is used.
#[derive(Clone, Copy)]
pub(crate) struct KeyHasher(&'static RapidSecrets);

impl KeyHasher {
    /// The hasher of this process.
    pub(crate) fn new() -> Self {
        Self(&SECRETS)
    }

    /// The hash of `key`.
    #[inline]
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        rapidhash_v3_micro_inline::<true, false>(key, self.0)
    }
}

impl Default for KeyHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// For maps of keys, or of `u64` that others choose.
impl BuildHasher for KeyHasher {
    type Hasher = Hashing;

    #[inline]
    fn build_hasher(&self) -> Hashing {
        Hashing { hasher: *self, state: 0 }
    }
}

/// The hash of something, piece by piece.
pub(crate) struct Hashing {
    hasher: KeyHasher,
    state: u64,
}

impl Hasher for Hashing {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.state = self.state.rotate_left(32) ^ self.hasher.hash(bytes);
    }

    /// Said before bytes, of which it is the number: their hash knows it.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
