//! Values of settings: what each kind accepts, with the reasons Redis gives when it refuses.

use crate::messages::Classes;
use crate::number::integer;

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number between two others, both included.
    Number(i64, i64),
    /// A whole number from 0 to 2^31 - 1, brought between two others if it lies outside.
    Clamped(i64, i64),
    /// Bytes; read with `kb`, `mb`, `gb` and their like, shown as a plain number.
    Bytes(i64, i64),
    /// Bytes, or a share of something else in percent (`5%`), kept below 0.
    BytesOrShare,
    /// `yes` or `no`, kept as 1 or 0.
    YesNo,
    /// One of these words, kept as its index.
    Choice(&'static [&'static str]),
    /// A set of classes of events, each a letter.
    Classes,
    /// Any text.
    Text,
    /// A text with rules of its own.
    Composed(Compose),
}

/// From the text a setting has and the one it is given to the one it will have, or the reason against it.
pub(super) type Compose = fn(now: &str, given: &str) -> Result<String, String>;

/// A value that a setting accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of every kind but the two below.
    Number(i64),
    /// Of [`Kind::Text`] and [`Kind::Composed`].
    Text(String),
}

impl Kind {
    /// The value that `text` gives a setting whose text is `now`. The error is the reason alone.
    pub(super) fn parse(self, text: &str, now: &str) -> Result<Value, String> {
        Ok(Value::Number(match self {
            Self::Text => return Ok(Value::Text(text.to_owned())),
            Self::Composed(compose) => return compose(now, text).map(Value::Text),
            Self::Number(low, high) => within(whole(text)?, low, high)?,
            Self::Clamped(low, high) => within(whole(text)?, 0, i64::from(i32::MAX))?.clamp(low, high),
            Self::Bytes(low, high) => match bytes_of(text) {
                Some(bytes) => within(bytes, low, high)?,
                None if text.bytes().all(|byte| byte.is_ascii_digit()) => return Err(outside(low, high)),
                None => return Err("argument must be a memory value".into()),
            },
            Self::BytesOrShare => bytes_or_share(text)?,
            Self::YesNo => match text.to_ascii_lowercase().as_str() {
                "yes" => 1,
                "no" => 0,
                _ => return Err("argument must be 'yes' or 'no'".into()),
            },
            Self::Classes => i64::from(Classes::of(text)?.0),
            Self::Choice(words) => match words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
                Some(index) => index as i64,
                None => {
                    return Err(format!("argument(s) must be one of the following: {}", words.join(", ")));
                }
            },
        }))
    }
}

fn whole(text: &str) -> Result<i64, String> {
    integer(text.as_bytes()).ok_or_else(|| "argument couldn't be parsed into an integer".into())
}

fn within(number: i64, low: i64, high: i64) -> Result<i64, String> {
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    Err(outside(low, high))
}

fn outside(low: i64, high: i64) -> String {
    format!("argument must be between {low} and {high} inclusive")
}

/// Bytes from `64`, `64mb`, `1g`: `k m g` are powers of 1000, `kb mb gb` of 1024; no digits are 0.
/// Source: Redis `util.c`, `memtoull`.
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
    if split == 0 {
        return Some(0);
    }
    text[..split].parse::<i64>().ok()?.checked_mul(factor)
}

/// Bytes, or percent below 0. Source: Redis `config.c`, `numericParseString`.
fn bytes_or_share(text: &str) -> Result<i64, String> {
    if let Some(bytes) = bytes_of(text).filter(|bytes| *bytes >= 0) {
        return Ok(bytes);
    }
    let percent = text.strip_suffix('%').and_then(|digits| integer(digits.as_bytes()));
    match percent.filter(|percent| *percent >= 0) {
        Some(percent @ ..=100) => Ok(-percent),
        Some(_) => Err("percentage argument must be less or equal to 100".into()),
        None => Err("argument must be a memory or percent value".into()),
    }
}

/// Bytes a host name must stay below. Source: Redis `NET_HOST_STR_LEN`.
const HOSTNAME_BYTES: usize = 256;

/// Permissions of a file in octal, shown without needless zeros.
pub(super) fn permissions(_now: &str, given: &str) -> Result<String, String> {
    match u32::from_str_radix(given, 8) {
        Ok(mode @ 0..=0o777) => Ok(format!("{mode:o}")),
        Ok(_) => Err("argument must be between 0 and 777 inclusive".into()),
        Err(_) => Err("argument couldn't be parsed as an octal number".into()),
    }
}

/// Words of a setting that is a list.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Percentiles from 0 to 100, shown without needless zeros.
pub(super) fn percentiles(_now: &str, given: &str) -> Result<String, String> {
    let mut shown = Vec::new();
    for word in words(given) {
        let number: f64 =
            word.parse().map_err(|_| "Invalid latency-tracking-info-percentiles parameters".to_owned())?;
        if !(0.0..=100.0).contains(&number) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        shown.push(number.to_string());
    }
    Ok(shown.join(" "))
}

