//! Commands on the bits of strings.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};
use crate::request::Args;

/// Keys from argument `first` to `last` after it.
const fn keys(first: u16, last: i16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(first), find: Find::Range { last, step: 1, limit: 0 }, access }
}

const READ: Access = Access::RO.and(Access::ACCESS);
const READ_AND_WRITE: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const BITMAP: Categories = Categories::BITMAP;

/// `BITFIELD` only reads if every operation is a `GET`. Source: Redis `db.c`, `bitfieldGetKeys`.
fn access_of_bitfield(args: &Args<'_>) -> Access {
    let mut rest = args.from(2);
    while !rest.is_empty() {
        let is = |word: &str| rest.at(0).eq_ignore_ascii_case(word.as_bytes());
        rest = match rest.len() {
            3.. if is("GET") => rest.from(3),
            2.. if is("OVERFLOW") => rest.from(2),
            _ => return READ_AND_WRITE,
        };
    }
    READ
}

family! {
    /// Commands on the bits of strings. Bit 0 is the highest bit of the first byte.
    Bitmaps "bitmap"

    Setbit = "SETBIT" "key offset value:integer"
        .summary("Sets one bit of a string and returns what it was.")
        .keys(&[keys(1, 0, READ_AND_WRITE)]).flags(WRITES).categories(BITMAP).since("2.2.0");

    Getbit = "GETBIT" "key offset"
        .summary("Returns one bit of a string; beyond its end every bit is 0.")
        .keys(&[keys(1, 0, READ)]).flags(Flags::READONLY.and(Flags::FAST)).categories(BITMAP).since("2.2.0");

    Bitcount = "BITCOUNT" "key [index=start end [index_unit=BYTE | BIT]@7.0.0]"
        .summary("Counts the bits set in a string or in a part of it.")
        .cost("O(N) where N is the number of bytes looked at")
        .keys(&[keys(1, 0, READ)]).flags(Flags::READONLY).categories(BITMAP).since("2.6.0")
        .history(&[("7.0.0", "The unit, BYTE or BIT.")]);

    Bitpos = "BITPOS" "key bit [index=start [end_index=end [index_unit=BYTE | BIT]@7.0.0]]"
        .summary("Finds the first bit that is set, or the first that is clear, in a string or in a part of it.")
        .cost("O(N) where N is the number of bytes looked at")
        .keys(&[keys(1, 0, READ)]).flags(Flags::READONLY).categories(BITMAP).since("2.8.7")
        .history(&[("7.0.0", "The unit, BYTE or BIT.")]);

    Bitop = "BITOP" "operation destkey key [key ...]"
        .summary("Combines strings bit by bit with AND, OR, XOR or NOT and stores the result.")
        .cost("O(N) where N is the number of bytes of all the strings")
        .keys(&[keys(2, 0, Access::OW.and(Access::UPDATE)), keys(3, -1, READ)])
        .flags(WRITES).categories(BITMAP).since("2.6.0");

    Bitfield = "BITFIELD" "key [<operation=GET encoding offset | (write=[OVERFLOW <WRAP | SAT | \
        FAIL>] <write_operation=SET encoding offset value:integer | \
        INCRBY encoding offset increment>)> ...]"
        .summary("Reads, sets and increments integers of any width up to 64 bits within a string.")
        .cost("O(N) where N is the number of operations")
        .keys(&[keys(1, 0, READ_AND_WRITE.and(Access::VARIABLE_FLAGS))])
        .flags(WRITES).categories(BITMAP).since("3.2.0")
        .variable_access(access_of_bitfield);

    BitfieldRo = "BITFIELD_RO" "key [GET encoding offset [GET encoding offset ...]]"
        .summary("Reads integers of any width up to 64 bits within a string.")
        .cost("O(N) where N is the number of operations")
        .keys(&[keys(1, 0, READ)])
        .flags(Flags::READONLY.and(Flags::FAST)).categories(BITMAP).since("6.0.0");
}
