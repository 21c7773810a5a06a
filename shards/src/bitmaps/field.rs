//! `BITFIELD`: integers of 1 to 64 bits anywhere in a string.
//!
//! All sums are made in 128 bits, so that whether one overflows is a comparison.

use tidegate_protocols::number::{integer, integer_argument};
use tidegate_protocols::{Args, Error, Reply};

use super::checked_offset;
use crate::db::Db;

/// `i8`, `u63` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Type {
    signed: bool,
    bits: u32,
}

impl Type {
    fn parse(text: &[u8]) -> Option<Self> {
        let (signed, bits_max) = match text.first()? {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let bits = integer(&text[1..]).filter(|bits| (1..=bits_max).contains(bits))?;
        Some(Self { signed, bits: bits as u32 })
    }

    fn min(self) -> i128 {
        if self.signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        if self.signed { (1 << (self.bits - 1)) - 1 } else { (1 << self.bits) - 1 }
    }

    /// The lowest bits of `raw` as a number of this type.
    fn number(self, raw: i128) -> i128 {
        let unused = 128 - self.bits;
        if self.signed { raw << unused >> unused } else { ((raw as u128) << unused >> unused) as i128 }
    }

    /// What `SET` means by `value`. Redis compares in 64 bits, so that some numbers far below the range count
    /// as very large ones: negative ones for unsigned integers, and those for which `max - value` overflows.
    fn number_to_set(self, value: i64) -> i128 {
        let value = i128::from(value);
        let overflows =
            if self.signed { self.bits < 64 && self.max() - value > i64::MAX.into() } else { value < 0 };
        if overflows { value + (1 << 64) } else { value }
    }

    /// The number to store for `value`; `None` is to store nothing.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i128> {
        match overflow {
            _ if (self.min()..=self.max()).contains(&value) => Some(value),
            Overflow::Wrap => Some(self.number(value)),
            Overflow::Saturate => Some(value.clamp(self.min(), self.max())),
            Overflow::Fail => None,
        }
    }
}

/// What happens to a number that does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        match word {
            _ if word.eq_ignore_ascii_case(b"WRAP") => Ok(Self::Wrap),
            _ if word.eq_ignore_ascii_case(b"SAT") => Ok(Self::Saturate),
            _ if word.eq_ignore_ascii_case(b"FAIL") => Ok(Self::Fail),
            _ => Err(Error::Text("ERR Invalid OVERFLOW type specified")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

/// One integer and what to do with it.
#[derive(Clone, Copy, Debug)]
struct Operation {
    kind: Type,
    /// The first bit.
    offset: usize,
    action: Action,
}

impl Operation {
    /// Reads all operations of a request.
    fn parse_all(db: &Db<'_>, args: Args<'_>) -> Result<Vec<Self>, Error> {
        let mut operations = Vec::with_capacity(args.len() / 3);
        let mut overflow = Overflow::Wrap;
        let mut rest = args;
        while let Some(word) = rest.get(0) {
            if word.eq_ignore_ascii_case(b"OVERFLOW") {
                overflow = Overflow::parse(rest.get(1).ok_or(Error::Syntax)?)?;
                rest = rest.from(2);
                continue;
            }
            let action: fn(i64, Overflow) -> Action = match word {
                _ if word.eq_ignore_ascii_case(b"GET") => |_, _| Action::Get,
                _ if word.eq_ignore_ascii_case(b"SET") => Action::Set,
                _ if word.eq_ignore_ascii_case(b"INCRBY") => Action::Increment,
                _ => return Err(Error::Syntax),
            };
            let words = if action(0, overflow) == Action::Get { 3 } else { 4 };
            if rest.len() < words {
                return Err(Error::Syntax);
            }
            let [kind, offset] = rest.fixed();
            let kind = Type::parse(kind).ok_or(Error::Text(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            ))?;
            let offset = offset_of(db, offset, kind)?;
            let number = match words {
                3 => 0,
                _ => integer_argument(rest.at(3))?,
            };
            operations.push(Self { kind, offset, action: action(number, overflow) });
            rest = rest.from(words);
        }
        Ok(operations)
    }

    fn writes(&self) -> bool {
        self.action != Action::Get
    }

    /// Bytes of a string that has all its bits.
    fn end(&self) -> usize {
        (self.offset + self.kind.bits as usize).div_ceil(8)
    }

    fn read(&self, string: &[u8]) -> i128 {
        let (window, _) = self.window(string);
        self.kind.number((window >> self.bits_after()) as i128)
    }

    fn write(&self, string: &mut [u8], value: i128) {
        let (window, covered) = self.window(string);
        let mask = ((1_u128 << self.kind.bits) - 1) << self.bits_after();
        let window = window & !mask | (value as u128) << self.bits_after() & mask;
        let start = self.offset / 8;
        string[start..start + covered].copy_from_slice(&window.to_be_bytes()[..covered]);
    }

    /// Sixteen bytes from the integer's first one on, zeros beyond the end of `string`; and how many of the
    /// nine that an integer may touch are within it.
    fn window(&self, string: &[u8]) -> (u128, usize) {
        let mut window = [0; 16];
        let bytes = string.get(self.offset / 8..).unwrap_or_default();
        let covered = bytes.len().min(9);
        window[..covered].copy_from_slice(&bytes[..covered]);
        (u128::from_be_bytes(window), covered)
    }

    /// Bits of the window behind the integer.
    fn bits_after(&self) -> usize {
        128 - self.offset % 8 - self.kind.bits as usize
    }

    /// Does it to `string`, which is long enough. Returns what the client is told; `None` is null.
    fn apply(&self, string: &mut [u8]) -> Option<i128> {
        let old = self.read(string);
        match self.action {
            Action::Get => Some(old),
            Action::Set(value, overflow) => {
                let value = self.kind.fit(self.kind.number_to_set(value), overflow)?;
                self.write(string, value);
                Some(old)
            }
            Action::Increment(by, overflow) => {
                let new = self.kind.fit(old + i128::from(by), overflow)?;
                self.write(string, new);
                Some(new)
            }
        }
    }
}

/// A bit offset, or `#` and a number that counts integers of this type.
fn offset_of(db: &Db<'_>, text: &[u8], kind: Type) -> Result<usize, Error> {
    let offset = match text {
        [b'#', index @ ..] => integer(index).and_then(|index| index.checked_mul(i64::from(kind.bits))),
        offset => integer(offset),
    };
    checked_offset(db, offset)
}

/// `BITFIELD`
pub(super) fn bitfield(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key] = args.fixed();
    let operations = Operation::parse_all(db, args.from(2))?;
    let Some(bytes) = operations.iter().filter(|operation| operation.writes()).map(Operation::end).max()
    else {
        return read_all(db, key, &operations, reply);
    };
    let mut entry = db.change(key);
    let grows = entry.text()?.is_none_or(|text| text.len() < bytes);
    let string = entry.string_mut_unseen(bytes)?;
    let (mut changes, mut written) = (false, false);
    reply.array(operations.len());
    for operation in &operations {
        let before = operation.read(string);
        match operation.apply(string) {
            Some(number) => {
                written |= operation.writes();
                reply.integer(number as i64);
            }
            None => reply.null(),
        }
        changes |= operation.read(string) != before;
    }
    // Source: Redis `bitops.c`, `bitfieldGeneric`: growing counts with the first number that is written.
    if changes || grows && written {
        entry.has_changed();
    }
    Ok(())
}