/// A host name that clients are told. Source: Redis `config.c`, `isValidAnnouncedHostname`.
pub(super) fn hostname(_now: &str, given: &str) -> Result<String, String> {
    if given.len() >= HOSTNAME_BYTES {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(given.to_owned())
}

/// A file in the directory of the data. Source: Redis `config.c`, `isValidDBfilename`.
pub(super) fn file_name(_now: &str, given: &str) -> Result<String, String> {
    if given.contains('/') || given.is_empty() {
        return Err("dbfilename can't be a path, just a filename".into());
    }
    Ok(given.to_owned())
}

/// After how many seconds it is saved if there have been so many changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last time.
    pub seconds: u64,
    /// Changes since then.
    pub changes: u64,
}

/// Pairs of seconds and changes. Source: Redis `config.c`, `setConfigSaveOption`.
pub(super) fn save_points(_now: &str, given: &str) -> Result<String, String> {
    let points = points_of(given).ok_or("Invalid save parameters")?;
    let shown = points.iter().map(|point| format!("{} {}", point.seconds, point.changes));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

/// What a text says, if it says that.
pub(super) fn points_of(text: &str) -> Option<Vec<SavePoint>> {
    let numbers = words(text).map(|word| word.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks();
    let points = pairs.iter().map(|&[seconds, changes]| {
        (seconds > 0).then_some(SavePoint { seconds: seconds.into(), changes: changes.into() })
    });
    points.collect::<Option<_>>().filter(|_| rest.is_empty())
}

/// Limits on the output that waits for a client of one class; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which the client is closed at once.
    pub hard_bytes: u64,
    /// Bytes at which it is closed after [`OutputLimit::soft_s`].
    pub soft_bytes: u64,
    /// Seconds.
    pub soft_s: u64,
}

const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// The limits of the classes normal, replica and pubsub that a valid text says.
pub(super) fn output_limits(text: &str) -> [OutputLimit; 3] {
    let mut limits = [OutputLimit::default(); 3];
    // The text has been composed below, so every rule is known to hold.
    let _ = add_output_limits(&mut limits, text);
    limits
}

/// The classes that are not named keep their limits.
pub(super) fn client_output_buffer_limit(now: &str, given: &str) -> Result<String, String> {
    let mut limits = output_limits(now);
    add_output_limits(&mut limits, given)?;
    let shown = CLASSES
        .iter()
        .zip(limits)
        .map(|(class, limit)| format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_s));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

fn add_output_limits(limits: &mut [OutputLimit; 3], text: &str) -> Result<(), String> {
    let words: Vec<&str> = words(text).collect();
    let groups = words.chunks_exact(4);
    if !groups.remainder().is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for group in groups {
        let class = if group[0].eq_ignore_ascii_case("replica") { "slave" } else { group[0] };
        let class = CLASSES
            .iter()
            .position(|name| name.eq_ignore_ascii_case(class))
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let numbers = (bytes_of(group[1]), bytes_of(group[2]), group[3].parse::<u32>().ok());
        let (Some(hard), Some(soft), Some(seconds)) = numbers else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        limits[class] =
            OutputLimit { hard_bytes: hard as u64, soft_bytes: soft as u64, soft_s: u64::from(seconds) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_units_of_redis() {
        assert_eq!(bytes_of("2kb"), Some(2048));
        assert_eq!(bytes_of("2K"), Some(2000));
        assert_eq!(bytes_of("1gb"), Some(1 << 30));
        assert_eq!(bytes_of("mb"), Some(0));
        assert_eq!(bytes_of(""), Some(0));
        for wrong in ["1tb", "-1", "+1", " 1", "1 ", "99999999999999999999"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn output_limits_change_only_the_classes_that_are_named() {
        let now = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(
            client_output_buffer_limit(now, "normal 1mb 512kb 10 replica 1 2 3").as_deref(),
            Ok("normal 1048576 524288 10 slave 1 2 3 pubsub 33554432 8388608 60")
        );
        assert_eq!(client_output_buffer_limit(now, "").as_deref(), Ok(now));
        for (given, reason) in [
            ("normal 0 0", "Wrong number of arguments in buffer limit configuration."),
            ("foo 1 2 3", "Invalid client class specified in buffer limit configuration."),
            ("master 1 2 3", "Invalid client class specified in buffer limit configuration."),
            ("normal 1 2 -3", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            ("normal a 2 3", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ] {
            assert_eq!(client_output_buffer_limit(now, given), Err(reason.into()), "{given}");
        }
    }

    #[test]
    fn host_names_are_letters_digits_hyphens_and_dots() {
        assert_eq!(hostname("", "node-1.example").as_deref(), Ok("node-1.example"));
        assert_eq!(hostname("", "").as_deref(), Ok(""));
        for wrong in ["a b", "a_b", "ä", "a\n", &"x".repeat(256)] {
            assert!(hostname("", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn save_points_are_pairs_of_seconds_and_changes() {
        assert_eq!(save_points("", " 3600  1 60 0 ").as_deref(), Ok("3600 1 60 0"));
        assert_eq!(save_points("60 1", "").as_deref(), Ok(""));
        for wrong in ["60", "0 1", "60 -1", "60 x", "60 1 60"] {
            assert_eq!(save_points("", wrong), Err("Invalid save parameters".into()), "{wrong}");
        }
    }

    #[test]
    fn percentiles_are_shown_without_needless_zeros() {
        assert_eq!(percentiles("", "50.0 99.99 100").as_deref(), Ok("50 99.99 100"));
        assert_eq!(percentiles("", "").as_deref(), Ok(""));
        assert!(percentiles("", "50 abc").is_err());
        assert!(percentiles("", "101").is_err());
    }
}
