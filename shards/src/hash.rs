//! The hash of a key: 64 bits, different in every process.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
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
