//! Long lists against a list that cannot be wrong, and their nodes against those of Redis.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(|element| element.text(&mut itoa::Buffer::new()).to_vec()).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Push(bool, Vec<u8>),
    PushMany(bool, usize),
    Pop(bool),
    Insert(usize, bool, Vec<u8>),
    Replace(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(Vec<u8>, bool, usize),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..20_i64).prop_map(|number| number.to_string().into_bytes()),
        2 => (0..60_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (500..1500_usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<bool>(), text()).prop_map(|(head, text)| Act::Push(head, text)),
        1 => (any::<bool>(), 0..40_usize).prop_map(|(head, count)| Act::PushMany(head, count)),
        2 => any::<bool>().prop_map(Act::Pop),
        6 => (any::<usize>(), any::<bool>(), text()).prop_map(|(index, after, text)| Act::Insert(index, after, text)),
        2 => (any::<usize>(), text()).prop_map(|(index, text)| Act::Replace(index, text)),
        1 => (any::<usize>(), 0..20_usize).prop_map(|(index, count)| Act::RemoveRange(index, count)),
        1 => (text(), any::<bool>(), 1..5_usize).prop_map(|(text, head, count)| Act::RemoveEqual(text, head, count)),
    ]
}

fn end(head: bool) -> End {
    if head { End::Head } else { End::Tail }
}

fn push(list: &mut Quicklist, model: &mut VecDeque<Vec<u8>>, head: bool, text: Vec<u8>) {
    list.push(end(head), &text);
    if head { model.push_front(text) } else { model.push_back(text) }
}

