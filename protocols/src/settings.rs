//! The settings: one row each, read by every crate, shown by `CONFIG GET`, changed by `CONFIG SET`.
//!
//! A value is one atomic integer or one shared text, so reading a setting costs a load. What a setting
//! means to Redis users is kept: the names, the defaults, the ranges and the texts of errors.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number between two others, both included.
    Number(i64, i64),
    /// Bytes; read with `kb`, `mb`, `gb` and their like, shown as a plain number.
    Bytes(i64, i64),
    /// `yes` or `no`, kept as 1 or 0.
    YesNo,
    /// One of these words, kept as its index.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
}

/// Whether `CONFIG SET` may change a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time.
    Live,
    /// Only at start.
    Start,
}

/// One row: everything that is true of a setting.
#[derive(Debug)]
pub struct Setting {
    /// The name in `CONFIG GET`.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// When it may change.
    pub change: Change,
    /// The value at start, as text.
    pub default: &'static str,
    /// One sentence, for people.
    pub summary: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident = $name:literal, $kind:expr, $change:ident, $default:literal;)*) => {
        /// The settings by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Key { $($(#[doc = $doc])+ $key),* }

        /// The rows, in the order of [`Key`].
        pub static ROWS: &[Setting] = &[$(Setting {
            name: $name, kind: $kind, change: Change::$change, default: $default,
            summary: concat!($($doc),+),
        }),*];
        const KEYS: &[Key] = &[$(Key::$key),*];
    };
}

/// The words of `maxmemory-policy`, in the order of [`Policy`].
const POLICIES: &[&str] = &[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

/// What is removed when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Redis's `maxmemory-policy`")]
pub enum Policy {
    NoEviction,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}

settings! {
    /// Address to listen on.
    Bind = "bind", Kind::Text, Start, "127.0.0.1";
    /// Port for Redis clients; 0 is off.
    Port = "port", Kind::Number(0, 65_535), Start, "6379";
    /// Port for Memcached clients; 0 is off.
    MemcachedPort = "memcached-port", Kind::Number(0, 65_535), Start, "11211";
    /// Port for /metrics and /healthz; 0 is off.
    AdminPort = "admin-port", Kind::Number(0, 65_535), Start, "8474";
    /// Worker threads; 0 is one for each processor.
    Threads = "threads", Kind::Number(0, 256), Start, "0";
    /// Directory for whatever is kept on disk.
    Dir = "dir", Kind::Text, Start, ".";
    /// Form of the log lines.
    LogFormat = "log-format", Kind::Choice(&["text", "json"]), Start, "text";
    /// Bytes of memory to stay under; 0 is no limit.
    MaxMemory = "maxmemory", Kind::Bytes(0, i64::MAX), Live, "0";
    /// What is removed when memory is full.
    MaxMemoryPolicy = "maxmemory-policy", Kind::Choice(POLICIES), Live, "noeviction";
    /// Keys looked at to find the best one to evict.
    MaxMemorySamples = "maxmemory-samples", Kind::Number(1, 64), Live, "5";
    /// How far a key's LFU counter lies from its accesses.
    LfuLogFactor = "lfu-log-factor", Kind::Number(0, i32::MAX as i64), Live, "10";
    /// Minutes after which a key's LFU counter is lowered by one.
    LfuDecayTime = "lfu-decay-time", Kind::Number(0, i32::MAX as i64), Live, "1";
    /// Clients held at once.
    MaxClients = "maxclients", Kind::Number(1, u32::MAX as i64), Live, "10000";
    /// Seconds after which an idle client is closed; 0 is never.
    Timeout = "timeout", Kind::Number(0, i32::MAX as i64), Live, "0";
    /// Seconds between TCP keep-alive probes; 0 is off.
    TcpKeepalive = "tcp-keepalive", Kind::Number(0, i32::MAX as i64), Live, "300";
    /// Password of the default user; empty is none.
    RequirePass = "requirepass", Kind::Text, Live, "";
    /// Whether clients from other machines are refused while no password is set.
    ProtectedMode = "protected-mode", Kind::YesNo, Live, "yes";
    /// Bytes of the largest bulk string.
    ProtoMaxBulkLen = "proto-max-bulk-len", Kind::Bytes(1024 * 1024, i64::MAX), Live, "536870912";
    /// Microseconds from which a command is logged as slow; 0 logs all, -1 none.
    SlowlogLogSlowerThan = "slowlog-log-slower-than", Kind::Number(-1, i64::MAX), Live, "10000";
    /// Entries the slow log keeps.
    SlowlogMaxLen = "slowlog-max-len", Kind::Number(0, i64::MAX), Live, "128";
    /// Milliseconds from which an event enters the latency history; 0 is off.
    LatencyMonitorThreshold = "latency-monitor-threshold", Kind::Number(0, i64::MAX), Live, "0";
    /// Background rounds a second.
    Hz = "hz", Kind::Number(1, 500), Live, "10";
    /// Bytes of the largest Memcached item.
    MemcachedItemSizeMax = "memcached-item-size-max", Kind::Bytes(1024, 1024 * 1024 * 1024), Start, "1048576";
    /// Whether Memcached writes return an error when memory is full instead of evicting.
    MemcachedErrorOnFull = "memcached-error-on-full", Kind::YesNo, Start, "no";
}

/// The values of all settings.
#[derive(Debug)]
pub struct Settings {
    numbers: Vec<AtomicI64>,
    texts: Vec<RwLock<Arc<str>>>,
}

impl Default for Settings {
    fn default() -> Self {
        let settings = Self {
            numbers: ROWS.iter().map(|_| AtomicI64::new(0)).collect(),
            texts: ROWS.iter().map(|_| RwLock::new("".into())).collect(),
        };
        for &key in KEYS {
            settings.set(key, key.row().default).expect("defaults are within their own rows' ranges");
        }
        settings
    }
}

impl Key {
    /// The row of this setting.
    pub fn row(self) -> &'static Setting {
        &ROWS[self as usize]
    }

    /// The setting of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        KEYS.iter().copied().find(|key| key.row().name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// All settings.
    pub fn all() -> impl Iterator<Item = Self> {
        KEYS.iter().copied()
    }
}

