use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::cursor::{Cursor, HASH_BITS};
use crate::reply::{Dialect, Reply};
use crate::slot::{SLOTS, crc16, slot_of};
use crate::slots::Slots;

/// The keys of one shard in the order of its scans.
type Shelf = BTreeMap<Cursor, Vec<u8>>;

/// Runs of slots with who has them: nobody, or one of three.
fn runs() -> impl Strategy<Value = Vec<(u16, Option<usize>)>> {
    let run = (1..6000_u16, prop::option::weighted(0.8, 0..3_usize));
    prop::collection::vec(run, 1..12)
}

fn slots_of(runs: &[(u16, Option<usize>)]) -> [Slots; 3] {
    let mut slots = [(); 3].map(|()| Slots::none());
    let mut next = 0;
    for &(length, shard) in runs {
        let end = (next + length).min(SLOTS);
        if let Some(shard) = shard {
            (next..end).for_each(|slot| slots[shard].insert(slot));
        }
        next = end;
    }
    slots
}

/// A shard's answer to `SCAN cursor COUNT count`.
fn step(shelf: &Shelf, cursor: &[u8], count: usize) -> Vec<u8> {
    let mut ahead = shelf.range(Cursor::parse(cursor).unwrap()..);
    let keys: Vec<_> = ahead.by_ref().take(count).map(|(_, key)| key).collect();
    let next = ahead.next().map_or(Cursor::ZERO, |(&at, _)| at);
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Dialect::Resp2);
    reply.array(2);
    reply.bulk(next.0.to_string().as_bytes());
    reply.array(keys.len());
    for key in keys {
        reply.bulk(key);
    }
    out
}

/// The cursor and the keys of a whole answer.
fn read(mut answer: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut strings: Vec<Vec<u8>> = Vec::new();
    while !answer.is_empty() {
        answer = match crate::resp::answer::bulk(answer) {
            Some((string, rest)) => {
                strings.push(string.to_vec());
                rest
            }
            None => crate::resp::answer::head(answer).unwrap().1,
        };
    }
    let keys = strings.split_off(1);
    (strings.remove(0), keys)
}

fn answered(leg: Leg, answer: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    leg.answer(answer, &mut Reply::new(&mut out, Dialect::Resp2))?;
    assert_eq!(crate::resp::answer::whole(&out), Some(out.len()));
    Some(out)
}

proptest! {
    #[test]
    fn a_scan_sees_every_key_of_all_that_are_asked_exactly_once_and_ends(
        runs in runs(),
        keys in 0..200_usize,
        count in 1..60_usize,
        asked in prop::sample::subsequence(vec![0, 1, 2], 1..=3),
    ) {
        let owners = Owners::new(&slots_of(&runs)).unwrap().asking(asked.clone());
        let mut shelves = [(); 3].map(|()| Shelf::new());
        let mut kept = Vec::new();
        for number in 0..keys {
            let key = format!("key:{number}").into_bytes();
            let slot = slot_of(&key);
            let prefix = u64::from(crc16(&[&key[..], b"."].concat())) << (HASH_BITS - 16) | number as u64;
            if let Some(shard) = owners.of(slot) {
                shelves[usize::from(shard)].insert(Cursor::new(slot, prefix), key.clone());
                kept.extend(asked.contains(&shard).then_some(key));
            }
        }
        let (mut cursor, mut seen) = (b"0".to_vec(), Vec::new());
        for step_number in 0.. {
            let leg = Leg::at(&cursor, &owners);
            let answer = step(&shelves[usize::from(leg.shard)], &cursor, count);
            let (next, found) = read(&answered(leg, &answer).unwrap());
            seen.extend(found);
            if next == b"0" {
                break;
            }
            prop_assert!(Cursor::parse(&next) > Cursor::parse(&cursor), "a step forward");
            prop_assert!(step_number < keys + runs.len(), "it ends");
            cursor = next;
        }
        kept.sort();
        seen.sort();
        prop_assert_eq!(seen, kept);
    }
}

#[test]
fn a_cursor_is_for_who_has_its_slot_or_the_next_that_somebody_has() {
    let slots: Vec<Slots> = ["100-199,300", "200-299"].iter().map(|slots| slots.parse().unwrap()).collect();
    let owners = Owners::new(&slots).unwrap();
    for (slot, shard) in [(0, 0), (199, 0), (200, 1), (299, 1), (300, 0), (301, 0)] {
        let cursor = Cursor::new(slot, 5).0.to_string();
        assert_eq!(Leg::at(cursor.as_bytes(), &owners).shard, shard, "{slot}");
    }
    for cursor in ["x", "18446744073709551615", ""] {
        assert_eq!(Leg::at(cursor.as_bytes(), &owners).shard, 0, "{cursor}");
    }
    let owners = owners.asking(vec![1]);
    assert_eq!(Leg::at(Cursor::new(300, 5).0.to_string().as_bytes(), &owners).shard, 1);
}

#[test]
fn errors_are_passed_on_and_what_is_no_answer_of_a_scan_is_refused() {
    let slots: Vec<Slots> = ["0-99,200-299", "100-199"].iter().map(|slots| slots.parse().unwrap()).collect();
    let owners = Owners::new(&slots).unwrap();
    let leg = Leg::at(b"0", &owners);
    assert_eq!(answered(leg, b"-ERR syntax error\r\n").unwrap(), b"-ERR syntax error\r\n");
    for answer in [
        &b""[..],
        b"+OK\r\n",
        b"*2\r\n$1\r\n0\r\n",
        b"*2\r\n$1\r\nx\r\n*0\r\n",
        b"*3\r\n$1\r\n0\r\n*0\r\n",
        b"*2\r\n$1\r\n0\r\n*1\r\n:1\r\n",
    ] {
        assert_eq!(answered(leg, answer), None, "{}", answer.escape_ascii());
    }
}
