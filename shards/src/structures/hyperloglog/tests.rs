use proptest::prelude::*;

use super::*;

/// One of these registers, dense from `sparse_bytes_max` bytes on.
fn of(raised: &[(usize, u8)], sparse_bytes_max: usize) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    for &(index, value) in raised {
        HyperLogLogMut::new(&mut bytes, sparse_bytes_max).raise(index, value).unwrap();
    }
    bytes
}

fn registers_of(bytes: &[u8]) -> Vec<u8> {
    let mut registers = [0; REGISTERS];
    HyperLogLog::of(bytes).unwrap().merge_into(&mut registers).unwrap();
    registers.to_vec()
}

/// Elements and what redis-server 7.2.4 makes of them: `PFADD k a b c`, `GET k`.
#[test]
fn elements_are_kept_as_redis_keeps_them() {
    let mut bytes = EMPTY.to_vec();
    for element in [b"a", b"b", b"c"] {
        let (index, value) = register_of(element);
        assert!(HyperLogLogMut::new(&mut bytes, 3000).raise(index, value).unwrap());
    }
    assert_eq!(bytes, ABC);
    assert_eq!(HyperLogLog::of(&bytes).unwrap().count(), Ok(3));
}

const ABC: &[u8] = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ";

#[test]
fn runs_are_split_and_joined() {
    let runs = |bytes: &[u8]| -> Vec<(u8, usize)> {
        HyperLogLog::of(bytes).unwrap().runs().map(|run| (run.value, run.len)).collect()
    };
    assert_eq!(runs(&EMPTY), [(0, REGISTERS)]);
    assert_eq!(runs(&of(&[(0, 5)], 3000)), [(5, 1), (0, REGISTERS - 1)]);
    assert_eq!(runs(&of(&[(REGISTERS - 1, 5)], 3000)), [(0, REGISTERS - 1), (5, 1)]);
    assert_eq!(runs(&of(&[(10, 5), (12, 5), (11, 5)], 3000)), [(0, 10), (5, 3), (0, REGISTERS - 13)]);
    assert_eq!(
        runs(&of(&[(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)], 3000)),
        [(5, 4), (5, 1), (0, REGISTERS - 5)]
    );
    let split = [(0, 5), (1, 5), (2, 5), (3, 5), (1, 6)];
    assert_eq!(runs(&of(&split, 3000)), [(5, 1), (6, 1), (5, 2), (0, REGISTERS - 4)]);
}

#[test]
fn bytes_that_cannot_be_are_told() {
    assert!(HyperLogLog::of(b"HYLL").is_none());
    assert!(HyperLogLog::of(&[b"HYLM".as_slice(), &[1; 12]].concat()).is_none());
    assert!(HyperLogLog::of(&[b"HYLL".as_slice(), &[2; 12]].concat()).is_none());
    assert!(HyperLogLog::of(&[b"HYLL".as_slice(), &[0; 12]].concat()).is_none(), "too short to be dense");
    for runs in [&[][..], &[0x7f], &[0x7f, 0xfe], &[0x7f, 0xff, 0], &[0x7f, 0xff, 0x7f, 0xff], &[0x40]] {
        let mut bytes = EMPTY[..HEADER_BYTES].to_vec();
        bytes.extend_from_slice(runs);
        let view = HyperLogLog::of(&bytes).unwrap();
        assert_eq!(view.count(), Err(Corrupt), "{runs:?}");
        assert_eq!(view.merge_into(&mut [0; REGISTERS]), Err(Corrupt), "{runs:?}");
        let mut changed = HyperLogLogMut::new(&mut bytes, 3000);
        assert_eq!(changed.make_dense(), Err(Corrupt), "{runs:?}");
        assert_eq!(changed.raise(0, 33), Err(Corrupt), "{runs:?}");
        let _ = changed.raise(REGISTERS - 1, 3);
        let _ = changed.raise(5, 3);
    }
}

#[test]
fn the_error_is_small_for_few_and_for_many() {
    let mut bytes = EMPTY.to_vec();
    let mut checkpoint = 1;
    for number in 1..=200_000_u64 {
        let (index, value) = register_of(&number.to_be_bytes());
        HyperLogLogMut::new(&mut bytes, 3000).raise(index, value).unwrap();
        if number == checkpoint {
            let count = HyperLogLog::of(&bytes).unwrap().count().unwrap() as f64;
            // Six times the error that is expected.
            let error = (0.05 * number as f64).ceil();
            assert!((count - number as f64).abs() <= error, "{count} for {number}");
            checkpoint *= 10;
        }
    }
    assert_eq!(bytes.len(), DENSE_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sparse_and_dense_say_the_same(
        raised in prop::collection::vec((prop_oneof![0..40_usize, 0..REGISTERS], 1..35_u8), 1..800),
        sparse_bytes_max in prop_oneof![Just(0_usize), Just(100), Just(3000)],
    ) {
        let bytes = of(&raised, sparse_bytes_max);
        let mut model = vec![0; REGISTERS];
        for &(index, value) in &raised {
            model[index] = value.max(model[index]);
        }
        prop_assert_eq!(&registers_of(&bytes), &model);
        let view = HyperLogLog::of(&bytes).unwrap();
        prop_assert!(!view.is_sparse() || bytes.len() <= sparse_bytes_max.max(EMPTY.len()));
        prop_assert_eq!(view.cached(), None);
        let count = view.count();
        let mut dense = bytes.clone();
        let mut changed = HyperLogLogMut::new(&mut dense, 0);
        prop_assert_eq!(changed.make_dense(), Ok(view.is_sparse()));
        changed.remember_count(12);
        prop_assert_eq!(changed.view().cached(), Some(12));
        prop_assert_eq!(&registers_of(&dense), &model);
        prop_assert_eq!(HyperLogLog::of(&dense).unwrap().count(), count);
    }
}
