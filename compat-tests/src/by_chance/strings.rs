//! Random requests on strings and bitmaps.

use std::fmt::Write as _;

use super::{Generator, Keys, Real};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: u64 = 2_000;

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "strings", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let (mut dice, mut text) = (Dice(dice.u64(..)), String::new());
    for _ in 0..REQUESTS {
        writeln!(text, "> {}", dice.request(real)).expect("a string");
    }
    text
}

/// Numbers that look random. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
/// (2014), "`SplitMix64`".
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn key(&mut self) -> &'static str {
        self.one(&["a", "b", "c", "d"])
    }

    /// An integer, often near the edge of some width.
    fn integer(&mut self) -> i64 {
        let wide = self.next() as i64;
        match self.below(5) {
            0 => wide % 5,
            1 => wide % 300,
            2 => 1 << (wide & 63),
            3 => i64::MIN + (wide & 255),
            _ => wide,
        }
    }

    /// An index into a string of some hundred bytes or bits, from either end.
    fn index(&mut self) -> i64 {
        let range = if self.below(2) == 0 { 90 } else { 700 };
        self.next() as i64 % range
    }

    /// A decimal number as INCRBYFLOAT takes it, sometimes a very long or a very large one.
    fn decimal(&mut self) -> String {
        let (whole, fraction) = (self.integer(), self.next() >> self.below(64));
        match self.below(4) {
            0 => format!("{}.{}", whole % 1000, fraction % 1000),
            1 => format!("{whole}.{fraction}{}", self.next()),
            2 => format!("{whole}.{fraction}e{}", self.next() as i64 % 60),
            _ => format!("{whole}e{}", self.next() as i64 % 5000),
        }
    }

    fn value(&mut self) -> String {
        match self.below(6) {
            0 => self.integer().to_string(),
            1 => format!("\"${{\\x00*{}}}\"", self.below(90)),
            2 => format!("\"${{\\xff*{}}}\"", self.below(90)),
            3 => self.decimal(),
            4 => {
                format!("\"{}\"", (0..self.below(90)).map(|_| self.one(&["a", "b", "c"])).collect::<String>())
            }
            _ => {
                let bytes = (0..self.below(90)).fold(String::new(), |mut text, _| {
                    write!(text, "\\x{:02x}", self.below(256)).expect("a string");
                    text
                });
                format!("\"{bytes}\"")
            }
        }
    }

    fn bitfield(&mut self) -> String {
        (0..=self.below(4)).fold(String::new(), |mut words, _| {
            if self.below(2) == 0 {
                write!(words, " OVERFLOW {}", self.one(&["WRAP", "SAT", "FAIL"])).expect("a string");
            }
            let (sign, bits_max) = if self.below(2) == 0 { ('i', 64) } else { ('u', 63) };
            let bits = if self.below(3) == 0 { bits_max } else { self.below(bits_max) + 1 };
            let offset =
                if self.below(2) == 0 { format!("#{}", self.below(7)) } else { self.below(200).to_string() };
            let place = format!("{sign}{bits} {offset}");
            match self.below(3) {
                0 => write!(words, " GET {place}"),
                1 => write!(words, " SET {place} {}", self.integer()),
                _ => write!(words, " INCRBY {place} {}", self.integer()),
            }
            .expect("a string");
            words
        })
    }

    /// Up to two indexes and, after both, a unit.
    fn window(&mut self) -> String {
        let (start, end) = (self.index(), self.index());
        match self.below(5) {
            0 => String::new(),
            1 => format!(" {start}"),
            2 => format!(" {start} {end}"),
            _ => format!(" {start} {end} {}", self.one(&["BYTE", "BIT"])),
        }
    }

    fn request(&mut self, real: Real) -> String {
        let (key, other) = (self.key(), self.key());
        match self.below(25) {
            0..=3 => format!("BITFIELD {key}{}", self.bitfield()),
            4 => format!("SETBIT {key} {} {}", self.below(700), self.below(2)),
            5 => format!("GETBIT {key} {}", self.below(700)),
            6 | 7 => format!("BITCOUNT {key}{}", self.window()),
            8 | 9 => format!("BITPOS {key} {}{}", self.below(2), self.window()),
            10 => format!("BITOP NOT {other} {key}"),
            11 => format!("BITOP {} {other} {key} {} missing", self.one(&["AND", "OR", "XOR"]), self.key()),
            12 | 13 => format!("SET {key} {}", self.value()),
            14 => format!("SETRANGE {key} {} {}", self.below(100), self.value()),
            15 => format!("APPEND {key} {}", self.value()),
            16 => format!("GETRANGE {key} {} {}", self.index(), self.index()),
            17 => format!("INCRBY {key} {}", self.integer()),
            18 => format!("DECRBY {key} {}", self.integer()),
            19 => format!("INCRBYFLOAT {key} {}", self.decimal()),
            20 => format!(
                "LCS {key} {other}{}",
                self.one(&["", " LEN", " IDX", " IDX WITHMATCHLEN MINMATCHLEN 2"])
            ),
            21 => format!("OBJECT ENCODING {key}"),
            24 if real.is_7_2 => format!("DUMP {key}"),
            22 => {
                format!("SET {key} {} {}", self.value(), self.one(&["NX", "XX", "GET", "NX GET", "KEEPTTL"]))
            }
            _ => format!("{} {key}", self.one(&["GET", "GETDEL", "STRLEN", "INCR", "DECR"])),
        }
    }
}