/// `BITFIELD_RO`
pub(super) fn bitfield_ro(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key] = args.fixed();
    let operations = Operation::parse_all(db, args.from(2))?;
    if operations.iter().any(Operation::writes) {
        return Err(Error::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_all(db, key, &operations, reply)
}

fn read_all(
    db: &mut Db<'_>,
    key: &[u8],
    operations: &[Operation],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let mut text = db.string(key)?;
    let string = text.as_mut().map_or(&b""[..], |text| text.bytes());
    reply.array(operations.len());
    for operation in operations {
        reply.integer(operation.read(string) as i64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Action, Operation, Overflow, Type};

    #[test]
    fn an_integer_of_any_width_is_read_where_it_was_written_and_nothing_else_changes() {
        for signed in [false, true] {
            for bits in 1..=if signed { 64 } else { 63 } {
                let kind = Type { signed, bits };
                for offset in 0..16 {
                    for background in [0x00, 0xff] {
                        for value in
                            [kind.min(), kind.max(), 0, 1 & kind.max(), kind.number(0x5a5a_1234_89ab_cdef)]
                        {
                            let operation = Operation { kind, offset, action: Action::Get };
                            let mut string = [background; 10];
                            operation.write(&mut string, value);
                            assert_eq!(operation.read(&string), value, "{kind:?} at {offset}");
                            operation.write(&mut string, if background == 0 { 0 } else { -1 });
                            assert_eq!(string, [background; 10], "{kind:?} at {offset}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_wraps_saturates_or_fails() {
        let cases = [
            ("u8", 256, 0, 255),
            ("u8", -1, 255, 0),
            ("i8", 128, -128, 127),
            ("i8", -129, 127, -128),
            ("i64", i128::from(i64::MAX) + 1, i128::from(i64::MIN), i128::from(i64::MAX)),
            ("u1", 3, 1, 1),
        ];
        for (kind, value, wrapped, saturated) in cases {
            let kind = Type::parse(kind.as_bytes()).expect("a type");
            assert_eq!(kind.fit(value, Overflow::Wrap), Some(wrapped));
            assert_eq!(kind.fit(value, Overflow::Saturate), Some(saturated));
            assert_eq!(kind.fit(value, Overflow::Fail), None);
        }
    }
}
