//! `cmsgpack.*`: `MessagePack`. Source of behaviour: lua-cmsgpack 0.4.0, as Redis has it.

#![expect(clippy::float_cmp, reason = "whether a number is exactly another")]

use super::errors::integer;
use super::state::{Raised, Returns, Stack, Type};

/// Tables within tables; what is deeper is packed as nil.
const DEPTH_MAX: usize = 16;

const CONSTANTS: &[(&[u8], &[u8])] = &[
    (b"_NAME", b"cmsgpack"),
    (b"_VERSION", b"lua-cmsgpack 0.4.0"),
    (b"_COPYRIGHT", b"Copyright (C) 2012, Salvatore Sanfilippo"),
    (b"_DESCRIPTION", b"MessagePack C implementation for Lua"),
];

/// Pushes the table.
pub(super) fn push(stack: &mut Stack<'_>) {
    stack.push_table(0, 8);
    let table = stack.top();
    stack.push_function(pack);
    stack.set_field(table, b"pack");
    stack.push_function(|stack| unpack(stack, 0, 0));
    stack.set_field(table, b"unpack");
    stack.push_function(unpack_one);
    stack.set_field(table, b"unpack_one");
    stack.push_function(unpack_limit);
    stack.set_field(table, b"unpack_limit");
    for (name, text) in CONSTANTS {
        stack.push_bytes(text);
        stack.set_field(table, name);
    }
}

fn pack(stack: &mut Stack<'_>) -> Returns {
    let count = stack.top();
    if count == 0 {
        return Err(stack.raise(b"bad argument #0 to 'pack' (MessagePack pack needs input.)"));
    }
    let bytes_max = stack.world().limits.bytes_max;
    let mut packer = Packer { packed: Vec::new(), bytes_max };
    for index in 1..=count {
        if !stack.reserve(1) {
            return Err(stack.raise(b"stack overflow (in function mp_check)"));
        }
        stack.push_value(index);
        packer.add(stack, 0)?;
    }
    stack.truncate(0);
    stack.push_bytes(&packer.packed);
    Ok(1)
}

struct Packer {
    packed: Vec<u8>,
    bytes_max: usize,
}

