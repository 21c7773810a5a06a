//! The figures of a store, as a shard tells them: each number (u64) in the order of its type, without names.

use super::Malformed;
use crate::data::{
    AofFigures, DatabaseFigures, Figures, MemcachedFigures, PersistenceFigures, ScriptFigures,
};

/// The fields of a type that are numbers, in this order, and the others. One that is not named does not compile.
macro_rules! numbers {
    ($figures:ident: $($number:ident),+ $(; $($other:ident),+)?) => {{
        let Self { $($number),+ $(, $($other),+)? } = $figures;
        ([$($number),+], ($($($other),+)?))
    }};
}

impl Figures {
    /// Adds the figures to the end of `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in self.clone().numbers() {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// The figures that `bytes` are.
    ///
    /// # Errors
    /// [`Malformed::Unknown`] if there are more or fewer numbers than this build knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut figures = Self::default();
        let numbers = figures.numbers();
        let (chunks, rest) = bytes.as_chunks();
        if chunks.len() != numbers.len() || !rest.is_empty() {
            return Err(Malformed::Unknown(bytes.len() as u32, "length of figures"));
        }
        for (number, chunk) in numbers.into_iter().zip(chunks) {
            *number = u64::from_le_bytes(*chunk);
        }
        Ok(figures)
    }

    /// Adds what another store has. Means are those of all keys that expire; peaks are added, though they need not
    /// have been at the same time.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        let most_scripts = ScriptFigures {
            // All shards have the same, most of the time.
            scripts: self.scripts.scripts.max(other.scripts.scripts),
            functions: self.scripts.functions.max(other.scripts.functions),
            libraries: self.scripts.libraries.max(other.scripts.libraries),
            script_bytes: self.scripts.script_bytes + other.scripts.script_bytes,
            evicted: self.scripts.evicted + other.scripts.evicted,
            function_bytes: self.scripts.function_bytes + other.scripts.function_bytes,
            engine_bytes: self.scripts.engine_bytes + other.scripts.engine_bytes,
        };
        let persistence = self.persistence.with(&other.persistence);
        let ttl_ms_means: [_; crate::limits::DATABASES] =
            std::array::from_fn(|at| mean_of(&self.databases[at], &other.databases[at]));
        for (sum, number) in self.numbers().into_iter().zip(other.numbers()) {
            *sum = sum.saturating_add(*number);
        }
        self.scripts = most_scripts;
        self.persistence = persistence;
        for (database, ttl_ms_mean) in self.databases.iter_mut().zip(ttl_ms_means) {
            database.ttl_ms_mean = ttl_ms_mean;
        }
    }

    /// All there are.
    fn numbers(&mut self) -> Vec<&mut u64> {
        let (own, (databases, memcached, scripts, aof, persistence)) = numbers!(self:
            allocated_bytes, active_bytes, resident_bytes, allocated_bytes_peak, table_bytes, hits, misses,
            expired, evicted, changes, lazyfree_pending, lazyfreed, waited_for, waited_for_removal,
            tracked_keys, tracked_items
            ; databases, memcached, scripts, aof, persistence
        );
        let mut numbers: Vec<_> = databases.iter_mut().flat_map(DatabaseFigures::numbers).collect();
        numbers.extend(own);
        numbers.extend(memcached.numbers());
        numbers.extend(scripts.numbers());
        numbers.extend(aof.numbers());
        numbers.extend(persistence.numbers());
        numbers
    }
}

impl DatabaseFigures {
    fn numbers(&mut self) -> [&mut u64; 3] {
        numbers!(self: keys, expires, ttl_ms_mean).0
    }
}

impl ScriptFigures {
    fn numbers(&mut self) -> [&mut u64; 7] {
        numbers!(self: scripts, script_bytes, evicted, functions, libraries, function_bytes, engine_bytes).0
    }
}

impl AofFigures {
    fn numbers(&mut self) -> [&mut u64; 5] {
        numbers!(self: open, failing, bytes, base_bytes, waiting_bytes).0
    }
}

