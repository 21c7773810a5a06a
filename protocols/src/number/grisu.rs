//! The digits of a floating-point number, nearly always the fewest that tell it from its neighbours.
//!
//! "Nearly" is why this is here: Redis 7.2 takes the digits of Grisu2, which in one case of a thousand has one more than
//! needed. It works on 64 bits: the number and the middles between it and its neighbours are multiplied by a power of ten that
//! brings their binary exponent between -60 and -32. Then digits are taken off the upper middle until what is left lies
//! within the two, and the last is lowered as long as that comes closer to the number.
//!
//! Source: Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers" (2010); for the powers
//! that are chosen and for the last digit, Redis 7.2 `deps/fpconv`.

/// Bits of a fraction, without the highest that is not kept.
const FRACTION_BITS: i32 = 52;
const HIDDEN: u64 = 1 << FRACTION_BITS;
/// What has to be taken from an exponent as it is kept, so that it is that of the lowest bit.
const BIAS: i32 = 1023 + FRACTION_BITS;

/// The exponent of the first power of ten, and from one to the next.
const POWER_MIN: i32 = -348;
const POWER_STEP: i32 = 8;

/// `fraction * 2^exponent`
#[derive(Clone, Copy)]
struct Float {
    fraction: u64,
    exponent: i32,
}

impl Float {
    /// The same with the highest bit set.
    fn normal(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Self { fraction: self.fraction << shift, exponent: self.exponent - shift as i32 }
    }

    /// The upper half of the product, rounded.
    fn times(self, other: Self) -> Self {
        let product = u128::from(self.fraction) * u128::from(other.fraction);
        let fraction = ((product + (1 << 63)) >> 64) as u64;
        Self { fraction, exponent: self.exponent + other.exponent + 64 }
    }

    /// The number itself.
    fn of(value: f64) -> Self {
        let bits = value.to_bits();
        let (fraction, exponent) = (bits & (HIDDEN - 1), (bits >> FRACTION_BITS & 0x7ff) as i32);
        if exponent == 0 {
            Self { fraction, exponent: 1 - BIAS }
        } else {
            Self { fraction: fraction | HIDDEN, exponent: exponent - BIAS }
        }
    }

    /// The middles between it and its neighbours, the lower one first.
    fn middles(self) -> (Self, Self) {
        let upper = Self { fraction: (self.fraction << 1) + 1, exponent: self.exponent - 1 }.normal();
        // Below a power of two neighbours are closer.
        let shift = if self.fraction == HIDDEN { 2 } else { 1 };
        let (fraction, exponent) = ((self.fraction << shift) - 1, self.exponent - shift);
        (Self { fraction: fraction << (exponent - upper.exponent), exponent: upper.exponent }, upper)
    }
}

/// A power of ten that brings `exponent` to between -60 and -32, and its decimal exponent.
fn power_for(exponent: i32) -> (Float, i32) {
    const LOG_2: f64 = 0.301_029_995_663_981_14;
    let near = (f64::from(-(exponent + POWERS.len() as i32)) * LOG_2) as i32;
    let mut at = (near - POWER_MIN) / POWER_STEP;
    loop {
        let decimal = POWER_MIN + at * POWER_STEP;
        // The binary exponent of 10^decimal, whose highest bit is the 64th.
        let binary = ((decimal * 1_741_647) >> 19) - 63;
        match exponent + binary + 64 {
            ..-60 => at += 1,
            -60..=-32 => return (Float { fraction: POWERS[at as usize], exponent: binary }, decimal),
            _ => at -= 1,
        }
    }
}

/// Digits.
pub(super) struct Digits {
    text: [u8; 20],
    count: usize,
    /// The decimal place of the last.
    pub(super) place: i64,
}

impl Digits {
    /// Those of a number above 0.
    pub(super) fn of(value: f64) -> Self {
        let float = Float::of(value);
        let (lower, upper) = float.middles();
        let (power, decimal) = power_for(upper.exponent);
        let (value, lower, upper) = (float.normal().times(power), lower.times(power), upper.times(power));
        let mut digits = Self { text: [0; 20], count: 0, place: (-decimal).into() };
        // Both middles may have been rounded away from the number.
        digits.generate(value.fraction, lower.fraction + 1, upper.fraction - 1, -upper.exponent);
        digits
    }

    /// As ASCII.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.count]
    }

    fn push(&mut self, digit: u64) {
        if digit != 0 || self.count > 0 {
            self.text[self.count] = b'0' + digit as u8;
            self.count += 1;
        }
    }

    /// Digits of `upper`, of which `bits` are below the point, until what is left of it is less than what lies between it
    /// and `lower`.
    fn generate(&mut self, value: u64, lower: u64, upper: u64, bits: i32) {
        let (one, mut within, mut from_value) = (1_u64 << bits, upper - lower, upper - value);
        let (mut whole, mut fraction) = (upper >> bits, upper & (one - 1));
        for place in (0..10).rev() {
            let unit = 10_u64.pow(place);
            self.push(whole / unit);
            whole %= unit;
            let rest = (whole << bits) + fraction;
            if rest <= within {
                self.place += i64::from(place);
                return self.lower(within, rest, unit << bits, from_value);
            }
        }
        loop {
            fraction = fraction.wrapping_mul(10);
            within = within.wrapping_mul(10);
            from_value = from_value.wrapping_mul(10);
            self.place -= 1;
            self.push(fraction >> bits);
            fraction &= one - 1;
            if fraction < within {
                return self.lower(within, fraction, one, from_value);
            }
        }
    }

    /// Lowers the last digit, which is worth `unit`, as long as that comes closer to the number: `rest` is what is left
    /// of the upper middle, which lies `from_value` above the number.
    fn lower(&mut self, within: u64, mut rest: u64, unit: u64, from_value: u64) {
        while rest < from_value
            && within - rest >= unit
            && (rest + unit < from_value || from_value - rest > rest + unit - from_value)
        {
            self.text[self.count - 1] -= 1;
            rest += unit;
        }
    }
}

/// Powers of ten from 10^-348 on, each 10^8 times the one before: their first 64 bits, rounded.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

#[cfg(test)]
mod tests {
    use super::Digits;

    fn written(value: f64) -> String {
        let digits = Digits::of(value);
        format!("{}e{}", digits.as_bytes().escape_ascii(), digits.place)
    }

    #[test]
    fn digits_are_those_of_redis_even_if_they_are_not_the_fewest() {
        for (value, text) in [
            (1.0, "1e0"),
            (0.1, "1e-1"),
            (0.3, "3e-1"),
            (5e-324, "5e-324"),
            (2.225_073_858_507_201_4e-308, "22250738585072014e-324"),
            (f64::MAX, "17976931348623157e292"),
            (7.939_733_289_601_48e43, "79397332896014805e27"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn digits_read_again_are_the_number() {
        let mut bits = 1_u64;
        let mut longer = 0;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(bits ^ bits >> 29).abs();
            if !value.is_finite() || value == 0.0 {
                continue;
            }
            let text = written(value);
            assert_eq!(text.parse(), Ok(value));
            let fewest = format!("{value:e}")
                .bytes()
                .take_while(|&byte| byte != b'e')
                .filter(u8::is_ascii_digit)
                .count();
            longer += usize::from(Digits::of(value).as_bytes().len() > fewest);
        }
        assert!((1..1000).contains(&longer), "{longer}");
    }
}