impl Packer {
    /// Packs the value at the top and takes it off.
    fn add(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Raised> {
        if self.packed.len() > self.bytes_max {
            return Err(stack.raise_plain(b"not enough memory"));
        }
        let top = stack.top();
        match stack.type_of(top) {
            Some(Type::String) => self.add_bytes(stack.bytes(top).unwrap_or_default()),
            Some(Type::Boolean) => self.packed.push(if stack.truth(top) { 0xc3 } else { 0xc2 }),
            Some(Type::Number) => self.add_number(stack.number(top).unwrap_or(0.0)),
            Some(Type::Table) if depth < DEPTH_MAX => {
                if !stack.reserve(4) {
                    return Err(stack.raise(b"stack overflow (in function table_is_an_array)"));
                }
                match array_length(stack, top) {
                    Some(count) => self.add_array(stack, count, depth)?,
                    None => self.add_map(stack, depth)?,
                }
            }
            _ => self.packed.push(0xc0),
        }
        stack.truncate(top - 1);
        Ok(())
    }

    fn add_array(&mut self, stack: &mut Stack<'_>, count: usize, depth: usize) -> Result<(), Raised> {
        let table = stack.top();
        self.add_head(count, [0x90, 0xdc, 0xdd]);
        for at in 1..=count {
            stack.push_element(table, at);
            self.add(stack, depth + 1)?;
        }
        Ok(())
    }

    fn add_map(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Raised> {
        let table = stack.top();
        let mut count = 0;
        stack.push_nil();
        while stack.next(table).expect("the key is one of the table") {
            stack.pop(1);
            count += 1;
        }
        self.add_head(count, [0x80, 0xde, 0xdf]);
        stack.push_nil();
        while stack.next(table).expect("the key is one of the table") {
            stack.push_value(table + 1);
            self.add(stack, depth + 1)?;
            self.add(stack, depth + 1)?;
        }
        Ok(())
    }

    /// A length: within the mark up to 15, then in two bytes, then in four.
    fn add_head(&mut self, count: usize, [few, some, many]: [u8; 3]) {
        match count {
            0..=15 => self.packed.push(few | count as u8),
            16..=0xffff => self.add_marked(some, &(count as u16).to_be_bytes()),
            _ => self.add_marked(many, &(count as u32).to_be_bytes()),
        }
    }

    fn add_marked(&mut self, mark: u8, bytes: &[u8]) {
        self.packed.push(mark);
        self.packed.extend_from_slice(bytes);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        match bytes.len() {
            length @ 0..=31 => self.packed.push(0xa0 | length as u8),
            length @ 32..=0xff => self.add_marked(0xd9, &[length as u8]),
            length @ 0x100..=0xffff => self.add_marked(0xda, &(length as u16).to_be_bytes()),
            length => self.add_marked(0xdb, &(length as u32).to_be_bytes()),
        }
        self.packed.extend_from_slice(bytes);
    }

    fn add_number(&mut self, number: f64) {
        let whole = integer(number);
        if number.is_infinite() || whole as f64 != number {
            let short = number as f32;
            return if f64::from(short) == number {
                self.add_marked(0xca, &short.to_be_bytes());
            } else {
                self.add_marked(0xcb, &number.to_be_bytes());
            };
        }
        match whole {
            -32..=0x7f => self.packed.push(whole as u8),
            0x80..=0xff => self.add_marked(0xcc, &[whole as u8]),
            0x100..=0xffff => self.add_marked(0xcd, &(whole as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.add_marked(0xce, &(whole as u32).to_be_bytes()),
            0x1_0000_0000.. => self.add_marked(0xcf, &whole.to_be_bytes()),
            -0x80..=-33 => self.add_marked(0xd0, &[whole as u8]),
            -0x8000..=-0x81 => self.add_marked(0xd1, &(whole as i16).to_be_bytes()),
            -0x8000_0000..=-0x8001 => self.add_marked(0xd2, &(whole as i32).to_be_bytes()),
            _ => self.add_marked(0xd3, &whole.to_be_bytes()),
        }
    }
}

/// How many elements the table at `index`, the top, has if it has nothing but the elements from 1 on.
fn array_length(stack: &mut Stack<'_>, index: usize) -> Option<usize> {
    let (mut count, mut last) = (0.0, 0.0);
    stack.push_nil();
    while stack.next(index).expect("the key is one of the table") {
        stack.pop(1);
        let key = if stack.is(index + 1, Type::Number) { stack.number(index + 1) } else { None };
        let is_place = |key: &f64| *key > 0.0 && key.fract() == 0.0 && *key <= f64::from(i32::MAX);
        let Some(key) = key.filter(is_place) else {
            stack.truncate(index);
            return None;
        };
        last = key.max(last);
        count += 1.0;
    }
    (count == last).then_some(count as usize)
}

fn unpack_one(stack: &mut Stack<'_>) -> Returns {
    let offset = optional_integer(stack, 2)?;
    unpack(stack, 1, offset)
}

fn unpack_limit(stack: &mut Stack<'_>) -> Returns {
    let limit = stack.expect_integer(2)?;
    let offset = optional_integer(stack, 3)?;
    unpack(stack, limit, offset)
}

fn optional_integer(stack: &mut Stack<'_>, index: usize) -> Result<i64, Raised> {
    match stack.type_of(index) {
        None | Some(Type::Nil) => Ok(0),
        Some(_) => stack.expect_integer(index),
    }
}

/// Unpacks up to `limit` values from `offset` on, and says where the next begins; all of them if both are 0, and says nothing.
fn unpack(stack: &mut Stack<'_>, limit: i64, offset: i64) -> Returns {
    let data = stack.expect_text(1)?.to_vec();
    stack.truncate(1);
    if offset < 0 || limit < 0 {
        let text = format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            data.len() as i32
        );
        return Err(stack.raise(text.as_bytes()));
    }
    if offset as usize > data.len() {
        let text = format!("Start offset {} greater than input length {}.", offset as i32, data.len() as i32);
        return Err(stack.raise(text.as_bytes()));
    }
    let is_all = limit == 0 && offset == 0;
    let limit = if is_all { i64::from(i32::MAX) } else { limit };
    let mut unpacker = Unpacker { rest: &data[offset as usize..], open: Vec::new() };
    let mut count = 0;
    while count < limit && !unpacker.rest.is_empty() {
        if let Err(wrong) = unpacker.push_whole(stack) {
            return Err(match wrong {
                Wrong::Short => stack.raise(b"Missing bytes in input."),
                Wrong::Format => stack.raise(b"Bad data format in input."),
                Wrong::NoRoom(text) => stack.raise(format!("stack overflow ({text})").as_bytes()),
                Wrong::Key(text) => stack.raise_plain(text.as_bytes()),
            });
        }
        count += 1;
    }
    if !is_all {
        if !stack.reserve(1) {
            return Err(stack.raise(b"stack overflow (in function mp_unpack_full)"));
        }
        let left = unpacker.rest.len();
        stack.push_number(if left == 0 { -1.0 } else { (data.len() - left) as f64 });
        stack.insert(2);
    }
    Ok(stack.top() - 1)
}

/// What is wrong with packed bytes.
enum Wrong {
    Short,
    Format,
    NoRoom(&'static str),
    Key(&'static str),
}

/// A table that is being filled.
struct Open {
    table: usize,
    is_map: bool,
    left: usize,
    /// The last place of an array that has been begun.
    last: usize,
}

struct Unpacker<'a> {
    rest: &'a [u8],
    open: Vec<Open>,
}

impl<'a> Unpacker<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Wrong::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_number<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        Ok(self.take(N)?.try_into().expect("as many as asked for"))
    }

    /// Pushes one value with all that is in it.
    fn push_whole(&mut self, stack: &mut Stack<'_>) -> Result<(), Wrong> {
        self.push(stack)?;
        while let Some(open) = self.open.last_mut() {
            if stack.top() - open.table == 2 {
                if !stack.may_be_key(open.table + 1) {
                    let is_nil = stack.is(open.table + 1, Type::Nil);
                    return Err(Wrong::Key(if is_nil { "table index is nil" } else { "table index is NaN" }));
                }
                stack.set_pair(open.table);
                open.left -= 1;
            }
            if open.left == 0 {
                self.open.pop();
                continue;
            }
            if !open.is_map {
                open.last += 1;
                stack.push_number(open.last as f64);
            }
            self.push(stack)?;
        }
        Ok(())
    }

    /// Pushes one value, or opens it.
    fn push(&mut self, stack: &mut Stack<'_>) -> Result<(), Wrong> {
        if !stack.reserve(1) {
            let text = "too many return values at once; use unpack_one or unpack_limit instead.";
            return Err(Wrong::NoRoom(text));
        }
        let [mark] = self.take_number()?;
        match mark {
            0x00..=0x7f => stack.push_number(f64::from(mark)),
            0x80..=0x8f => self.open(stack, true, usize::from(mark & 0xf))?,
            0x90..=0x9f => self.open(stack, false, usize::from(mark & 0xf))?,
            0xa0..=0xbf => self.push_bytes(stack, usize::from(mark & 0x1f))?,
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_boolean(false),
            0xc3 => stack.push_boolean(true),
            0xca => stack.push_number(f64::from(f32::from_be_bytes(self.take_number()?))),
            0xcb => stack.push_number(f64::from_be_bytes(self.take_number()?)),
            0xcc => stack.push_number(f64::from(u8::from_be_bytes(self.take_number()?))),
            0xcd => stack.push_number(f64::from(u16::from_be_bytes(self.take_number()?))),
            0xce => stack.push_number(f64::from(u32::from_be_bytes(self.take_number()?))),
            // Unsigned it is, but Lua's integers are not.
            0xcf | 0xd3 => stack.push_number(i64::from_be_bytes(self.take_number()?) as f64),
            0xd0 => stack.push_number(f64::from(i8::from_be_bytes(self.take_number()?))),
            0xd1 => stack.push_number(f64::from(i16::from_be_bytes(self.take_number()?))),
            0xd2 => stack.push_number(f64::from(i32::from_be_bytes(self.take_number()?))),
            0xd9 => {
                let length = u8::from_be_bytes(self.take_number()?);
                self.push_bytes(stack, usize::from(length))?;
            }
            0xda => {
                let length = u16::from_be_bytes(self.take_number()?);
                self.push_bytes(stack, usize::from(length))?;
            }
            0xdb => {
                let length = u32::from_be_bytes(self.take_number()?);
                self.push_bytes(stack, length as usize)?;
            }
            0xdc | 0xde => {
                let count = u16::from_be_bytes(self.take_number()?);
                self.open(stack, mark == 0xde, usize::from(count))?;
            }
            0xdd | 0xdf => {
                let count = u32::from_be_bytes(self.take_number()?);
                self.open(stack, mark == 0xdf, count as usize)?;
            }
            0xe0..=0xff => stack.push_number(f64::from(mark as i8)),
            _ => return Err(Wrong::Format),
        }
        Ok(())
    }

    fn push_bytes(&mut self, stack: &mut Stack<'_>, length: usize) -> Result<(), Wrong> {
        let bytes = self.take(length)?;
        stack.push_bytes(bytes);
        Ok(())
    }

    fn open(&mut self, stack: &mut Stack<'_>, is_map: bool, count: usize) -> Result<(), Wrong> {
        stack.push_table(0, 0);
        self.open.push(Open { table: stack.top(), is_map, left: count, last: 0 });
        // For the place of an element.
        let has_room = is_map || stack.reserve(1);
        if has_room { Ok(()) } else { Err(Wrong::NoRoom("in function mp_decode_to_lua_array")) }
    }
}
