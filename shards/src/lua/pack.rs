//! `struct.*`: numbers and strings as the bytes that C would lay out. Source of behaviour: Roberto Ierusalimschy's `struct`
//! library, as Redis has it, on a 64-bit little-endian processor.

use super::errors::{c_text, integer};
use super::state::{Raised, Returns, Stack};

/// Bytes of the largest integer.
const INTEGER_BYTES_MAX: usize = 32;

/// The alignment of `!` without a number.
const ALIGNMENT_MAX: usize = 8;

/// Pushes the table.
pub(super) fn push(stack: &mut Stack<'_>) {
    stack.push_table(0, 3);
    let table = stack.top();
    stack.push_function(pack);
    stack.set_field(table, b"pack");
    stack.push_function(unpack);
    stack.set_field(table, b"unpack");
    stack.push_function(size);
    stack.set_field(table, b"size");
}

/// A format that is being read.
struct Format {
    text: Vec<u8>,
    at: usize,
    is_big: bool,
    alignment: usize,
}

impl Format {
    fn of(stack: &mut Stack<'_>) -> Result<Self, Raised> {
        let text = c_text(stack.expect_text(1)?).to_vec();
        Ok(Self { text, at: 0, is_big: false, alignment: 1 })
    }

    /// The next option and the bytes it takes, where it says so.
    fn next(&mut self, stack: &mut Stack<'_>) -> Result<Option<(u8, usize)>, Raised> {
        let Some(&option) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let bytes = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'f' => 4,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'c' => self.number(stack, 1)?,
            b'i' | b'I' => {
                let bytes = self.number(stack, 4)?;
                if bytes > INTEGER_BYTES_MAX {
                    let text = format!("integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(stack.raise(text.as_bytes()));
                }
                bytes
            }
            _ => 0,
        };
        Ok(Some((option, bytes)))
    }

    fn number(&mut self, stack: &mut Stack<'_>, default: usize) -> Result<usize, Raised> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let mut number: i32 = 0;
        for byte in &self.text[self.at..self.at + digits] {
            let next = number.checked_mul(10).and_then(|number| number.checked_add(i32::from(byte - b'0')));
            number = match next {
                Some(next) => next,
                None => return Err(stack.raise(b"integral size overflow")),
            };
        }
        self.at += digits;
        Ok(number as usize)
    }

    /// Bytes to leave out before an option of so many at this place.
    fn padding(&self, place: usize, (option, bytes): (u8, usize)) -> usize {
        if bytes == 0 || option == b'c' {
            return 0;
        }
        let bytes = bytes.min(self.alignment);
        // Of a number of bytes that is no power of two this is no alignment, but what Redis does.
        bytes.wrapping_sub(place & (bytes - 1)) & (bytes - 1)
    }

    /// An option that is none of data.
    fn control(&mut self, stack: &mut Stack<'_>, option: u8) -> Result<(), Raised> {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let alignment = self.number(stack, ALIGNMENT_MAX)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(stack.raise(text.as_bytes()));
                }
                self.alignment = alignment;
            }
            _ => {
                let text = format!("invalid format option '{}'", char::from(option));
                return Err(stack.raise_argument(1, &text));
            }
        }
        Ok(())
    }

    /// Turns bytes in the order of this processor into that of the format, and back.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }
}

/// What C makes of a number where it wants an unsigned integer, on the processors Redis runs on.
fn unsigned(number: f64) -> u64 {
    const END: f64 = 18_446_744_073_709_551_616.0;
    if number < 0.0 || number.is_nan() {
        integer(number) as u64
    } else if number < END {
        number as u64
    } else {
        0
    }
}

