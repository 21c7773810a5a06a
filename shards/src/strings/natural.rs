//! Natural numbers of any size: as much arithmetic as [`super::long_double`] needs for its largest numbers.

/// A natural number in digits of 64 bits, the lowest first, without zeros at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural(Vec<u64>);

/// Decimal digits that fit one digit of 64 bits, and how many numbers they make.
const CHUNK: usize = 19;
const CHUNK_RADIX: u64 = 10_u64.pow(CHUNK as u32);

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        Self(if value == 0 { Vec::new() } else { vec![value] })
    }
}

impl Natural {
    /// The number that decimal `digits`, the highest first, make.
    pub(super) fn from_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut value = Self(Vec::new());
        let (mut chunk, mut radix) = (0, 1);
        for digit in digits {
            (chunk, radix) = (chunk * 10 + u64::from(digit), radix * 10);
            if radix == CHUNK_RADIX {
                value.multiply_and_add(radix, chunk);
                (chunk, radix) = (0, 1);
            }
        }
        value.multiply_and_add(radix, chunk);
        value
    }

    fn multiply_and_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for digit in &mut self.0 {
            let product = u128::from(*digit) * u128::from(factor) + u128::from(carry);
            (*digit, carry) = (product as u64, (product >> 64) as u64);
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    pub(super) fn multiply_by_power_of_five(&mut self, mut power: u64) {
        while power > 0 {
            let step = power.min(27);
            self.multiply_and_add(5_u64.pow(step as u32), 0);
            power -= step;
        }
    }

    /// How many bits it has; 0 for zero.
    fn bits(&self) -> u64 {
        self.0.last().map_or(0, |top| self.0.len() as u64 * 64 - u64::from(top.leading_zeros()))
    }

    pub(super) fn shift_left(&mut self, bits: u64) {
        let (digits, bits) = ((bits / 64) as usize, bits % 64);
        if bits != 0 {
            self.multiply_and_add(1 << bits, 0);
        }
        if !self.0.is_empty() {
            self.0.splice(0..0, std::iter::repeat_n(0, digits));
        }
    }

    /// Whether `self ≥ other`; if so, `other` is taken from it.
    fn take(&mut self, other: &Self) -> bool {
        let longer = self.0.len().cmp(&other.0.len());
        if longer.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_lt() {
            return false;
        }
        let mut borrow = false;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let (value, first) = digit.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (value, second) = value.overflowing_sub(u64::from(borrow));
            (*digit, borrow) = (value, first || second);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        true
    }

    /// The 67 highest bits of `self / divisor` as `(quotient, exponent, rest)`:
    /// `quotient × 2^exponent`, and whether the true quotient is larger.
    ///
    /// Bit by bit: with both numbers shifted to the same length, each step tells one bit.
    pub(super) fn leading_quotient(mut self, mut divisor: Self) -> (u128, i64, bool) {
        const BITS: i64 = 67;
        let exponent = self.bits() as i64 - divisor.bits() as i64;
        if exponent >= 0 {
            divisor.shift_left(exponent.unsigned_abs());
        } else {
            self.shift_left(exponent.unsigned_abs());
        }
        let mut quotient = 0;
        for _ in 0..BITS {
            quotient = quotient << 1 | u128::from(self.take(&divisor));
            self.shift_left(1);
        }
        (quotient, exponent - (BITS - 1), !self.0.is_empty())
    }

    /// Appends it in decimal.
    pub(super) fn write(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::with_capacity(self.0.len() * 64 / 63 + 1);
        while !self.0.is_empty() {
            let mut rest = 0;
            for digit in self.0.iter_mut().rev() {
                let dividend = u128::from(rest) << 64 | u128::from(*digit);
                (*digit, rest) = (
                    (dividend / u128::from(CHUNK_RADIX)) as u64,
                    (dividend % u128::from(CHUNK_RADIX)) as u64,
                );
            }
            if self.0.last() == Some(&0) {
                self.0.pop();
            }
            chunks.push(rest);
        }
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(chunks.pop().unwrap_or(0)).as_bytes());
        for chunk in chunks.into_iter().rev() {
            let digits = digits.format(chunk).as_bytes();
            out.extend(std::iter::repeat_n(b'0', CHUNK - digits.len()));
            out.extend_from_slice(digits);
        }
    }
}
