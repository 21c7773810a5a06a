//! `bit.*`: operations on 32 bits. Source of behaviour: `LuaBitOp`, as Redis has it.

use super::state::{Raised, Returns, Stack};

type Push = fn(&mut Stack<'_>);

const FUNCTIONS: &[(&[u8], Push)] = &[
    (b"tobit", |stack| stack.push_function(|stack| with_one(stack, |bits| bits))),
    (b"bnot", |stack| stack.push_function(|stack| with_one(stack, |bits| !bits))),
    (b"bswap", |stack| stack.push_function(|stack| with_one(stack, u32::swap_bytes))),
    (b"band", |stack| stack.push_function(|stack| with_all(stack, |bits, other| bits & other))),
    (b"bor", |stack| stack.push_function(|stack| with_all(stack, |bits, other| bits | other))),
    (b"bxor", |stack| stack.push_function(|stack| with_all(stack, |bits, other| bits ^ other))),
    (b"lshift", |stack| stack.push_function(|stack| with_count(stack, |bits, count| bits << count))),
    (b"rshift", |stack| stack.push_function(|stack| with_count(stack, |bits, count| bits >> count))),
    (b"arshift", |stack| {
        stack.push_function(|stack| with_count(stack, |bits, count| (bits as i32 >> count) as u32));
    }),
    (b"rol", |stack| stack.push_function(|stack| with_count(stack, u32::rotate_left))),
    (b"ror", |stack| stack.push_function(|stack| with_count(stack, u32::rotate_right))),
    (b"tohex", |stack| stack.push_function(tohex)),
];

/// Pushes the table.
pub(super) fn push(stack: &mut Stack<'_>) {
    stack.push_table(0, FUNCTIONS.len());
    let table = stack.top();
    for (name, push) in FUNCTIONS {
        push(stack);
        stack.set_field(table, name);
    }
}

/// The low 32 bits of the number at `index`, rounded to a whole one.
fn bits(stack: &mut Stack<'_>, index: usize) -> Result<u32, Raised> {
    /// With this added, the bits of a whole number are the last of the mantissa: 2^52 + 2^51.
    const SHIFTED: f64 = 6_755_399_441_055_744.0;
    let number = stack.expect_number(index)?;
    Ok((number + SHIFTED).to_bits() as u32)
}

fn give(stack: &mut Stack<'_>, bits: u32) -> Returns {
    stack.truncate(0);
    stack.push_number(f64::from(bits as i32));
    Ok(1)
}

fn with_one(stack: &mut Stack<'_>, body: fn(u32) -> u32) -> Returns {
    let one = bits(stack, 1)?;
    give(stack, body(one))
}

fn with_all(stack: &mut Stack<'_>, body: fn(u32, u32) -> u32) -> Returns {
    let mut all = bits(stack, 1)?;
    for index in (2..=stack.top()).rev() {
        all = body(all, bits(stack, index)?);
    }
    give(stack, all)
}

fn with_count(stack: &mut Stack<'_>, body: fn(u32, u32) -> u32) -> Returns {
    let one = bits(stack, 1)?;
    let count = bits(stack, 2)? & 31;
    give(stack, body(one, count))
}

/// The last hexadecimal digits, as many as asked for; upper case if that is negative.
fn tohex(stack: &mut Stack<'_>) -> Returns {
    let one = bits(stack, 1)?;
    let digits = if stack.top() < 2 { 8 } else { bits(stack, 2)? as i32 };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 { format!("{one:08X}") } else { format!("{one:08x}") };
    stack.push_bytes(&text.as_bytes()[8 - count..]);
    Ok(1)
}
