//! Commands on strings.

use super::family;
use super::row::{Access, Begin, Find, Flags, KeySpec};

/// One key, the first argument.
const fn one_key(access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(1), find: Find::Range { last: 0, step: 1, limit: 0 }, access }]
}

family! {
    /// Commands on strings.
    Strings "string"

    Get = "GET" "key"
        .summary("Returns the string value of a key.")
        .keys(&one_key(Access::RO.and(Access::ACCESS))).flags(Flags::READONLY.and(Flags::FAST));

    Set = "SET" "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]"
        .summary("Sets the string value of a key, whatever it held before, and its time to live.")
        .keys(&one_key(Access::RW.and(Access::ACCESS).and(Access::UPDATE).and(Access::VARIABLE_FLAGS)))
        .flags(Flags::WRITE.and(Flags::DENYOOM));
}
