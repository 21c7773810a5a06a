//! Replies of commands as Lua values. Source: Redis `script_lua.c`, the `redisProtocolToLuaType` functions.

use super::state::{Raised, Stack};

/// What the table of an error says of itself if it is that of a command, which has been counted as failed already.
pub(super) const IS_COUNTED: &[u8] = b"ignore_error_stats_update";

/// Pushes the reply that `reply` is, all of it: our own commands wrote it.
pub(super) fn push_reply(stack: &mut Stack<'_>, reply: &[u8]) -> Result<(), Raised> {
    Reader { rest: reply }.push(stack)
}

/// What is left of a reply.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// What comes up to the end of the line.
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(2..).unwrap_or_default();
        line
    }

    /// The bytes whose number `length` is.
    fn bulk(&mut self, length: i64) -> &'a [u8] {
        let (bulk, rest) = self.rest.split_at((length as usize).min(self.rest.len()));
        self.rest = rest.get(2..).unwrap_or_default();
        bulk
    }

    fn push(&mut self, stack: &mut Stack<'_>) -> Result<(), Raised> {
        if !stack.reserve(6) {
            return Err(stack.raise(b"reached lua stack limit"));
        }
        let line = self.line();
        let Some((&mark, line)) = line.split_first() else {
            stack.push_nil();
            return Ok(());
        };
        let number = || tidegate_protocols::number::integer(line).unwrap_or(0);
        match mark {
            b'$' | b'*' if number() < 0 => stack.push_boolean(false),
            b'$' => {
                let bulk = self.bulk(number());
                stack.push_bytes(bulk);
            }
            b':' => stack.push_number(number() as f64),
            b'+' => push_in_table(stack, b"ok", |stack| stack.push_bytes(line)),
            b'-' => {
                stack.push_error(&[b"-", line].concat());
                stack.push_boolean(true);
                stack.set_field(stack.top() - 1, IS_COUNTED);
            }
            b'*' | b'>' => return self.push_array(stack, number()),
            b'%' => return self.push_map(stack, number()),
            b'~' => return self.push_set(stack, number()),
            b'_' => stack.push_nil(),
            b'#' => stack.push_boolean(line == b"t"),
            b',' => {
                let value =
                    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
                push_in_table(stack, b"double", |stack| stack.push_number(value));
            }
            b'(' => push_in_table(stack, b"big_number", |stack| stack.push_bytes(line)),
            b'=' => {
                let bulk = self.bulk(number());
                let (format, text) = bulk.split_at(bulk.len().min(4));
                push_in_table(stack, b"verbatim_string", |stack| {
                    stack.push_table(0, 2);
                    let inner = stack.top();
                    stack.push_bytes(text);
                    stack.set_field(inner, b"string");
                    stack.push_bytes(&format[..format.len().min(3)]);
                    stack.set_field(inner, b"format");
                });
            }
            // Attributes are not for scripts.
            b'|' => {
                let before = stack.top();
                for _ in 0..number().saturating_mul(2) {
                    self.push(stack)?;
                    stack.truncate(before);
                }
                return self.push(stack);
            }
            _ => unreachable!("our own commands have written this reply"),
        }
        Ok(())
    }

    fn push_array(&mut self, stack: &mut Stack<'_>, count: i64) -> Result<(), Raised> {
        stack.push_table(count as usize, 0);
        let table = stack.top();
        for at in 1..=count as usize {
            self.push(stack)?;
            stack.set_element(table, at);
        }
        Ok(())
    }

    fn push_map(&mut self, stack: &mut Stack<'_>, count: i64) -> Result<(), Raised> {
        stack.push_table(0, 1);
        stack.push_table(0, count as usize);
        let table = stack.top();
        for _ in 0..count {
            self.push(stack)?;
            self.push(stack)?;
            if stack.may_be_key(stack.top() - 1) { stack.set_pair(table) } else { stack.truncate(table) }
        }
        stack.set_field(table - 1, b"map");
        Ok(())
    }

    fn push_set(&mut self, stack: &mut Stack<'_>, count: i64) -> Result<(), Raised> {
        stack.push_table(0, 1);
        stack.push_table(0, count as usize);
        let table = stack.top();
        for _ in 0..count {
            self.push(stack)?;
            stack.push_boolean(true);
            if stack.may_be_key(stack.top() - 1) { stack.set_pair(table) } else { stack.truncate(table) }
        }
        stack.set_field(table - 1, b"set");
        Ok(())
    }
}

/// A table with one field, whose value `push` pushes.
fn push_in_table(stack: &mut Stack<'_>, name: &[u8], push: impl FnOnce(&mut Stack<'_>)) {
    stack.push_table(0, 1);
    let table = stack.top();
    push(stack);
    stack.set_field(table, name);
}
