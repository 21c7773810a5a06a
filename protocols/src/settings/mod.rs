//! The settings: one row each, read by every crate, shown by `CONFIG GET`, changed by `CONFIG SET`.
//!
//! A value is one atomic integer or one shared text, so reading a setting costs a load. What a setting
//! means to Redis users is kept: the names, the defaults, the ranges and the texts of errors.

mod absent;
mod rows;
mod value;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

use crate::messages::Classes;
pub(crate) use absent::ABSENT;
pub use absent::absent;
pub use rows::{Change, Endpoint, Key, Policy, ROWS, Setting};
pub use value::{Kind, OutputLimit, SavePoint, Value, bytes_of};

/// Bytes below which no limit on all clients together takes effect.
const CLIENT_BYTES_LEAST: u64 = 128 * 1024;

/// The values of all settings.
#[derive(Debug)]
pub struct Settings {
    numbers: Vec<AtomicI64>,
    texts: Vec<RwLock<Arc<str>>>,
    changes: AtomicU64,
}

impl Default for Settings {
    fn default() -> Self {
        let settings = Self {
            numbers: ROWS.iter().map(|_| AtomicI64::new(0)).collect(),
            texts: ROWS.iter().map(|_| RwLock::new("".into())).collect(),
            changes: AtomicU64::new(0),
        };
        for &key in rows::KEYS {
            settings.set(key, key.row().default).expect("defaults are within their own rows' ranges");
        }
        settings
    }
}

impl Settings {
    /// The value of a setting that is not a text.
    #[inline]
    pub fn number(&self, key: Key) -> i64 {
        self.numbers[key as usize].load(Relaxed)
    }

    /// Whether a [`Kind::YesNo`] is on.
    #[inline]
    pub fn is_on(&self, key: Key) -> bool {
        self.number(key) == 1
    }

    /// The value of a [`Kind::Text`] or [`Kind::Composed`].
    pub fn text(&self, key: Key) -> Arc<str> {
        Arc::clone(&self.texts[key as usize].read().expect("no writer of a setting panics"))
    }

    /// The value of a [`Kind::Classes`].
    #[inline]
    pub fn classes(&self, key: Key) -> Classes {
        Classes(self.number(key) as u16)
    }

    /// What is removed when memory is full.
    pub fn policy(&self) -> Policy {
        Policy::ALL[self.number(Key::MaxMemoryPolicy) as usize]
    }

    /// Bytes that all clients together may take; `None` is no limit.
    ///
    /// Source: Redis `getClientEvictionLimit`: a share of no limit is none, and too small a one would let nobody in.
    pub fn client_bytes_max(&self) -> Option<u64> {
        let memory = self.number(Key::MaxMemory).unsigned_abs();
        let bytes = match self.number(Key::MaxMemoryClients) {
            0 => return None,
            ..0 if memory == 0 => return None,
            percent @ ..0 => {
                memory / 100 * percent.unsigned_abs() + memory % 100 * percent.unsigned_abs() / 100
            }
            bytes => bytes.unsigned_abs(),
        };
        Some(bytes.max(CLIENT_BYTES_LEAST))
    }

    /// Whether writes want replicas, of which there are none.
    #[inline]
    pub fn wants_replicas(&self) -> bool {
        self.number(Key::MinReplicasToWrite) > 0 && self.number(Key::MinReplicasMaxLag) > 0
    }

