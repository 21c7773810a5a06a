//! `cjson.*`: JSON. Source of behaviour: lua-cjson 2.1.0, as Redis has it.

mod decode;
mod encode;

use super::state::{Raised, Returns, Stack, Type};

/// How scripts have set it up, for themselves and those after them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Whether an array with too many holes becomes an object instead of an error.
    converts_sparse: bool,
    /// How many times more places than elements are too many; never if 0.
    sparse_ratio: i32,
    /// Up to how many places an array may have any holes.
    sparse_safe: i32,
    encode_depth_max: i32,
    decode_depth_max: i32,
    /// Digits of a number.
    precision: i32,
    keeps_buffer: bool,
    encode_invalid: Invalid,
    decodes_invalid: bool,
}

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            converts_sparse: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            precision: 14,
            keeps_buffer: true,
            encode_invalid: Invalid::Refused,
            decodes_invalid: true,
        }
    }
}

type Push = fn(&mut Stack<'_>);

const FUNCTIONS: &[(&[u8], Push)] = &[
    (b"encode", |stack| stack.push_function(encode::encode)),
    (b"decode", |stack| stack.push_function(decode::decode)),
    (b"encode_sparse_array", |stack| stack.push_function(encode_sparse_array)),
    (b"encode_max_depth", |stack| {
        stack.push_function(|stack| depth(stack, |settings| &mut settings.encode_depth_max));
    }),
    (b"decode_max_depth", |stack| {
        stack.push_function(|stack| depth(stack, |settings| &mut settings.decode_depth_max));
    }),
    (b"encode_number_precision", |stack| stack.push_function(encode_number_precision)),
    (b"encode_keep_buffer", |stack| {
        stack.push_function(|stack| only_switch(stack, |settings| &mut settings.keeps_buffer));
    }),
    (b"encode_invalid_numbers", |stack| stack.push_function(encode_invalid_numbers)),
    (b"decode_invalid_numbers", |stack| {
        stack.push_function(|stack| only_switch(stack, |settings| &mut settings.decodes_invalid));
    }),
    (b"new", |stack| stack.push_function(new)),
];

/// Pushes the table.
pub(super) fn push(stack: &mut Stack<'_>) {
    stack.push_table(0, 16);
    let table = stack.top();
    for (name, push) in FUNCTIONS {
        push(stack);
        stack.set_field(table, name);
    }
    stack.push_null();
    stack.set_field(table, b"null");
    for (name, text) in [(&b"_NAME"[..], &b"cjson"[..]), (b"_VERSION", b"2.1.0")] {
        stack.push_bytes(text);
        stack.set_field(table, name);
    }
}

/// Another table of the same. Its settings are those of the first as well.
fn new(stack: &mut Stack<'_>) -> Returns {
    stack.truncate(0);
    push(stack);
    Ok(1)
}

/// Makes it `count` arguments, which must not be more.
fn arguments(stack: &mut Stack<'_>, count: usize) -> Result<(), Raised> {
    if stack.top() > count {
        return Err(stack.raise_argument(count + 1, "found too many arguments"));
    }
    stack.set_top(count);
    Ok(())
}

/// Sets an integer to the argument at `index`, if there is one, and pushes it.
fn whole(
    stack: &mut Stack<'_>,
    index: usize,
    (min, max): (i32, i32),
    place: fn(&mut Settings) -> &mut i32,
) -> Result<(), Raised> {
    if !stack.is(index, Type::Nil) {
        let value = stack.expect_integer(index)? as i32;
        if !(min..=max).contains(&value) {
            return Err(stack.raise_argument(1, &format!("expected integer between {min} and {max}")));
        }
        *place(&mut stack.world().json) = value;
    }
    let value = *place(&mut stack.world().json);
    stack.push_number(f64::from(value));
    Ok(())
}

/// Which of `options` the argument at `index` names.
fn option(stack: &mut Stack<'_>, index: usize, options: &[&str]) -> Result<usize, Raised> {
    let name = stack.expect_text(index)?.to_vec();
    if let Some(place) = options.iter().position(|option| option.as_bytes() == name) {
        return Ok(place);
    }
    let name = String::from_utf8_lossy(&name);
    Err(stack.raise_argument(index, &format!("invalid option '{name}'")))
}

/// Sets a switch to the argument at `index`, if there is one, and pushes it.
fn switch(stack: &mut Stack<'_>, index: usize, place: fn(&mut Settings) -> &mut bool) -> Result<(), Raised> {
    if !stack.is(index, Type::Nil) {
        let is_boolean = stack.is(index, Type::Boolean);
        let value = if is_boolean { stack.truth(index) } else { option(stack, index, &["off", "on"])? == 1 };
        *place(&mut stack.world().json) = value;
    }
    let value = *place(&mut stack.world().json);
    stack.push_boolean(value);
    Ok(())
}

fn only_switch(stack: &mut Stack<'_>, place: fn(&mut Settings) -> &mut bool) -> Returns {
    arguments(stack, 1)?;
    switch(stack, 1, place)?;
    Ok(1)
}

fn depth(stack: &mut Stack<'_>, place: fn(&mut Settings) -> &mut i32) -> Returns {
    arguments(stack, 1)?;
    whole(stack, 1, (1, i32::MAX), place)?;
    Ok(1)
}

fn encode_number_precision(stack: &mut Stack<'_>) -> Returns {
    arguments(stack, 1)?;
    whole(stack, 1, (1, 14), |settings| &mut settings.precision)?;
    Ok(1)
}

fn encode_sparse_array(stack: &mut Stack<'_>) -> Returns {
    arguments(stack, 3)?;
    switch(stack, 1, |settings| &mut settings.converts_sparse)?;
    whole(stack, 2, (0, i32::MAX), |settings| &mut settings.sparse_ratio)?;
    whole(stack, 3, (0, i32::MAX), |settings| &mut settings.sparse_safe)?;
    Ok(3)
}

fn encode_invalid_numbers(stack: &mut Stack<'_>) -> Returns {
    arguments(stack, 1)?;
    if !stack.is(1, Type::Nil) {
        let value = match stack.is(1, Type::Boolean) {
            true if stack.truth(1) => Invalid::Written,
            true => Invalid::Refused,
            false => {
                [Invalid::Refused, Invalid::Written, Invalid::Null][option(stack, 1, &["off", "on", "null"])?]
            }
        };
        stack.world().json.encode_invalid = value;
    }
    match stack.world().json.encode_invalid {
        Invalid::Null => stack.push_bytes(b"null"),
        other => stack.push_boolean(other == Invalid::Written),
    }
    Ok(1)
}
