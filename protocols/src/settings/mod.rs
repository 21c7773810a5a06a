//! The settings: one row each, read by every crate, shown by `CONFIG GET`, changed by `CONFIG SET`.
//!
//! A value is one atomic integer or one shared text, so reading a setting costs a load. What a setting
//! means to Redis users is kept: the names, the defaults, the ranges and the texts of errors.

mod rows;
mod value;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

pub use rows::{Change, Endpoint, Key, Policy, ROWS, Setting};
pub use value::{Kind, OutputLimit, Value, bytes_of};

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
        for key in Key::all() {
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

    /// What is removed when memory is full.
    pub fn policy(&self) -> Policy {
        Policy::ALL[self.number(Key::MaxMemoryPolicy) as usize]
    }

    /// Where clients of the cluster are told to connect.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::ALL[self.number(Key::ClusterPreferredEndpointType) as usize]
    }

    /// Limits on waiting output for ordinary clients, replicas and subscribers.
    pub fn output_limits(&self) -> [OutputLimit; 3] {
        value::output_limits(&self.text(Key::ClientOutputBufferLimit))
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
            Kind::YesNo => if self.is_on(key) { "yes" } else { "no" }.into(),
            Kind::Choice(words) => words[self.number(key) as usize].into(),
            Kind::Text | Kind::Composed(_) => self.text(key).to_string(),
        }
    }

    /// The value that `text` gives a setting, whatever its [`Change`]. The error is the reason alone, as
    /// Redis words it.
    pub fn parse(&self, key: Key, text: &str) -> Result<Value, String> {
        key.row().kind.parse(text, &self.text(key))
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
        for key in Key::all() {
            assert_eq!(settings.show(key), key.row().default, "{}", key.row().name);
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