fn apply(act: Act, list: &mut Quicklist, model: &mut VecDeque<Vec<u8>>) {
    let len = model.len();
    match act {
        Act::Push(head, text) => push(list, model, head, text),
        Act::PushMany(head, count) => {
            (0..count).for_each(|n| push(list, model, head, n.to_string().into_bytes()));
        }
        Act::Pop(head) => {
            let popped = list.pop(end(head), |element| element.text(&mut itoa::Buffer::new()).to_vec());
            assert_eq!(popped, if head { model.pop_front() } else { model.pop_back() });
        }
        Act::Insert(index, after, text) => {
            let index = index % (len + 1);
            let side = if after { Side::After } else { Side::Before };
            assert_eq!(list.insert(index, side, &text), index < len);
            if index < len {
                model.insert(index + usize::from(after), text);
            }
        }
        Act::Replace(index, text) => {
            let index = index % (len + 1);
            assert_eq!(list.replace(index, &text), index < len);
            if index < len {
                model[index] = text;
            }
        }
        Act::RemoveRange(index, count) => {
            let index = index % (len + 1);
            list.remove_range(index, count);
            model.drain(index..(index + count).min(len));
        }
        Act::RemoveEqual(text, head, count) => {
            let mut found: Vec<_> = (0..len).filter(|&index| model[index] == text).collect();
            if !head {
                found.reverse();
            }
            found.truncate(count);
            assert_eq!(list.remove_equal(&text, end(head), count), found.len());
            found.sort_unstable();
            found.into_iter().rev().for_each(|index| drop(model.remove(index)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_quicklist_is_a_list(acts in prop::collection::vec(act(), 1..60), setting in -2..8_i64, plain in 30..2000_usize) {
        let mut list = Quicklist::new(Limit::of(setting));
        list.set_plain_bytes(plain);
        let mut model = VecDeque::new();
        for act in acts {
            apply(act, &mut list, &mut model);
            prop_assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
            let count: usize = list.nodes.iter().map(Node::count).sum();
            prop_assert_eq!(count, list.len());
            prop_assert!(list.nodes.iter().all(|node| node.count > 0));
        }
        let model: Vec<_> = model.into();
        prop_assert_eq!(&texts(list.range(0..usize::MAX)), &model);
        let mut backwards = texts(list.range(0..model.len()).rev());
        backwards.reverse();
        prop_assert_eq!(&backwards, &model);
        for index in 0..=model.len() {
            let element = list.get(index).map(|element| element.text(&mut itoa::Buffer::new()).to_vec());
            prop_assert_eq!(element.as_ref(), model.get(index));
            let to = (index + 3).min(model.len());
            prop_assert_eq!(&texts(list.range(index..to)), &model[index..to]);
        }
        let mut both = list.range(0..model.len());
        let mut seen = 0;
        while both.next().is_some() {
            seen += 1 + usize::from(both.next_back().is_some());
        }
        prop_assert_eq!(seen, model.len());
        for node in list.nodes() {
            if let Contents::Packed(pack) = node {
                prop_assert!(Listpack::checked(pack.bytes()).is_some());
            }
        }
    }
}

#[test]
fn nodes_that_were_written_are_read_back() {
    let list = drawn(6, 60, 80, 500);
    let mut read = Quicklist::new(Limit::of(6));
    for node in list.nodes() {
        match node {
            Contents::Packed(pack) => read.push_packed(pack.bytes().to_vec()),
            Contents::Plain(text) => read.push_plain(text),
        }
    }
    read.push_packed(listpack::EMPTY.to_vec());
    assert_eq!(texts(read.range(0..read.len())), texts(list.range(0..list.len())));
    assert!(read.nodes().eq(list.nodes()));
}

#[test]
fn a_list_that_shrinks_is_small_again_at_half_the_limit() {
    let limit = Limit::of(8);
    let mut list = Quicklist::new(limit);
    (0..9).for_each(|_| list.push(End::Tail, b"x"));
    assert!(list.as_small(limit, true).is_none());
    list.remove_range(0, 4);
    assert!(list.as_small(limit, false).is_none(), "two nodes");
    list.remove_range(4, 1);
    assert!(list.as_small(limit, true).is_some());
    list.push(End::Tail, b"x");
    assert!(list.as_small(limit, true).is_none());
    assert!(list.as_small(limit, false).is_some());
}

/// Random numbers that were drawn for Redis as well: the upper bits of a linear congruential sequence.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A list after `steps` random commands, as they were given to Redis.
fn drawn(setting: i64, plain_bytes: usize, longest: usize, steps: usize) -> Quicklist {
    let mut list = Quicklist::new(Limit::of(setting));
    list.set_plain_bytes(plain_bytes);
    let mut draw = Drawn(steps as u64);
    for step in 0..steps {
        let len = list.len();
        let text = format!("{step}:{}", "x".repeat(draw.below(longest))).into_bytes();
        let (act, at) = (draw.below(12), draw.below(len.max(1)));
        match act {
            0 | 1 => list.push(End::Tail, &text),
            _ if len == 0 => list.push(End::Tail, &text),
            2 => list.push(End::Head, &text),
            3..=5 => assert!(list.insert(at, Side::Before, &text)),
            6..=8 => assert!(list.insert(at, Side::After, &text)),
            9 => assert!(list.replace(at, &text)),
            10 => {
                let text = texts(list.range(at..at + 1)).remove(0);
                assert_eq!(list.remove_equal(&text, End::Tail, 1), 1);
            }
            _ if at.is_multiple_of(8) && len > 5 => {
                list.remove_range(0, 2);
                list.remove_range(len - 5, 3);
            }
            _ if at.is_multiple_of(8) => list.remove_range(0, len),
            _ => {}
        }
    }
    list
}

/// Setting, bound of plain ones, bound of lengths, commands.
type Run = (i64, usize, usize, usize);

/// Recorded from the quicklist of Redis 7.2.4: nodes, plain ones among them, elements, and FNV-1a of what `DUMP` shows
/// of each node, kind first. redis-server 7.0.15 dumps the same but where the limit is bytes alone: it merges two
/// nodes that 7.2 holds to be four bytes too large together.
const RECORDED: [(Run, (usize, usize, usize), u64); 6] = [
    ((4, 1 << 30, 10, 2000), (384, 0, 1205), 0xef26_38a3_1397_ff12),
    ((32, 1 << 30, 30, 3000), (73, 0, 1763), 0x5417_5981_a8f5_3adf),
    ((-1, 1 << 30, 200, 3000), (64, 0, 1763), 0x5be8_432e_08bb_9f0f),
    ((-1, 1 << 30, 250, 801), (20, 0, 461), 0x31ba_fe36_1f73_ab8e),
    ((6, 60, 80, 2000), (721, 382, 1205), 0x6f2d_0380_11a5_feb0),
    ((-1, 400, 500, 3000), (704, 369, 1763), 0x2dd3_64d8_f5f0_05ee),
];

#[test]
fn nodes_are_begun_split_and_merged_as_redis_does() {
    for ((setting, plain_bytes, longest, steps), counts, hash) in RECORDED {
        let list = drawn(setting, plain_bytes, longest, steps);
        let mut found = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |byte: u8| found = (found ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let mut plain = 0;
        for node in list.nodes() {
            let (kind, bytes) = match node {
                Contents::Plain(text) => (1, text),
                Contents::Packed(pack) => (2, pack.bytes()),
            };
            plain += usize::from(kind == 1);
            add(kind);
            bytes.iter().copied().for_each(&mut add);
        }
        assert_eq!((list.nodes().len(), plain, list.len()), counts, "{setting} {steps}");
        assert_eq!(found, hash, "{setting} {steps}");
    }
}
