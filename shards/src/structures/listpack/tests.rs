//! Listpacks against what redis-server 7.0.15 dumps, and against a list that cannot be wrong.

use proptest::prelude::*;

use super::encode::Encoded;
use super::*;

fn encoded(element: Element<'_>) -> Vec<u8> {
    let encoded = Encoded::new(element);
    let mut bytes = vec![0; encoded.len()];
    assert!(encoded.write(&mut bytes).is_empty());
    bytes
}

/// The bytes that hexadecimal digits stand for.
fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn texts(pack: Listpack<'_>) -> Vec<Vec<u8>> {
    pack.iter().map(|element| element.text(&mut itoa::Buffer::new()).to_vec()).collect()
}

/// Recorded from redis-server 7.0.15: the only field of a hash, as `DUMP` shows it.
const RECORDED: [(&str, &str); 35] = [
    ("0", "0001"),
    ("1", "0101"),
    ("127", "7f01"),
    ("128", "c08002"),
    ("-1", "dfff02"),
    ("4095", "cfff02"),
    ("4096", "f1001003"),
    ("-4096", "d00002"),
    ("-4097", "f1ffef03"),
    ("32767", "f1ff7f03"),
    ("32768", "f200800004"),
    ("-32768", "f1008003"),
    ("-32769", "f2ff7fff04"),
    ("8388607", "f2ffff7f04"),
    ("8388608", "f30000800005"),
    ("-8388608", "f200008004"),
    ("-8388609", "f3ffff7fff05"),
    ("2147483647", "f3ffffff7f05"),
    ("2147483648", "f4000000800000000009"),
    ("-2147483648", "f30000008005"),
    ("-2147483649", "f4ffffff7fffffffff09"),
    ("9223372036854775807", "f4ffffffffffffff7f09"),
    ("-9223372036854775808", "f4000000000000008009"),
    ("9223372036854775808", "933932323333373230333638353437373538303814"),
    ("-9223372036854775809", "942d3932323333373230333638353437373538303915"),
    ("-0", "822d3003"),
    ("00", "82303003"),
    ("01", "82303103"),
    ("+1", "822b3103"),
    ("1.5", "83312e3504"),
    ("", "8001"),
    ("a", "816102"),
    ("-", "812d02"),
    (" 1", "82203103"),
    ("1 ", "82312003"),
];

#[test]
fn elements_are_encoded_as_redis_encodes_them() {
    for (text, expected) in RECORDED {
        let bytes = encoded(Element::of(text.as_bytes()));
        assert_eq!(bytes, unhex(expected), "{text}");
        assert_eq!(element(&bytes, 0).text(&mut itoa::Buffer::new()), text.as_bytes());
    }
}

/// Recorded likewise: a text of so many bytes, what stands before it and what behind.
const RECORDED_TEXTS: [(usize, &str, &str); 13] = [
    (1, "81", "02"),
    (63, "bf", "40"),
    (64, "e040", "42"),
    (125, "e07d", "7f"),
    (126, "e07e", "0180"),
    (4095, "efff", "2081"),
    (4096, "f000100000", "2085"),
    (16_377, "f0f93f0000", "7ffe"),
    (16_378, "f0fa3f0000", "00ffff"),
    (16_379, "f0fb3f0000", "018080"),
    (2_097_145, "f0f9ff1f00", "7ffffe"),
    (2_097_146, "f0faff1f00", "00ffffff"),
    (2_097_147, "f0fbff1f00", "01808080"),
];

#[test]
fn long_texts_have_the_heads_and_ends_that_redis_gives_them() {
    for (len, head, end) in RECORDED_TEXTS {
        let bytes = encoded(Element::Text(&vec![b'x'; len]));
        assert_eq!(bytes, [unhex(head), vec![b'x'; len], unhex(end)].concat(), "{len}");
    }
}

#[test]
fn a_hash_is_dumped_as_redis_dumps_it() {
    let mut bytes = EMPTY.to_vec();
    let mut pack = ListpackMut::new(&mut bytes);
    for (field, value) in [("a", "1"), ("b", "x"), ("c", "300")] {
        let end = pack.view().end();
        pack.insert(end, [field, value].map(|text| Element::of(text.as_bytes())));
    }
    assert_eq!(bytes, unhex(HASH));
}

/// Recorded: `HSET h a 1 b x c 300`.
const HASH: &str = "1800000006008161020101816202817802816302c12c02ff";