impl PersistenceFigures {
    /// What is known of two stores together: what has been done is what both have done.
    fn with(&self, other: &Self) -> Self {
        let first =
            |one: u64, other: u64| if one == 0 || other == 0 { one.max(other) } else { one.min(other) };
        Self {
            loading: self.loading.max(other.loading),
            loading_since_s: first(self.loading_since_s, other.loading_since_s),
            loading_bytes: self.loading_bytes.saturating_add(other.loading_bytes),
            loaded_bytes: self.loaded_bytes.saturating_add(other.loaded_bytes),
            loading_used_bytes: self.loading_used_bytes.saturating_add(other.loading_used_bytes),
            loaded_keys: self.loaded_keys.saturating_add(other.loaded_keys),
            loaded_expired: self.loaded_expired.saturating_add(other.loaded_expired),
            changes_unsaved: self.changes_unsaved.saturating_add(other.changes_unsaved),
            saving: self.saving.max(other.saving),
            saving_since_s: first(self.saving_since_s, other.saving_since_s),
            saving_keys: self.saving_keys.saturating_add(other.saving_keys),
            saving_keys_all: self.saving_keys_all.saturating_add(other.saving_keys_all),
            last_save_s: first(self.last_save_s, other.last_save_s),
            last_save_failed: self.last_save_failed.max(other.last_save_failed),
            last_save_seconds_and_one: self.last_save_seconds_and_one.max(other.last_save_seconds_and_one),
            saves: self.saves.max(other.saves),
        }
    }

    fn numbers(&mut self) -> [&mut u64; 16] {
        numbers!(self:
            loading, loading_since_s, loading_bytes, loaded_bytes, loading_used_bytes, loaded_keys,
            loaded_expired, changes_unsaved, saving, saving_since_s, saving_keys, saving_keys_all,
            last_save_s, last_save_failed, last_save_seconds_and_one, saves
        )
        .0
    }
}

impl MemcachedFigures {
    fn numbers(&mut self) -> [&mut u64; 23] {
        numbers!(self:
            cmd_get, cmd_set, cmd_flush, cmd_touch, cmd_meta, get_hits, get_misses, get_expired,
            get_flushed, delete_misses, delete_hits, incr_misses, incr_hits, decr_misses, decr_hits,
            cas_misses, cas_hits, cas_badval, touch_hits, touch_misses, total_items, store_too_large,
            store_no_memory
        )
        .0
    }
}

/// The mean time to live of the keys of both that expire.
fn mean_of(one: &DatabaseFigures, other: &DatabaseFigures) -> u64 {
    let weight = |figures: &DatabaseFigures| u128::from(figures.expires);
    let total = |figures: &DatabaseFigures| weight(figures) * u128::from(figures.ttl_ms_mean);
    ((total(one).saturating_add(total(other))) / (weight(one) + weight(other)).max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures that all differ.
    fn counted_from(first: u64) -> Figures {
        let mut figures = Figures::default();
        for (number, value) in figures.numbers().into_iter().zip(first..) {
            *number = value;
        }
        figures
    }

    #[test]
    fn figures_arrive_as_they_were_sent_and_nothing_else_does() {
        let mut sent = Vec::new();
        counted_from(7).encode(&mut sent);
        assert_eq!(sent.len(), size_of::<Figures>());
        let mut again = Vec::new();
        Figures::decode(&sent).unwrap().encode(&mut again);
        assert_eq!(sent, again);
        for cut in 0..sent.len() {
            assert!(Figures::decode(&sent[..cut]).is_err(), "{cut} bytes");
        }
        sent.extend_from_slice(&[0; 8]);
        assert!(Figures::decode(&sent).is_err());
    }

    #[test]
    fn figures_of_two_stores_are_those_of_both() {
        let mut sum = counted_from(100);
        sum.add(&counted_from(1));
        assert_eq!((sum.databases[1].keys, sum.databases[1].expires), (103 + 4, 104 + 5));
        assert_eq!((sum.hits, sum.memcached.store_no_memory), (153 + 54, 186 + 87));
        let with = |expires, ttl_ms_mean| {
            let mut figures = Figures::default();
            figures.databases[3] = DatabaseFigures { keys: 10, expires, ttl_ms_mean };
            figures
        };
        for ([one, other], mean) in [
            ([(1, 1000), (3, 2000)], 1750),
            ([(0, 0), (5, 70)], 70),
            ([(0, 0), (0, 0)], 0),
            ([(u64::MAX, 1), (u64::MAX, 3)], 2),
        ] {
            let mut sum = with(one.0, one.1);
            sum.add(&with(other.0, other.1));
            assert_eq!(sum.databases[3].ttl_ms_mean, mean, "{one:?} and {other:?}");
        }
    }
}
