use std::collections::BTreeMap;

use proptest::prelude::*;

use super::log::TooLarge;
use super::restore::Counters;
use super::*;
use crate::structures::listpack::{self, Element, Listpack, ListpackMut};

const LIMITS: Limits = Limits { node_bytes: 4096, node_entries: 100 };

fn id(ms: u64, seq: u64) -> Id {
    Id { ms, seq }
}

fn words(text: &str) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
    text.split(' ').map(str::as_bytes).collect::<Vec<_>>().into_iter()
}

fn text(entry: &Entry<'_>) -> String {
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    let mut words = Vec::new();
    for (field, value) in entry.fields() {
        let [one, other] = &mut digits;
        words.push(String::from_utf8(field.text(one).to_vec()).unwrap());
        words.push(String::from_utf8(value.text(other).to_vec()).unwrap());
    }
    words.join(" ")
}

fn all(log: &Log, direction: Direction) -> Vec<(Id, String)> {
    log.all(direction).map(|entry| (entry.id, text(&entry))).collect()
}

#[test]
fn a_node_is_packed_as_redis_packs_it() {
    let mut log = Log::default();
    for (ms, fields) in [(5, "a 1 b 2"), (6, "a 1 b x"), (8, "c 3")] {
        log.append(id(ms, 0), words(fields), LIMITS).unwrap();
    }
    assert!(log.remove(id(6, 0)));
    let [(master, pack)] = log.nodes().collect::<Vec<_>>()[..] else { panic!("one node") };
    assert_eq!(master, id(5, 0));
    let elements: Vec<_> = pack
        .iter()
        .map(|element| String::from_utf8(element.text(&mut itoa::Buffer::new()).to_vec()).unwrap())
        .collect();
    assert_eq!(elements.join(" "), "2 1 2 a b 0 2 0 0 1 2 5 3 1 0 1 x 5 0 3 0 1 c 3 6");
    assert!(Listpack::checked(pack.bytes()).is_some());
}

#[test]
fn nodes_end_at_their_limits() {
    for (limits, nodes) in [
        (Limits { node_bytes: 0, node_entries: 0 }, 1),
        (Limits { node_bytes: 0, node_entries: 10 }, 10),
        (Limits { node_bytes: 64, node_entries: 0 }, 34),
        (Limits { node_bytes: 4096, node_entries: 1 }, 100),
    ] {
        let mut log = Log::default();
        for ms in 1..=100 {
            log.append(id(ms, 0), words("field value"), limits).unwrap();
        }
        assert_eq!((log.nodes().len(), log.len()), (nodes, 100), "{limits:?}");
    }
    let half = vec![0; 1 << 29];
    let mut log = Log::default();
    assert_eq!(log.append(id(1, 0), [&half[..]; 2].into_iter(), LIMITS), Err(TooLarge));
    assert_eq!(log.len(), 0);
}

#[test]
fn a_radix_tree_has_a_node_for_each_place_where_ids_part() {
    let nodes = |ids: &[Id]| radix::nodes(ids.iter());
    assert_eq!(nodes(&[]), 1);
    assert_eq!(nodes(&[id(5, 1)]), 2);
    // Seven bytes, where they part, and each eight more, with its end.
    assert_eq!(nodes(&[id(5, 1), id(6, 1)]), 6);
    assert_eq!(nodes(&[id(1 << 56, 0), id(2 << 56, 0)]), 5);
    assert_eq!(nodes(&[id(5, 1), id(5, 2)]), 4);
    assert_eq!(nodes(&[id(5, 1), id(5, 2), id(6, 0)]), 8);
}

