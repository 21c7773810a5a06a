//! Errors as scripts see them: the texts of Lua's own library, and the tables that stand for error replies.

use super::state::{Raised, Returns, Stack, Type};

/// What a text becomes in C, where it ends at its first zero byte.
pub(super) fn c_text(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

impl Stack<'_> {
    /// An error of `text`, after where the script has called us. Source: Lua `lauxlib.c`, `luaL_error`.
    pub(super) fn raise(&mut self, text: &[u8]) -> Raised {
        let mut message = match self.caller(1) {
            Some(caller) if caller.line > 0 => {
                [&caller.short_source[..], b":", caller.line.to_string().as_bytes(), b": "].concat()
            }
            _ => Vec::new(),
        };
        message.extend_from_slice(c_text(text));
        self.raise_plain(&message)
    }

    /// An error of the argument at `index`. Source: Lua `lauxlib.c`, `luaL_argerror`.
    pub(super) fn raise_argument(&mut self, index: usize, text: &str) -> Raised {
        let caller = self.caller(0);
        let is_method = caller.as_ref().is_some_and(|caller| caller.is_method);
        let name = caller.and_then(|caller| caller.name).unwrap_or_else(|| b"?".to_vec());
        let name = String::from_utf8_lossy(&name);
        let message = match (is_method, index) {
            (true, 1) => format!("calling '{name}' on bad self ({text})"),
            _ => format!("bad argument #{} to '{name}' ({text})", index - usize::from(is_method)),
        };
        self.raise(message.as_bytes())
    }

    /// An error of an argument that is of another type. Source: Lua `lauxlib.c`, `luaL_typerror`.
    pub(super) fn raise_type(&mut self, index: usize, expected: &str) -> Raised {
        let got = self.type_of(index).map_or("no value", Type::name);
        self.raise_argument(index, &format!("{expected} expected, got {got}"))
    }

    /// The string at `index`; a number becomes one.
    pub(super) fn expect_text(&mut self, index: usize) -> Result<&[u8], Raised> {
        if !matches!(self.type_of(index), Some(Type::String | Type::Number)) {
            return Err(self.raise_type(index, "string"));
        }
        Ok(self.text(index).unwrap_or_default())
    }

    /// The number at `index`, or that a string there reads as.
    pub(super) fn expect_number(&mut self, index: usize) -> Result<f64, Raised> {
        match self.number(index) {
            Some(number) => Ok(number),
            None => Err(self.raise_type(index, "number")),
        }
    }

    /// The number at `index` as C makes an integer of it.
    pub(super) fn expect_integer(&mut self, index: usize) -> Result<i64, Raised> {
        self.expect_number(index).map(integer)
    }

    /// That there is a table at `index`.
    pub(super) fn expect_table(&mut self, index: usize) -> Result<(), Raised> {
        if self.is(index, Type::Table) { Ok(()) } else { Err(self.raise_type(index, "table")) }
    }

    /// Pushes the table of an error reply. `text` begins with its code if there is a `-` before it; else that is `ERR`.
    /// Source: Redis `script_lua.c`, `luaPushErrorBuff`.
    pub(super) fn push_error(&mut self, text: &[u8]) {
        let text = c_text(text);
        let (code, message) = match text.strip_prefix(b"-") {
            None => (&b"ERR"[..], text),
            Some(text) => match memchr::memchr(b' ', text) {
                None => (&b"ERR"[..], text),
                Some(space) => (&text[..space], &text[space + 1..]),
            },
        };
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = message.iter().position(|byte| !is_end(byte)).unwrap_or(message.len());
        let end = message.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
        self.push_table(0, 1);
        let table = self.top();
        self.push_bytes(&[code, b" ", &message[start..end]].concat());
        self.set_field(table, b"err");
    }

    /// Raises the table of an error reply.
    pub(super) fn raise_error(&mut self, text: &str) -> Raised {
        self.truncate(0);
        self.push_error(text.as_bytes());
        Raised
    }
}

/// What C makes of a number where it wants an integer: what does not fit is the least of all, on the processors Redis runs on.
pub(super) fn integer(number: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&number) { number as i64 } else { i64::MIN }
}

/// What a script is told of an error: the value at 1 with where it happened. Source: Redis `eval.c`, its error handler.
pub(super) fn handle(stack: &mut Stack<'_>) -> Returns {
    stack.set_top(1);
    let at = stack.caller(1).and_then(|caller| if caller.is_native { stack.caller(2) } else { Some(caller) });
    if !stack.is(1, Type::Table) {
        let text = [b"ERR ", &shown(stack, 1)[..]].concat();
        stack.push_table(0, 3);
        stack.push_bytes(&text);
        stack.set_field(2, b"err");
        stack.replace(1);
    }
    if let Some(at) = at {
        stack.push_bytes(&at.source);
        stack.set_field(1, b"source");
        stack.push_number(at.line as f64);
        stack.set_field(1, b"line");
    }
    Ok(1)
}

/// The value at `index` as `tostring` shows it, without asking its metatable.
pub(super) fn shown(stack: &mut Stack<'_>, index: usize) -> Vec<u8> {
    match stack.type_of(index) {
        Some(Type::String | Type::Number) => stack.text(index).unwrap_or_default().to_vec(),
        Some(Type::Boolean) => stack.truth(index).to_string().into_bytes(),
        None | Some(Type::Nil) => b"nil".to_vec(),
        Some(other) => format!("{}: {:#x}", other.name(), stack.identity(index)).into_bytes(),
    }
}

/// What [`shown`] says, and the value at `index` stays as it is.
pub(super) fn shown_copy(stack: &mut Stack<'_>, index: usize) -> Vec<u8> {
    stack.push_value(index);
    let text = shown(stack, stack.top());
    stack.pop(1);
    text
}
