use proptest::prelude::*;

use super::*;
use crate::structures::members::Members;

fn metadata() -> impl Strategy<Value = Metadata> {
    let cas = prop_oneof![Just(0), 1..CAS_MASK];
    (any::<Option<u64>>(), any::<u32>(), cas, any::<bool>(), any::<bool>())
        .prop_map(|(expire_at, flags, cas, stale, won)| Metadata { expire_at, flags, cas, stale, won })
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![0..300_usize, Just(127), Just(128), Just(16_383), Just(16_384), Just(2_097_152)]
}

#[test]
fn a_small_item_takes_56_bytes() {
    let entry = Entry::new(Encoding::Embstr, &Metadata::default(), &[b'k'; 16], &[b'v'; 32]);
    assert!(entry.view().len() <= 56);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn everything_put_in_comes_out(meta in metadata(), other in metadata(), key in len(), value in len(), more in 0..200_usize) {
        let (key, value) = (vec![b'k'; key], vec![b'v'; value]);
        let entry = Entry::new(Encoding::Raw, &meta, &key, &value);
        let bits = entry.into_bits();
        // SAFETY: given out one line above.
        let entry = unsafe { Entry::from_bits(bits) };
        prop_assert_eq!(entry.view().metadata(), meta);
        prop_assert_eq!(entry.view().expire_at(), meta.expire_at);
        prop_assert_eq!(entry.view().key(), &key[..]);
        prop_assert_eq!(entry.view().value(), &value[..]);
        let entry = entry.with_metadata(&other).resized(Encoding::Raw, value.len() + more);
        prop_assert_eq!(entry.view().metadata(), other);
        prop_assert_eq!(entry.view().key(), &key[..]);
        prop_assert_eq!(&entry.view().value()[..value.len()], &value[..]);
        prop_assert!(entry.view().value()[value.len()..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_packed_value_is_resized_and_keeps_its_type(meta in metadata(), key in len(), from in len(), to in len()) {
        let (key, value) = (vec![b'k'; key], vec![b'v'; from]);
        let entry = Entry::new(Encoding::PackedHash, &meta, &key, &value).resized(Encoding::PackedHash, to);
        prop_assert_eq!((entry.view().kind(), entry.view().encoding()), (Kind::Hash, Encoding::PackedHash));
        prop_assert_eq!(entry.view().metadata(), meta);
        prop_assert_eq!(entry.view().key(), &key[..]);
        let kept = from.min(to);
        prop_assert_eq!(&entry.view().value()[..kept], &value[..kept]);
        prop_assert!(entry.view().value()[kept..].iter().all(|&byte| byte == 0));
        let copy = entry.view().duplicate(b"other");
        prop_assert_eq!(copy.view().value(), entry.view().value());
        prop_assert_eq!(copy.with_key(&key).view().metadata(), meta);
    }

    #[test]
    fn a_large_value_is_owned_by_one_entry(meta in metadata(), other in metadata(), key in len(), count in 0..200_usize) {
        let (key, mut members) = (vec![b'k'; key], Members::default());
        for number in 0..count {
            members.set(&number.to_be_bytes(), b"value");
        }
        let len = |entry: &Entry| match entry.view().as_large() {
            Some(Large::Hash(members)) => members.len(),
            _ => panic!("it is a large hash"),
        };
        let entry = Entry::large(&meta, &key, Box::new(Large::Hash(members)));
        prop_assert_eq!((entry.view().kind(), entry.view().encoding()), (Kind::Hash, Encoding::TableHash));
        let copy = entry.view().duplicate(b"other");
        let mut entry = entry.with_metadata(&other);
        prop_assert_eq!(entry.view().metadata(), other);
        prop_assert!(!entry.overwrite(Encoding::Int, &other, &[0; 8]), "what it owns would be lost");
        let entry = entry.with_key(b"renamed");
        prop_assert_eq!(entry.view().key(), b"renamed");
        let bits = entry.into_bits();
        // SAFETY: given out one line above, and nobody else looks at it.
        match unsafe { Entry::large_at(bits) } {
            Some(Large::Hash(members)) => prop_assert!(members.set(b"new", b"")),
            _ => prop_assert!(false, "it is a large hash"),
        }
        // SAFETY: as above.
        let entry = unsafe { Entry::from_bits(bits) };
        prop_assert_eq!((len(&entry), len(&copy)), (count + 1, count));
        prop_assert_eq!(copy.view().metadata(), meta);
        prop_assert!(entry.into_large().is_some());
        prop_assert!(Entry::new(Encoding::Raw, &meta, &key, b"").into_large().is_none());
    }

    #[test]
    fn a_value_is_overwritten_in_place_only_by_one_of_its_shape(meta in metadata(), other in metadata(), same in any::<bool>()) {
        let mut entry = Entry::new(Encoding::Raw, &meta, b"key", b"value");
        let value: &[u8] = if same { b"VALUE" } else { b"longer value" };
        let fits = same && meta.present() == other.present();
        prop_assert_eq!(entry.overwrite(Encoding::Embstr, &other, value), fits);
        prop_assert_eq!(entry.view().value(), if fits { value } else { b"value" });
        prop_assert_eq!(entry.view().metadata(), if fits { other } else { meta });
    }
}
