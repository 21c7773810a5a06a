//! What is published, and what can be listened to; events of keys, which are published where that is asked for.

use std::fmt;

/// What a client can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A channel.
    Channel,
    /// All channels whose names match.
    Pattern,
    /// A sharded channel, which no pattern matches.
    Shard,
    /// What scripts execute at a shard for clients of a gateway, a line each for those who watch all commands there. Only
    /// gateways listen to it, each to its own.
    Scripts,
}

impl Kind {
    /// All of them, each at the place of its discriminant.
    pub const ALL: [Self; 4] = [Self::Channel, Self::Pattern, Self::Shard, Self::Scripts];
}

/// Classes of events of keys, and the two kinds of channels they are told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(pub u16);

impl Classes {
    /// Told to channels of keys: `__keyspace@0__:key`.
    pub const KEYSPACE: Self = Self(1);
    /// Told to channels of events: `__keyevent@0__:event`.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// Of keys of any type.
    pub const GENERIC: Self = Self(1 << 2);
    /// Of strings.
    pub const STRING: Self = Self(1 << 3);
    /// Of lists.
    pub const LIST: Self = Self(1 << 4);
    /// Of sets.
    pub const SET: Self = Self(1 << 5);
    /// Of hashes.
    pub const HASH: Self = Self(1 << 6);
    /// Of sorted sets.
    pub const ZSET: Self = Self(1 << 7);
    /// A key has expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// A key was removed to make room.
    pub const EVICTED: Self = Self(1 << 9);
    /// Of streams.
    pub const STREAM: Self = Self(1 << 10);
    /// Of types of modules, of which there are none.
    pub const MODULE: Self = Self(1 << 11);
    /// A key that is new.
    pub const NEW: Self = Self(1 << 12);
    /// A key that is not there was asked for.
    pub const KEY_MISS: Self = Self(1 << 13);

    /// The letters, in the order in which they are shown. Source: Redis `notify.c`.
    const LETTERS: [(char, Self); 14] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::ZSET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
        ('n', Self::NEW),
        ('K', Self::KEYSPACE),
        ('E', Self::KEYEVENT),
        ('m', Self::KEY_MISS),
    ];

    /// What the letter `A` means: the first ten.
    const ALL: Self = {
        let (mut all, mut at) = (0, 0);
        while at < 10 {
            all |= Self::LETTERS[at].1.0;
            at += 1;
        }
        Self(all)
    };

    /// Reads letters in any order.
    ///
    /// # Errors
    /// The reason, if one of them is none.
    pub fn of(letters: &str) -> Result<Self, String> {
        let class = |letter| match Self::LETTERS.iter().find(|(of, _)| *of == letter) {
            _ if letter == 'A' => Ok(Self::ALL),
            Some((_, class)) => Ok(*class),
            None => Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
        };
        letters.chars().try_fold(Self::default(), |all, letter| Ok(Self(all.0 | class(letter)?.0)))
    }

    /// All letters one by one: unlike what is shown it leaves none out.
    pub fn letters(self) -> String {
        Self::LETTERS.iter().filter(|(_, class)| self.has(*class)).map(|(letter, _)| *letter).collect()
    }

    /// Whether any of `others` are among them.
    #[inline]
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether any event is told to anybody.
    #[inline]
    pub fn tell(self) -> bool {
        self.has(Self(Self::KEYSPACE.0 | Self::KEYEVENT.0))
    }
}

/// As Redis shows them: where all that `A` means are there, what is new is not told of.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_all = self.0 & Self::ALL.0 == Self::ALL.0;
        f.write_str(if has_all { "A" } else { "" })?;
        let shown = &Self::LETTERS[if has_all { 11 } else { 0 }..];
        shown.iter().filter(|(_, class)| self.has(*class)).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

/// Something has happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// What, in the words of Redis.
    pub name: &'static str,
    /// The logical database.
    pub database: u8,
    /// The key.
    pub key: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_and_shown_as_redis_does() {
        for (given, shown) in [
            ("", ""),
            ("AKE", "AKE"),
            ("g$lshzxetd", "A"),
            ("KEAm", "AKEm"),
            ("KEnA", "AKE"),
            ("Kgx", "gxK"),
            ("mEK", "KEm"),
            ("KEn", "nKE"),
            ("KEKE", "KE"),
        ] {
            let classes = Classes::of(given).unwrap();
            assert_eq!(classes.to_string(), shown);
            assert_eq!(Classes::of(&classes.letters()), Ok(classes));
        }
        assert!(Classes::of("KEQ").is_err());
    }
}