#[test]
fn a_group_knows_who_has_what() {
    let mut group = Group::new(Id::MIN, Some(0));
    let (alice, bob) = (group.find_or_add(b"alice", 1), group.find_or_add(b"bob", 2));
    let pending = |consumer| Pending { consumer, delivered_at: 7, deliveries: 1 };
    for ms in 1..=10 {
        group.set(id(ms, 0), pending(if ms % 2 == 0 { alice } else { bob }));
    }
    group.set(id(1, 0), pending(alice));
    assert!(group.acknowledge(id(2, 0)) && !group.acknowledge(id(2, 0)));
    let ids =
        |group: &Group, who| group.pending_of(who, Id::MIN, Id::MAX).map(|(id, _)| id.ms).collect::<Vec<_>>();
    assert_eq!((ids(&group, alice), ids(&group, bob)), (vec![1, 4, 6, 8, 10], vec![3, 5, 7, 9]));
    assert_eq!(group.remove(b"alice"), Some(5));
    assert_eq!((group.remove(b"alice"), group.pending_len(), group.find(b"alice")), (None, 4, None));
    let carol = group.find_or_add(b"carol", 3);
    assert_eq!((carol, group.consumer(carol).pending_len()), (alice, 0));
    let names: Vec<_> = group.consumers().map(|(_, consumer)| consumer.name.to_vec()).collect();
    assert_eq!(names, [b"bob".to_vec(), b"carol".to_vec()]);
    let mut stream = Stream::default();
    stream.groups.insert(b"g"[..].into(), group);
    let pieces = std::iter::from_fn(|| Some(stream.free_some(1)).filter(|&freed| freed > 0)).count();
    assert!(pieces > 4 && stream.groups.is_empty());
}

/// The entries of a stream as they would be told to somebody who restores it.
fn packed(log: &Log) -> Vec<(Id, Vec<u8>)> {
    log.nodes().map(|(id, pack)| (id, pack.bytes().to_vec())).collect()
}

fn counters(log: &Log) -> Counters {
    Counters {
        len: log.len(),
        last_id: log.last_id(),
        max_deleted_id: log.max_deleted_id(),
        entries_added: log.entries_added(),
    }
}

