//! `BITOP`

use tidegate_protocols::{Args, Error, Reply};

use crate::db::Db;

/// How bits are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        match word {
            _ if word.eq_ignore_ascii_case(b"AND") => Ok(Self::And),
            _ if word.eq_ignore_ascii_case(b"OR") => Ok(Self::Or),
            _ if word.eq_ignore_ascii_case(b"XOR") => Ok(Self::Xor),
            _ if word.eq_ignore_ascii_case(b"NOT") => Ok(Self::Not),
            _ => Err(Error::Syntax),
        }
    }

    /// Combines `result` with a further string; the shorter of them counts as followed by zeros.
    fn apply(self, result: &mut Vec<u8>, string: &[u8]) {
        if result.len() < string.len() {
            result.resize(string.len(), 0);
        }
        let (both, beyond) = result.split_at_mut(string.len());
        let pairs = both.iter_mut().zip(string);
        match self {
            Self::And => {
                pairs.for_each(|(result, byte)| *result &= byte);
                beyond.fill(0);
            }
            Self::Or => pairs.for_each(|(result, byte)| *result |= byte),
            Self::Xor => pairs.for_each(|(result, byte)| *result ^= byte),
            Self::Not => unreachable!("NOT has one source"),
        }
    }
}

/// `BITOP`
pub(super) fn bitop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [operation, destination, source] = args.fixed();
    let operation = Operation::parse(operation)?;
    let others = args.from(4);
    if operation == Operation::Not && !others.is_empty() {
        return Err(Error::Text("ERR BITOP NOT must be called with a single source key."));
    }
    let mut result = Vec::new();
    if let Some(mut text) = db.string(source)? {
        result.extend_from_slice(text.bytes());
    }
    for key in others.iter() {
        match db.string(key)? {
            Some(mut text) => operation.apply(&mut result, text.bytes()),
            None => operation.apply(&mut result, b""),
        }
    }
    if operation == Operation::Not {
        for byte in &mut result {
            *byte = !*byte;
        }
    }
    // What the destination held does not matter, its expiry neither; an empty result is no key.
    let mut entry = db.change(destination);
    entry.remove();
    if !result.is_empty() {
        entry.string_mut(result.len())?.copy_from_slice(&result);
    }
    reply.integer(result.len() as i64);
    Ok(())
}