    /// Where clients of the cluster are told to connect.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::ALL[self.number(Key::ClusterPreferredEndpointType) as usize]
    }

    /// Limits on waiting output for ordinary clients, replicas and subscribers.
    pub fn output_limits(&self) -> [OutputLimit; 3] {
        value::output_limits(&self.text(Key::ClientOutputBufferLimit))
    }

    /// When all keys are saved.
    pub fn save_points(&self) -> Vec<SavePoint> {
        value::points_of(&self.text(Key::Save)).unwrap_or_default()
    }

    /// How often a setting has changed: who keeps something derived from one looks whether this moved.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// The value as `CONFIG GET` shows it.
    pub fn show(&self, key: Key) -> String {
        match key.row().kind {
            Kind::Number(..) | Kind::Clamped(..) | Kind::Bytes(..) => self.number(key).to_string(),
            Kind::BytesOrShare => match self.number(key) {
                percent @ ..0 => format!("{}%", -percent),
                bytes => bytes.to_string(),
            },
            Kind::YesNo => if self.is_on(key) { "yes" } else { "no" }.into(),
            Kind::Classes => self.classes(key).to_string(),
            Kind::Choice(words) => words[self.number(key) as usize].into(),
            Kind::Text | Kind::Composed(_) => self.text(key).to_string(),
        }
    }

    /// The value that `text` gives a setting, whatever its [`Change`]. The error is the reason alone, as
    /// Redis words it.
    pub fn parse(&self, key: Key, text: &str) -> Result<Value, String> {
        key.row().kind.parse(text, &self.text(key))
    }

    /// Whether a setting has a value that [`Settings::parse`] made for it.
    pub fn holds(&self, key: Key, value: &Value) -> bool {
        match value {
            Value::Number(number) => self.number(key) == *number,
            Value::Text(text) => *self.text(key) == **text,
        }
    }

    /// Gives a setting a value that [`Settings::parse`] made for it.
    pub fn store(&self, key: Key, value: Value) {
        match value {
            Value::Number(number) => self.numbers[key as usize].store(number, Relaxed),
            Value::Text(text) => {
                *self.texts[key as usize].write().expect("no writer of a setting panics") = text.into();
            }
        }
        self.changes.fetch_add(1, Relaxed);
    }

    /// Sets a value from text, whatever its [`Change`]. The error is the reason alone, as Redis words it.
    pub fn set(&self, key: Key, text: &str) -> Result<(), String> {
        self.store(key, self.parse(key, text)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_shown_as_it_was_written() {
        let settings = Settings::default();
        for &key in rows::KEYS {
            assert_eq!(settings.show(key), key.row().default, "{}", key.row().name);
        }
    }

    #[test]
    fn shards_alone_are_told_of_states_of_the_process() {
        for key in [Key::ActiveExpire, Key::PausedUntil, Key::DenyInScripts] {
            let name = key.row().name.as_bytes();
            assert_eq!((Key::named(name), Key::told(name)), (None, Some(key)));
            assert!(Key::all().all(|setting| setting != key) && key.concerns_store());
        }
        assert_eq!(Key::told(b"HZ"), Some(Key::Hz));
    }

    #[test]
    fn a_limit_on_all_clients_is_bytes_or_a_share_of_the_memory() {
        let settings = Settings::default();
        for (memory, clients, shown, bytes) in [
            ("0", "0", "0", None),
            ("0", "5%", "5%", None),
            ("100mb", "5%", "5%", Some(5 << 20)),
            ("100mb", "100%", "100%", Some(100 << 20)),
            ("0", "1mb", "1048576", Some(1 << 20)),
            ("0", "1", "1", Some(CLIENT_BYTES_LEAST)),
        ] {
            settings.set(Key::MaxMemory, memory).unwrap();
            settings.set(Key::MaxMemoryClients, clients).unwrap();
            assert_eq!(settings.show(Key::MaxMemoryClients), shown);
            assert_eq!(settings.client_bytes_max(), bytes, "{clients} of {memory}");
        }
        for (text, reason) in [
            ("200%", "percentage argument must be less or equal to 100"),
            ("-1%", "argument must be a memory or percent value"),
            ("x", "argument must be a memory or percent value"),
        ] {
            assert_eq!(settings.set(Key::MaxMemoryClients, text), Err(reason.to_owned()));
        }
    }

    #[test]
    fn every_policy_stands_where_its_word_does() {
        let settings = Settings::default();
        assert_eq!(settings.policy(), Policy::NoEviction);
        settings.set(Key::MaxMemoryPolicy, "ALLKEYS-LRU").unwrap();
        assert_eq!(settings.policy(), Policy::AllKeysLru);
        settings.set(Key::MaxMemoryPolicy, "volatile-ttl").unwrap();
        assert_eq!(settings.policy(), Policy::VolatileTtl);
    }

    #[test]
    fn a_change_can_be_noticed() {
        let settings = Settings::default();
        let before = settings.changes();
        settings.set(Key::Timeout, "5").unwrap();
        assert_ne!(settings.changes(), before);
        let before = settings.changes();
        assert!(settings.set(Key::Timeout, "-1").is_err());
        assert_eq!(settings.changes(), before);
    }
}