fn pack(stack: &mut Stack<'_>) -> Returns {
    let mut format = Format::of(stack)?;
    let bytes_max = stack.world().limits.bytes_max;
    let mut packed = Vec::new();
    let mut argument = 2;
    // An argument that is not there is a nil.
    stack.set_top(stack.top() + 1);
    while let Some(option) = format.next(stack)? {
        let bytes = option.1;
        packed.resize(packed.len() + format.padding(packed.len(), option), 0);
        match option.0 {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let mut value = unsigned(stack.expect_number(argument)?);
                argument += 1;
                let start = packed.len();
                for _ in 0..bytes {
                    packed.push(value as u8);
                    value >>= 8;
                }
                if format.is_big {
                    packed[start..].reverse();
                }
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = stack.expect_number(argument)? as f32;
                argument += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'd' => {
                let number = stack.expect_number(argument)?;
                argument += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'c' | b's' => {
                let text = stack.expect_text(argument)?;
                let bytes = if bytes == 0 { text.len() } else { bytes };
                argument += 1;
                let Some(text) = text.get(..bytes) else {
                    return Err(stack.raise_argument(argument, "string too short"));
                };
                if packed.len() + text.len() > bytes_max {
                    return Err(stack.raise_plain(b"not enough memory"));
                }
                packed.extend_from_slice(text);
                if option.0 == b's' {
                    packed.push(0);
                }
            }
            other => format.control(stack, other)?,
        }
    }
    stack.truncate(0);
    stack.push_bytes(&packed);
    Ok(1)
}

fn unpack(stack: &mut Stack<'_>) -> Returns {
    const TOO_SHORT: &str = "data string too short";
    let mut format = Format::of(stack)?;
    stack.expect_text(2)?;
    let place = match stack.type_of(3) {
        None | Some(super::state::Type::Nil) => 1,
        Some(_) => stack.expect_integer(3)?,
    };
    if place == 0 {
        return Err(stack.raise_argument(3, "offset must be 1 or greater"));
    }
    let mut place = (place as usize).wrapping_sub(1);
    let first = stack.top() + 1;
    while let Some(option) = format.next(stack)? {
        let mut bytes = option.1;
        place = place.wrapping_add(format.padding(place, option));
        let data = stack.bytes(2).unwrap_or_default();
        // Copied: what is pushed comes from what is on the same stack.
        let Some(rest) = data.get(place..).filter(|rest| rest.len() >= bytes) else {
            return Err(stack.raise_argument(2, TOO_SHORT));
        };
        let data = rest[..bytes.min(INTEGER_BYTES_MAX)].to_vec();
        if !stack.reserve(2) {
            return Err(stack.raise(b"stack overflow (too many results)"));
        }
        match option.0 {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = read_integer(&data, format.is_big);
                let sign = u64::MAX.wrapping_shl((bytes as u32).wrapping_mul(8).wrapping_sub(1));
                stack.push_number(match option.0.is_ascii_lowercase() {
                    false => value as f64,
                    true if value & sign != 0 => (value | sign) as i64 as f64,
                    true => value as i64 as f64,
                });
            }
            b'x' => {}
            b'f' => {
                let number = f32::from_le_bytes(format.ordered(data[..4].try_into().expect("four bytes")));
                stack.push_number(f64::from(number));
            }
            b'd' => {
                let number = f64::from_le_bytes(format.ordered(data[..8].try_into().expect("eight bytes")));
                stack.push_number(number);
            }
            b'c' => {
                if bytes == 0 {
                    let top = stack.top();
                    let Some(length) = stack.number(top).filter(|_| top >= first) else {
                        return Err(stack.raise(b"format 'c0' needs a previous size"));
                    };
                    stack.pop(1);
                    bytes = unsigned(length) as usize;
                }
                push_part(stack, place, bytes)?;
            }
            b's' => {
                let data = stack.bytes(2).unwrap_or_default();
                let Some(end) = memchr::memchr(0, &data[place..]) else {
                    return Err(stack.raise(b"unfinished string in data"));
                };
                push_part(stack, place, end)?;
                bytes = end + 1;
            }
            other => format.control(stack, other)?,
        }
        place = place.wrapping_add(bytes);
    }
    stack.reserve(1);
    stack.push_number(place.wrapping_add(1) as i64 as f64);
    Ok(stack.top() + 1 - first)
}

/// Pushes so many bytes of the data from `place` on.
fn push_part(stack: &mut Stack<'_>, place: usize, bytes: usize) -> Result<(), Raised> {
    let data = stack.bytes(2).unwrap_or_default();
    match data.get(place..).and_then(|rest| rest.get(..bytes)) {
        None => Err(stack.raise_argument(2, "data string too short")),
        Some(part) => {
            let part = part.to_vec();
            stack.push_bytes(&part);
            Ok(())
        }
    }
}

/// The last 64 bits of an integer.
fn read_integer(data: &[u8], is_big: bool) -> u64 {
    let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    if is_big { data.iter().fold(0, add) } else { data.iter().rev().fold(0, add) }
}

fn size(stack: &mut Stack<'_>) -> Returns {
    let mut format = Format::of(stack)?;
    let mut place: usize = 0;
    while let Some(option) = format.next(stack)? {
        place = place.wrapping_add(format.padding(place, option));
        match option {
            (b's', _) => return Err(stack.raise_argument(1, "option 's' has no fixed size")),
            (b'c', 0) => return Err(stack.raise_argument(1, "option 'c0' has no fixed size")),
            (other, _) if !other.is_ascii_alphanumeric() => format.control(stack, other)?,
            _ => {}
        }
        place = place.wrapping_add(option.1);
    }
    stack.push_number(place as i64 as f64);
    Ok(1)
}
