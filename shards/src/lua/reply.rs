//! What a script returns as a reply. Source: Redis `script_lua.c`, `luaReplyToRedisReply`.

use tidegate_protocols::error::Error;
use tidegate_protocols::reply::{Collection, Reply};

use super::errors::{c_text, integer};
use super::state::{Stack, Type};

/// A table that is being written; `table` is where it stands.
enum Open {
    Array {
        table: usize,
        next: usize,
        count: usize,
    },
    /// Above the table are the last key and, if that has been written only, its value.
    Map {
        table: usize,
        is_value_next: bool,
    },
    /// Above the table is the last key.
    Set {
        table: usize,
    },
}

/// Writes the value at the top, and takes it off.
///
/// # Errors
/// [`Error::ReplyTooLong`]: a table may have itself a million times.
pub(super) fn write(stack: &mut Stack<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let below = stack.top() - 1;
    let start = reply.mark();
    let limits = stack.world().limits;
    let is_resp3 = stack.world().is_resp3;
    let mut writer = Writer { reply, is_resp3, open: Vec::new() };
    writer.write(stack);
    while writer.go_on(stack) {
        writer.reply.check_since(start, limits.reply_bytes_max)?;
    }
    stack.truncate(below);
    writer.reply.check_since(start, limits.reply_bytes_max)
}

struct Writer<'a, 'b> {
    reply: &'a mut Reply<'b>,
    /// Which version the script has chosen; the client's may be another.
    is_resp3: bool,
    open: Vec<Open>,
}

impl Writer<'_, '_> {
    /// Writes one part more of the innermost table; `false` if there is nothing left.
    fn go_on(&mut self, stack: &mut Stack<'_>) -> bool {
        let Some(open) = self.open.last_mut() else { return false };
        match open {
            Open::Array { table, next, count } => {
                stack.truncate(*table);
                if *next > *count {
                    stack.pop(1);
                    self.open.pop();
                    return true;
                }
                stack.push_element(*table, *next);
                *next += 1;
            }
            Open::Map { table, is_value_next } if *is_value_next => {
                stack.truncate(*table + 2);
                *is_value_next = false;
            }
            Open::Map { table, is_value_next } => {
                stack.truncate(*table + 1);
                if !stack.next(*table).expect("the key is one of the table") {
                    // The table itself stands in the one that says that it is a map.
                    stack.truncate(*table - 2);
                    self.open.pop();
                    return true;
                }
                *is_value_next = true;
                stack.push_value(*table + 1);
            }
            Open::Set { table } => {
                stack.truncate(*table + 1);
                if !stack.next(*table).expect("the key is one of the table") {
                    stack.truncate(*table - 2);
                    self.open.pop();
                    return true;
                }
                stack.pop(1);
                stack.push_value(*table + 1);
            }
        }
        self.write(stack);
        true
    }

    /// Writes the value at the top and takes it off, or opens it.
    fn write(&mut self, stack: &mut Stack<'_>) {
        let top = stack.top();
        if !stack.reserve(4) {
            self.reply.error("ERR reached lua stack limit");
            return stack.pop(1);
        }
        match stack.type_of(top) {
            Some(Type::String) => self.reply.bulk(stack.bytes(top).unwrap_or_default()),
            Some(Type::Number) => self.reply.integer(integer(stack.number(top).unwrap_or(0.0))),
            Some(Type::Boolean) => match (self.is_resp3, stack.truth(top)) {
                (true, value) => self.reply.boolean(value),
                (false, true) => self.reply.integer(1),
                (false, false) => self.reply.null(),
            },
            Some(Type::Table) => return self.write_table(stack, top),
            _ => self.reply.null(),
        }
        stack.pop(1);
    }

    /// Writes the table at the top, which may stand for anything.
    fn write_table(&mut self, stack: &mut Stack<'_>, table: usize) {
        stack.push_field(table, b"err");
        if let Some(text) = stack.bytes(table + 1) {
            self.reply.error_of(&[c_text(text)]);
            return stack.truncate(table - 1);
        }
        stack.pop(1);
        stack.push_field(table, b"ok");
        if let Some(text) = stack.bytes(table + 1) {
            write_line(self.reply.out(), b'+', c_text(text));
            return stack.truncate(table - 1);
        }
        stack.pop(1);
        stack.push_field(table, b"double");
        if stack.is(table + 1, Type::Number) {
            self.reply.double(stack.number(table + 1).unwrap_or(0.0));
            return stack.truncate(table - 1);
        }
        stack.pop(1);
        stack.push_field(table, b"big_number");
        if let Some(digits) = stack.bytes(table + 1) {
            let digits: Vec<u8> =
                digits.iter().map(|&byte| if is_line_end(byte) { b' ' } else { byte }).collect();
            self.reply.big_number(&digits);
            return stack.truncate(table - 1);
        }
        stack.pop(1);
        if self.write_verbatim(stack, table) {
            return stack.truncate(table - 1);
        }
        stack.truncate(table);
        for (name, kind) in [(&b"map"[..], Collection::Map), (b"set", Collection::Set)] {
            stack.push_field(table, name);
            if stack.is(table + 1, Type::Table) {
                self.reply.collection(kind, count(stack, table + 1));
                stack.push_nil();
                let table = table + 1;
                self.open.push(match kind {
                    Collection::Map => Open::Map { table, is_value_next: false },
                    _ => Open::Set { table },
                });
                return;
            }
            stack.pop(1);
        }
        let mut count = 0;
        loop {
            stack.push_element(table, count + 1);
            let is_end = stack.is(table + 1, Type::Nil);
            stack.pop(1);
            if is_end {
                break;
            }
            count += 1;
        }
        self.reply.array(count);
        self.open.push(Open::Array { table, next: 1, count });
    }

    fn write_verbatim(&mut self, stack: &mut Stack<'_>, table: usize) -> bool {
        stack.push_field(table, b"verbatim_string");
        let inner = table + 1;
        if !stack.is(inner, Type::Table) {
            return false;
        }
        stack.push_field(inner, b"format");
        stack.push_field(inner, b"string");
        let (Some(format), Some(text)) = (stack.bytes(inner + 1), stack.bytes(inner + 2)) else {
            return false;
        };
        let mut three = [b' '; 3];
        for (place, byte) in three.iter_mut().zip(c_text(format)) {
            *place = *byte;
        }
        self.reply.verbatim(three, text);
        true
    }
}

/// How many pairs the table at `index`, which is the top, has.
fn count(stack: &mut Stack<'_>, index: usize) -> usize {
    let mut count = 0;
    stack.push_nil();
    while stack.next(index).expect("the key is one of the table") {
        stack.pop(1);
        count += 1;
    }
    count
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn write_line(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    out.push(mark);
    out.extend(text.iter().map(|&byte| if is_line_end(byte) { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}
