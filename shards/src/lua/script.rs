//! What a script says of itself before its first line of Lua: `#!lua flags=…`. Source: Redis `eval.c`,
//! `evalExtractShebangFlags`, and `script.c`, `scripts_flags_def`.

use tidegate_protocols::error::Error;

/// What a script declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// It does not write.
    pub(crate) const NO_WRITES: Self = Self(1);
    /// It runs although memory is full.
    pub(crate) const ALLOW_OOM: Self = Self(1 << 1);
    /// It runs on a replica that has lost its master.
    pub(crate) const ALLOW_STALE: Self = Self(1 << 2);
    /// It does not run in a cluster.
    pub(crate) const NO_CLUSTER: Self = Self(1 << 3);
    /// It may touch keys of several slots.
    pub(crate) const ALLOW_CROSS_SLOT_KEYS: Self = Self(1 << 4);
    /// It declares nothing, as those without a first line: what it may do is seen when it does it.
    pub(crate) const COMPATIBLE: Self = Self(1 << 5);

    /// All that can be declared, by their names, in Redis's order.
    pub(crate) const NAMED: [(&'static str, Self); 5] = [
        ("no-writes", Self::NO_WRITES),
        ("allow-oom", Self::ALLOW_OOM),
        ("allow-stale", Self::ALLOW_STALE),
        ("no-cluster", Self::NO_CLUSTER),
        ("allow-cross-slot-keys", Self::ALLOW_CROSS_SLOT_KEYS),
    ];

    /// These and those.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The flags of the script `body` and how many bytes of it come before the line end that Lua begins with.
///
/// # Errors
/// The first line is none that Redis knows.
pub(crate) fn first_line(body: &[u8]) -> Result<(Flags, usize), Error> {
    if !body.starts_with(b"#!") {
        return Ok((Flags::COMPATIBLE, 0));
    }
    let Some(end) = memchr::memchr(b'\n', body) else {
        return Err(Error::Text("ERR Invalid script shebang"));
    };
    let line = body[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut words = line;
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(Error::quoting("ERR Unexpected engine in script shebang: ", engine, ""));
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(Error::quoting("ERR Unknown lua shebang option: ", word, ""));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|&byte| byte == b',') {
            let Some((_, flag)) = Flags::NAMED.iter().find(|(known, _)| known.as_bytes() == name) else {
                return Err(Error::quoting("ERR Unexpected flag in script shebang: ", name, ""));
            };
            flags = flags.and(*flag);
        }
    }
    Ok((flags, end))
}