#[test]
fn what_is_no_stream_is_not_restored() {
    let mut log = Log::default();
    for ms in 1..=5 {
        log.append(id(ms, 0), words("a 1"), Limits { node_entries: 2, ..LIMITS }).unwrap();
    }
    let (nodes, right) = (packed(&log), counters(&log));
    let restored =
        |nodes: &[(Id, Vec<u8>)], counters| Log::restored(nodes.iter().cloned(), counters).is_some();
    assert!(restored(&nodes, right));
    assert!(!restored(&nodes, Counters { len: 4, ..right }), "it has five entries");
    assert!(!restored(&nodes, Counters { last_id: id(4, 0), ..right }), "the last is above that");
    assert!(!restored(&[nodes[1].clone(), nodes[0].clone(), nodes[2].clone()], right), "in no order");
    let twice = [nodes[0].clone(), nodes[0].clone(), nodes[2].clone()];
    assert!(!restored(&twice, right), "one of them twice");
    let mut low = nodes.clone();
    low[1].0 = id(2, 0);
    assert!(!restored(&low, right), "entries of the first node are not below the second");
    assert!(restored(&[], Counters { len: 0, ..right }) && !restored(&[], right));
    for elements in [
        "1 0 1 a 0 2 0 0 1",
        "1 0 1 a 1 2 0 0 1 4",
        "2 0 1 a 0 2 0 0 1 4",
        "1 1 1 a 0 2 0 0 1 4",
        "0 1 1 a 0 2 0 0 1 4",
        "1 0 2 a 0 2 0 0 1 4",
        "1 0 -1 a 0 2 0 0 1 4",
        "1 0 99999999999999 a 0 2 0 0 1 4",
        "1 0 1 a 0 2 x 0 1 4",
        "1 0 1 a 0 2 0 0 1 5",
        "1 0 1 a 0 0 0 0 1 b 1 5",
        "1 0 1 a 0 0 0 0 -1 3",
        "1 0 1 a 0 0 0 0 9223372036854775807 4",
        "1 0 1 a 0 2 0 0 1 4 2",
        "1 0 1 a 0 2 -1 0 1 4",
        "",
    ] {
        let mut bytes = listpack::EMPTY.to_vec();
        for element in elements.split_whitespace() {
            ListpackMut::new(&mut bytes).append(Element::of(element.as_bytes()));
        }
        let one = Counters { len: 1, ..right };
        assert!(!restored(&[(id(1, 0), bytes)], one), "{elements}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_is_restored_can_be_used(
        entries in 1..20_u64,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        removed in 0..20_u64,
    ) {
        let mut log = Log::default();
        for ms in 1..=entries {
            let fields = ["a 1", "a 1", "b 2 c 300"][ms as usize % 3];
            log.append(id(ms, 0), words(fields), LIMITS).unwrap();
        }
        log.remove(id(removed, 0));
        let (mut nodes, counters) = (packed(&log), counters(&log));
        for (_, bytes) in &mut nodes {
            for (index, byte) in &damage {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
        }
        let Some(mut restored) = Log::restored(nodes, counters) else {
            prop_assert!(!damage.is_empty());
            return Ok(());
        };
        if damage.is_empty() {
            prop_assert_eq!(all(&restored, Direction::Forward), all(&log, Direction::Forward));
            prop_assert_eq!(restored.first_id(), log.first_id());
        }
        prop_assert_eq!(restored.all(Direction::Backward).count() as u64, counters.len);
        restored.append(id(1000, 0), words("a 1"), LIMITS).unwrap();
        restored.remove(id(3, 0));
        restored.trim(Trim { bound: Bound::Len(3), approximate: false, limit: 0 });
        prop_assert!(restored.all(Direction::Forward).map(|entry| entry.id).is_sorted());
        restored.trim(Trim { bound: Bound::Id(Id::MAX), approximate: false, limit: 0 });
        prop_assert_eq!(restored.len(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_log_is_as_a_map_in_order(
        changes in proptest::collection::vec((0..16_u8, 1..4_u64, 0..200_u64), 1..300),
        node_entries in 0..12_usize,
        node_bytes in prop_oneof![Just(0_usize), Just(64), Just(4096)],
    ) {
        let (mut log, mut map) = (Log::default(), BTreeMap::new());
        let limits = Limits { node_bytes, node_entries };
        for (change, step, any) in changes {
            let chosen = id(any, any % 3);
            match change {
                0..=9 => {
                    let last = log.last_id();
                    let new = if step == 3 { id(last.ms, last.seq + 1) } else { id(last.ms + step, any % 3) };
                    let fields = ["f 1", "f 1", "f x", "f 1 g 2", "-5 77"][(any % 5) as usize];
                    log.append(new, words(fields), limits).unwrap();
                    map.insert(new, fields.to_owned());
                }
                10..=12 => prop_assert_eq!(log.remove(chosen), map.remove(&chosen).is_some()),
                13 => {
                    let (len, before) = (map.len() as u64 / step, map.len());
                    while map.len() as u64 > len {
                        map.pop_first();
                    }
                    let trim = Trim { bound: Bound::Len(len), approximate: false, limit: 0 };
                    prop_assert_eq!(log.trim(trim), (before - map.len()) as u64);
                }
                14 => {
                    let later = map.split_off(&id(any / 4, 0));
                    let trim = Trim { bound: Bound::Id(id(any / 4, 0)), approximate: false, limit: 0 };
                    prop_assert_eq!(log.trim(trim), map.len() as u64);
                    map = later;
                }
                _ => {
                    let trim = Trim { bound: Bound::Len(5), approximate: true, limit: any };
                    for _ in 0..log.trim(trim) {
                        map.pop_first();
                    }
                    prop_assert!(map.len() >= 5 || log.nodes().len() <= 1 || log.len() < 5);
                }
            }
            prop_assert_eq!(log.len(), map.len() as u64);
            prop_assert_eq!(log.first_id(), map.first_key_value().map_or(Id::MIN, |(id, _)| *id));
            prop_assert_eq!(log.top_id(), map.last_key_value().map(|(id, _)| *id));
            prop_assert_eq!(log.get(chosen).map(|entry| text(&entry)), map.get(&chosen).cloned());
            let (from, to) = (id(any / 2, 1), id(any, 0));
            let range: Vec<_> = log.entries(from, to, Direction::Forward).map(|entry| entry.id).collect();
            let expected: Vec<_> = if from <= to { map.range(from..=to).map(|(id, _)| *id).collect() } else { vec![] };
            prop_assert_eq!(&range, &expected);
            let mut range: Vec<_> = log.entries(from, to, Direction::Backward).map(|entry| entry.id).collect();
            range.reverse();
            prop_assert_eq!(range, expected);
        }
        let expected: Vec<_> = map.into_iter().collect();
        prop_assert_eq!(&all(&log, Direction::Forward), &expected);
        let mut backward = all(&log.clone(), Direction::Backward);
        backward.reverse();
        prop_assert_eq!(backward, expected);
        for (_, pack) in log.nodes() {
            prop_assert!(Listpack::checked(pack.bytes()).is_some());
        }
        let mut stream = Stream { log, ..Stream::default() };
        while stream.free_some(3) > 0 {}
        prop_assert_eq!(stream.log.nodes().len(), 0);
    }
}