impl Settings {
    /// The value of a setting that is not a text.
    #[inline]
    pub fn number(&self, key: Key) -> i64 {
        self.numbers[key as usize].load(Relaxed)
    }

    /// The value of a [`Kind::Text`].
    pub fn text(&self, key: Key) -> Arc<str> {
        Arc::clone(&self.texts[key as usize].read().expect("no writer of a setting panics"))
    }

    /// What is removed when memory is full.
    pub fn policy(&self) -> Policy {
        use Policy::*;
        let policies = [
            NoEviction,
            AllKeysLru,
            AllKeysLfu,
            AllKeysRandom,
            VolatileLru,
            VolatileLfu,
            VolatileRandom,
            VolatileTtl,
        ];
        policies[self.number(Key::MaxMemoryPolicy) as usize]
    }

    /// The value as `CONFIG GET` shows it.
    pub fn show(&self, key: Key) -> String {
        match key.row().kind {
            Kind::Number(..) | Kind::Bytes(..) => self.number(key).to_string(),
            Kind::YesNo => if self.number(key) == 1 { "yes" } else { "no" }.into(),
            Kind::Choice(words) => words[self.number(key) as usize].into(),
            Kind::Text => self.text(key).to_string(),
        }
    }

    /// Sets a value from text, whatever its [`Change`]. The error is the reason alone, as Redis words it.
    pub fn set(&self, key: Key, text: &str) -> Result<(), String> {
        let number = match key.row().kind {
            Kind::Text => {
                *self.texts[key as usize].write().expect("no writer of a setting panics") = text.into();
                return Ok(());
            }
            Kind::Number(low, high) => {
                within(text.parse().map_err(|_| "argument couldn't be parsed into an integer")?, low, high)?
            }
            Kind::Bytes(low, high) => {
                within(bytes_of(text).ok_or("argument must be a memory value")?, low, high)?
            }
            Kind::YesNo => match text.to_ascii_lowercase().as_str() {
                "yes" => 1,
                "no" => 0,
                _ => return Err("argument must be 'yes' or 'no'".into()),
            },
            Kind::Choice(words) => match words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
                Some(index) => index as i64,
                None => {
                    return Err(format!("argument(s) must be one of the following: {}", words.join(", ")));
                }
            },
        };
        self.numbers[key as usize].store(number, Relaxed);
        Ok(())
    }
}

fn within(number: i64, low: i64, high: i64) -> Result<i64, String> {
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    Err(format!("argument must be between {low} and {high} inclusive"))
}

/// Bytes from `64`, `64mb`, `1g`: `k m g` are powers of 1000, `kb mb gb` of 1024. Source: Redis `memtoull`.
pub fn bytes_of(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[split..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1024,
        "m" => 1_000_000,
        "mb" => 1024 * 1024,
        "g" => 1_000_000_000,
        "gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    text[..split].parse::<i64>().ok()?.checked_mul(factor)
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
    fn memory_is_read_in_the_units_of_redis() {
        assert_eq!(bytes_of("2kb"), Some(2048));
        assert_eq!(bytes_of("2K"), Some(2000));
        assert_eq!(bytes_of("1gb"), Some(1 << 30));
        assert_eq!(bytes_of("1tb"), None);
        assert_eq!(bytes_of("mb"), None);
    }
}