/// One edit of a listpack.
#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, Vec<u8>),
    InsertPair(usize, Vec<u8>, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    RemoveRange(usize, usize),
    Extend(Vec<Vec<u8>>),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_flat_map(|number| (0..64_u32).prop_map(move |by| (number >> by).to_string().into_bytes())),
        4 => prop::collection::vec(any::<u8>(), 0..80),
        2 => "[a-c]{0,10}".prop_map(String::into_bytes),
        1 => (0..20_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (any::<usize>(), text()).prop_map(|(at, text)| Edit::Insert(at, text)),
        3 => (any::<usize>(), text(), text()).prop_map(|(at, a, b)| Edit::InsertPair(at, a, b)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Edit::Replace(at, text)),
        2 => (any::<usize>(), 0..4_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        1 => (any::<usize>(), 0..8_usize).prop_map(|(at, count)| Edit::RemoveRange(at, count)),
        1 => prop::collection::vec(text(), 0..4).prop_map(Edit::Extend),
    ]
}

fn packed(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    for text in texts {
        ListpackMut::new(&mut bytes).append(Element::of(text));
    }
    bytes
}

fn apply(edit: Edit, pack: &mut ListpackMut<'_, Vec<u8>>, model: &mut Vec<Vec<u8>>) {
    let at = |view: Listpack<'_>, index: usize| view.seek(index as isize).unwrap_or(view.end());
    let len = model.len();
    match edit {
        Edit::Insert(index, text) => {
            let index = index % (len + 1);
            if index == 0 {
                pack.insert(Position::START, [Element::of(&text)]);
            } else {
                pack.insert(at(pack.view(), index), [Element::of(&text)]);
            }
            model.insert(index, text);
        }
        Edit::InsertPair(index, a, b) => {
            let index = index % (len + 1);
            pack.insert(at(pack.view(), index), [Element::of(&a), Element::of(&b)]);
            model.splice(index..index, [a, b]);
        }
        Edit::Replace(index, text) if len > 0 => {
            pack.replace(at(pack.view(), index % len), Element::of(&text));
            model[index % len] = text;
        }
        Edit::Remove(index, count) if len > 0 => {
            pack.remove(at(pack.view(), index % len), count);
            model.drain(index % len..(index % len + count).min(len));
        }
        Edit::RemoveRange(index, count) => {
            let index = index % (len + 2);
            pack.remove_range(index, count);
            model.drain(index.min(len)..(index + count).min(len));
        }
        Edit::Extend(texts) => {
            pack.extend(Listpack::new(&packed(&texts)));
            model.extend(texts);
        }
        Edit::Replace(..) | Edit::Remove(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_listpack_is_a_list(edits in prop::collection::vec(edit(), 1..40), other in text()) {
        let (mut bytes, mut model) = (EMPTY.to_vec(), Vec::new());
        for edit in edits {
            apply(edit, &mut ListpackMut::new(&mut bytes), &mut model);
            prop_assert!(Listpack::checked(&bytes).is_some());
        }
        let pack = Listpack::new(&bytes);
        prop_assert_eq!((pack.len(), pack.is_empty()), (model.len(), model.is_empty()));
        prop_assert_eq!(&texts(pack), &model);
        prop_assert_eq!(&bytes, &packed(&model), "the same elements are the same bytes");
        let backwards: Vec<_> = pack.iter().rev().collect();
        prop_assert!(pack.iter().eq(backwards.into_iter().rev()));
        for at in pack.positions() {
            prop_assert_eq!(pack.before(pack.after(at)), Some(at));
            let text = pack.get(at).text(&mut itoa::Buffer::new()).to_vec();
            prop_assert_eq!(pack.get(at).int(), integer(&text));
        }
        prop_assert_eq!(pack.before(Position::START), None);
        prop_assert!(pack.has_room_for(BYTES_MAX - bytes.len()) && !pack.has_room_for(BYTES_MAX));
        for index in -(model.len() as isize) - 1..=model.len() as isize {
            let wanted = if index < 0 { model.len().checked_add_signed(index) } else { Some(index as usize) };
            let wanted = wanted.and_then(|index| model.get(index));
            let found = pack.seek(index).map(|at| pack.get(at).text(&mut itoa::Buffer::new()).to_vec());
            prop_assert_eq!(found.as_ref(), wanted);
        }
        for wanted in model.iter().chain([&other]) {
            for skip in 0..3 {
                let expected = model.iter().step_by(skip + 1).position(|text| text == wanted);
                let found = pack.find(Position::START, wanted, skip);
                prop_assert_eq!(found, expected.and_then(|n| pack.seek((n * (skip + 1)) as isize)));
            }
        }
    }

    #[test]
    fn foreign_bytes_are_refused_or_read_without_panic(
        texts in prop::collection::vec(text(), 0..6),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let mut bytes = packed(&texts);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut % bytes.len()]] {
            if let Some(pack) = Listpack::checked(bytes) {
                let forwards: Vec<_> = pack.iter().collect();
                let mut backwards: Vec<_> = pack.iter().rev().collect();
                backwards.reverse();
                prop_assert_eq!(&forwards, &backwards);
                for element in forwards {
                    let mut digits = itoa::Buffer::new();
                    let text = element.text(&mut digits);
                    prop_assert!(pack.find(Position::START, text, 0).is_some());
                }
            }
        }
    }

    #[test]
    fn noise_is_refused_or_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = EMPTY[..HEADER_BYTES].to_vec();
        bytes.extend(&body);
        bytes[0] = bytes.len() as u8;
        [bytes[4], bytes[5]] = [0xff; 2];
        if let Some(pack) = Listpack::checked(&bytes) {
            prop_assert_eq!(pack.iter().count(), pack.len());
        }
    }
}

#[test]
fn more_elements_than_the_header_can_say_are_counted() {
    let mut bytes = EMPTY.to_vec();
    let mut pack = ListpackMut::new(&mut bytes);
    for number in 0..65_536 {
        pack.append(Element::Int(number % 100));
    }
    assert_eq!((pack.view().stated_len(), pack.view().len()), (MANY, 65_536));
    assert_eq!(pack.view().seek(-1).map(|at| pack.view().get(at)), Some(Element::Int(35)));
    assert!(Listpack::checked(pack.view().bytes()).is_some());
    pack.remove_range(0, 1);
    assert_eq!((pack.view().stated_len(), pack.view().len()), (MANY, 65_535));
    pack.remove_range(100, 2);
    assert_eq!((pack.view().stated_len(), pack.view().len()), (65_533, 65_533));
    assert!(pack.view().seek(65_533).is_none());
}
