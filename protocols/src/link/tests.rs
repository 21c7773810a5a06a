use proptest::prelude::*;

use super::*;
use crate::limits::{LINK_PART_BYTES_MAX, LINK_RUN_BYTES_MAX, LINK_RUN_REQUESTS_MAX, QUERY_BYTES_MAX};
use crate::memcached::{Item, Options, Status};
use crate::reply::Dialect;
use crate::request::{Request, Span, Words};
use crate::slot::SLOTS;
use crate::table::link::Link;
use crate::table::{Row, lookup, rows};
use crate::transaction::Requests;

const FRAME_MAX: u64 = 1 << 20;

fn encoded(name: &[u8], words: &[Vec<u8>], dialect: Dialect, item: &Item, ask: &Ask) -> Vec<u8> {
    let words = Words::new(words);
    let row = lookup(name).unwrap();
    let mut frame = Vec::new();
    encode(&mut frame, &Request { row, dialect, args: words.args(), item }, ask).unwrap();
    frame
}

fn set() -> Vec<u8> {
    let words = [b"SET".to_vec(), b"key".to_vec(), b"value".to_vec()];
    encoded(
        b"set",
        &words,
        Dialect::Resp3,
        &Item::NONE,
        &Ask {
            id: 7,
            epoch: 3,
            database: 2,
            no_touch: true,
            in_cluster: false,
            again: false,
            slot: Some(12539),
            client: 0,
            tracker: 0,
            index: 0,
            left: 0,
        },
    )
}

/// Decodes and expects nothing to be added if that fails.
fn decoded(frame: &[u8]) -> Result<(Decoded, Vec<Span>, Item), Malformed> {
    let (mut spans, mut item) = (Vec::new(), Item::NONE);
    match decode(frame, FRAME_MAX, &mut spans, &mut item) {
        Ok(decoded) => Ok((decoded, spans, item)),
        Err(malformed) => {
            assert!(spans.is_empty(), "{malformed}: spans are left over");
            Err(malformed)
        }
    }
}

fn any_item() -> impl Strategy<Value = Item> {
    let seconds = || i64::from(i32::MIN)..=i64::from(u32::MAX);
    let numbers = (any::<u32>(), seconds(), any::<u64>(), any::<u64>(), any::<u64>(), seconds());
    let rest = (any::<i32>(), any::<u32>(), any::<u16>(), any::<u8>(), any::<bool>());
    (numbers, rest, 0..Status::ALL.len()).prop_map(|(numbers, rest, status)| {
        let (flags, exptime, cas, delta, initial, vivify_exptime) = numbers;
        let (recache_exptime, opaque, options, opcode, quiet) = rest;
        let (options, status) = (Options(options), Status::ALL[status]);
        Item {
            flags,
            exptime,
            cas,
            delta,
            initial,
            vivify_exptime,
            recache_exptime,
            opaque,
            options,
            opcode,
            quiet,
            status,
        }
    })
}

fn any_words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 2..20)
}

proptest! {
    #[test]
    fn a_request_arrives_as_it_was_sent(
        words in any_words(), item in any_item(), dialect in 0..5_usize,
        (id, epoch, database) in (any::<u32>(), any::<u32>(), 0..16_u8),
        (no_touch, in_cluster, again) in any::<(bool, bool, bool)>(), slot in prop::option::of(0..SLOTS),
        client in prop_oneof![Just(0), any::<u64>()],
        tracker in prop_oneof![Just(0), any::<u64>()],
    ) {
        let ask = Ask { id, epoch, database, no_touch, in_cluster, again, slot, client, tracker, index: 0, left: 0 };
        let dialect = Dialect::ALL[dialect];
        let frame = encoded(b"del", &words, dialect, &item, &ask);
        let mut input = frame.clone();
        input.extend_from_slice(b"what comes next");
        let (found, spans, found_item) = decoded(&input).unwrap();
        let Decoded::Request(outline) = found else { panic!("{found:?}") };
        prop_assert_eq!((outline.row.name, outline.dialect, outline.ask, outline.bytes), ("DEL", dialect, ask, frame.len()));
        let of_memcached = !matches!(dialect, Dialect::Resp2 | Dialect::Resp3);
        prop_assert_eq!(found_item, if of_memcached { item } else { Item::NONE });
        let found: Vec<_> = spans.iter().map(|span| span.of(&input).to_vec()).collect();
        prop_assert_eq!(found, words);
    }

    #[test]
    fn a_frame_of_anything_is_refused_or_within_its_bounds(frame in prop::collection::vec(any::<u8>(), 4..200)) {
        let mut frame = frame;
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_le_bytes());
        if let Ok((Decoded::Request(outline), spans, _)) = decoded(&frame) {
            prop_assert!(outline.bytes == frame.len() && outline.row.takes(spans.len()));
            prop_assert!(spans.iter().all(|span| span.end as usize <= frame.len()));
        }
        if let Ok(Ok((answer, bytes))) = Answer::decode(&frame) {
            prop_assert!(bytes == frame.len() && answer.bytes.len() < bytes);
        }
    }

    #[test]
    fn a_request_with_one_byte_changed_is_refused_or_within_its_bounds(at in 4..40_usize, to in any::<u8>()) {
        let mut frame = set();
        let last = frame.len() - 1;
        frame[at.min(last)] = to;
        if let Ok((Decoded::Request(outline), spans, _)) = decoded(&frame) {
            prop_assert!(outline.row.takes(spans.len()) && outline.ask.database < 16);
            prop_assert!(spans.iter().all(|span| span.end as usize <= frame.len()));
        }
    }
}

proptest! {
    #[test]
    fn a_transaction_with_one_byte_changed_is_refused_or_can_be_gone_through(at in 0..94_usize, to in any::<u8>()) {
        let mut frames = [set(), set()].concat();
        frames[at] = to;
        let words = Words::new(&[&b"transact"[..], &[0; 8], &[0; 4], &frames]);
        if Errand::check(Link::Transact, &words.args()).is_ok() {
            let mut requests = Requests::new(&frames);
            while let Some(request) = requests.next_request() {
                prop_assert!(request.row.takes(request.args.len()));
                prop_assert!(request.row.keys_of(&request.args).all(|key| key.index < request.args.len()));
            }
        }
    }
}

#[test]
fn a_half_received_frame_says_how_much_is_missing() {
    let frame = set();
    for cut in 0..frame.len() {
        let (Decoded::More(missing), spans, _) = decoded(&frame[..cut]).unwrap() else { panic!("at {cut}") };
        assert!(missing > 0 && cut + missing <= frame.len() && spans.is_empty());
        assert!(cut < 4 || cut + missing == frame.len());
    }
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = set();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        decoded(&frame).unwrap_err()
    };
    assert_eq!(with(0, &[0xff; 4]), Malformed::TooLong(u64::from(u32::MAX), FRAME_MAX));
    assert_eq!(with(0, &[4, 0, 0, 0]), Malformed::TooShort(4));
    assert_eq!(with(12, &[0xff, 0xff]), Malformed::Row(u16::MAX));
    assert_eq!(with(14, &[5]), Malformed::Unknown(5, "dialect"));
    assert_eq!(with(15, &[16]), Malformed::Unknown(16, "database"));
    assert_eq!(with(18, &SLOTS.to_le_bytes()), Malformed::Unknown(u32::from(SLOTS), "slot"));
    assert_eq!(with(16, &[3]), Malformed::Unknown(3, "set of marks for the dialect"), "an item, in RESP");
    assert_eq!(
        with(14, &[4]),
        Malformed::Unknown(17, "set of marks for the dialect"),
        "no item, of Memcached"
    );
    assert_eq!(with(20, &[1, 0, 0, 0]), Malformed::Arity("SET", 1));
    assert_eq!(with(20, &[0xff; 4]), Malformed::Arity("SET", u32::MAX));
    assert_eq!(with(24, &[0xff; 4]), Malformed::TooShort(set().len() as u32));
    assert_eq!(with(28, &[0xff; 4]), Malformed::TooShort(set().len() as u32));
}

/// A frame of so many requests, and where each begins.
fn run(keys: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let ask = Ask { id: 7, epoch: 3, slot: Some(0), ..Ask::default() };
    let mut frame = encoded(b"get", &[b"GET".to_vec(), keys[0].clone()], Dialect::Resp2, &Item::NONE, &ask);
    let mut begins = vec![0];
    for (at, key) in keys.iter().enumerate().skip(1) {
        begins.push(frame.len());
        let words = Words::new(&[&b"GET"[..], key]);
        let row = lookup(b"get").unwrap();
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        assert_eq!(extend(&mut frame, 0, std::iter::once((request.args, at as u16))), 1);
    }
    (frame, begins)
}

/// A key, and the slot it is said to have.
type Keyed = (Vec<u8>, Option<u16>);

/// The keys of a frame and their slots, as far as it is one.
fn keys_of(frame: &[u8]) -> Result<Vec<Keyed>, Malformed> {
    let (found, mut spans, _) = decoded(frame)?;
    let Decoded::Request(mut outline) = found else { panic!("{found:?}") };
    let (mut keys, mut at) = (vec![(spans[1].of(frame).to_vec(), outline.ask.slot)], 0);
    while outline.ask.left > 0 {
        at += outline.bytes;
        spans.clear();
        outline.advance(&frame[at..], &mut spans)?;
        assert_eq!((usize::from(outline.ask.index), outline.ask.id), (keys.len(), 7));
        keys.push((spans[1].of(&frame[at..]).to_vec(), outline.ask.slot));
    }
    assert!(at + outline.bytes + outline.rest <= frame.len());
    Ok(keys)
}

proptest! {
    #[test]
    fn requests_in_one_frame_arrive_as_they_were_sent(
        keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..LINK_RUN_REQUESTS_MAX as usize),
    ) {
        let (mut frame, _) = run(&keys);
        let expected: Vec<_> = keys.iter().enumerate().map(|(at, key)| (key.clone(), Some(at as u16))).collect();
        prop_assert_eq!(keys_of(&frame).unwrap(), expected);
        frame.extend_from_slice(&set());
        let (mut requests, mut found) = (Requests::new(&frame), Vec::new());
        while let Some(request) = requests.next_request() {
            found.push(request.args.at(1).to_vec());
        }
        prop_assert_eq!(found.pop().unwrap(), b"key");
        prop_assert_eq!(found, keys);
    }

    #[test]
    fn requests_in_one_frame_with_one_byte_changed_are_refused_or_within_their_bounds(
        at in 8..150_usize, to in any::<u8>(),
    ) {
        let (mut frame, _) = run(&["a", "bc", "def", "ghij"].map(|key| key.as_bytes().to_vec()));
        let last = frame.len() - 1;
        frame[at.min(last)] = to;
        // Whatever has become of the row: all that is found lies within the frame, or nothing is.
        let (Ok((Decoded::Request(mut outline), mut spans, _)), mut begin) = (decoded(&frame), 0) else {
            return Ok(());
        };
        while outline.ask.left > 0 {
            begin += outline.bytes;
            spans.clear();
            if outline.advance(&frame[begin..], &mut spans).is_err() {
                prop_assert!(spans.is_empty());
                break;
            }
            prop_assert!(spans.iter().all(|span| begin + span.end as usize <= frame.len()));
            prop_assert!(outline.row.takes(spans.len()));
        }
    }
}

#[test]
fn what_is_wrong_with_a_run_is_named() {
    let keys = ["a", "b", "c"].map(|key| key.as_bytes().to_vec());
    let (frame, begins) = run(&keys);
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = frame.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        keys_of(&frame).unwrap_err()
    };
    let follow = |count| Malformed::Unknown(count, "number of requests that follow");
    assert_eq!(with(17, &[LINK_RUN_REQUESTS_MAX]), follow(u32::from(LINK_RUN_REQUESTS_MAX)));
    assert_eq!(with(16, &[0]), follow(2), "without a slot");
    assert_eq!(with(begins[1], &SLOTS.to_le_bytes()), Malformed::Unknown(u32::from(SLOTS), "slot"));
    assert_eq!(with(begins[1] + 2, &[3, 0]), Malformed::Arity("GET", 3));
    let left = (frame.len() - begins[2]) as u32;
    assert_eq!(with(begins[2] + 4, &[0xff; 4]), Malformed::TooShort(left));
    assert_eq!(with(17, &[3]), Malformed::TooShort(0), "one more than there are");
    let (row, ask) = (lookup(b"del").unwrap(), Ask { slot: Some(1), ..Ask::default() });
    let mut several = encoded(b"del", &[b"DEL".to_vec(), b"k".to_vec()], Dialect::Resp2, &Item::NONE, &ask);
    several[17] = 1;
    assert_eq!(decoded(&several).unwrap_err(), follow(1), "{} may have several keys", row.name);
    let words = Words::new(&[&b"transact"[..], &[0; 8], &[0; 4], &frame]);
    assert!(Errand::check(Link::Transact, &words.args()).is_err());
}

#[test]
fn a_frame_takes_no_more_requests_than_it_may() {
    let many = vec![b"k".to_vec(); usize::from(LINK_RUN_REQUESTS_MAX)];
    let (mut frame, _) = run(&many);
    let refuses = |frame: &mut Vec<u8>, key: &[u8]| {
        let words = Words::new(&[&b"GET"[..], key]);
        let row = lookup(b"get").unwrap();
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        let before = frame.clone();
        extend(frame, 0, std::iter::once((request.args, 1))) == 0 && *frame == before
    };
    assert!(refuses(&mut frame, b"k"));
    let (mut frame, _) = run(&many[..2]);
    assert!(refuses(&mut frame, &vec![b'k'; LINK_RUN_BYTES_MAX]));
}

#[test]
fn times_that_no_client_can_say_are_refused() {
    let arrives = |exptime, vivify_exptime| {
        let item = Item { exptime, vivify_exptime, ..Item::NONE };
        decoded(&encoded(
            b"set",
            &[&b"SET"[..], b"k", b"v"].map(<[u8]>::to_vec),
            Dialect::MemcachedText,
            &item,
            &Ask::default(),
        ))
    };
    let malformed = |number| Err(Malformed::Unknown(number, "number of seconds"));
    let (least, most) = (i64::from(i32::MIN), i64::from(u32::MAX));
    assert!(arrives(least, most).is_ok() && arrives(most, least).is_ok());
    assert_eq!(arrives(most + 2, 0).map(|_| ()), malformed(1));
    assert_eq!(arrives(0, i64::MAX).map(|_| ()), malformed(u32::MAX));
    assert_eq!(arrives(0, least - 1).map(|_| ()), malformed(i32::MAX as u32));
}

#[test]
fn what_gateways_answer_is_not_for_shards() {
    let outline = |name: &[u8]| {
        let words = [name.to_vec(), b"x".to_vec()];
        match decoded(&encoded(name, &words, Dialect::Resp2, &Item::NONE, &Ask::default())) {
            Ok((Decoded::Request(outline), ..)) => outline,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outline(b"ping").check_for_shard(), Err(Malformed::Misdirected("PING")));
    assert_eq!(outline(b"object").check_for_shard(), Err(Malformed::Misdirected("OBJECT")));
    assert_eq!(outline(b"get").check_for_shard(), Ok(()));
}

#[test]
fn what_gateways_ask_for_themselves_is_looked_at_before_it_is_done() {
    let check = |verb: Link, words: &[&[u8]]| {
        let words = [&[verb.row().name.as_bytes()], words].concat();
        assert!(verb.row().takes(words.len()));
        Errand::check(verb, &Words::new(&words).args())
    };
    let arguments = |verb: Link| Err(Malformed::Arguments(verb.row().name));
    let number = &[0; 8];
    for (words, expected) in [
        (&[&b"short"[..], &[0; 4], b""][..], arguments(Link::Transact)),
        (&[number, &[0; 5], b""], arguments(Link::Transact)),
        (&[number, &[0; 4], b""], Ok(())),
        (&[number, &[0; 4], &set()], Ok(())),
        (&[number, &[0; 4], &[set(), set()].concat()], Ok(())),
        (&[number, &[0; 4], &[set(), set()[..30].to_vec()].concat()], Err(Malformed::TooLong(47, 30))),
        (&[number, &[0; 4], &[set(), b"tail".to_vec()].concat()], Err(Malformed::TooLong(1_818_845_556, 4))),
        (&[number, &[0; 4], b"x"], Err(Malformed::TooShort(1))),
    ] {
        assert_eq!(check(Link::Transact, words), expected, "{words:?}");
    }
    assert_eq!(check(Link::Watch, &[b"short", b"key"]), arguments(Link::Watch));
    assert_eq!(check(Link::Unwatch, &[b"longer than it"]), arguments(Link::Unwatch));
    assert_eq!(check(Link::Configure, &[b"hz", b"10", b"port"]), arguments(Link::Configure));
    assert_eq!(check(Link::Configure, &[b"hz", b"10"]), Ok(()));
}

#[test]
fn a_transaction_holds_what_shards_answer_and_no_transaction() {
    let within = |row: &'static Row, words: &[&[u8]]| {
        let words = Words::new(words);
        let mut frame = Vec::new();
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        encode(&mut frame, &request, &Ask::default()).unwrap();
        let words = Words::new(&[&b"transact"[..], &[0; 8], &[0; 4], &frame]);
        Errand::check(Link::Transact, &words.args())
    };
    assert_eq!(within(lookup(b"get").unwrap(), &[b"get", b"k"]), Ok(()));
    assert_eq!(within(lookup(b"dbsize").unwrap(), &[b"dbsize"]), Ok(()));
    assert_eq!(within(lookup(b"ping").unwrap(), &[b"ping"]), Err(Malformed::Misdirected("PING")));
    assert_eq!(within(Link::Purge.row(), &[b"purge"]), Err(Malformed::Misdirected("purge")));
}

#[test]
fn the_longest_request_of_a_client_fits_a_frame() {
    assert!(u32::try_from(frame_bytes_max(QUERY_BYTES_MAX)).is_ok());
}

fn sealed(out: &mut Vec<u8>, id: u32, tail: Tail, bytes: &[u8]) -> Option<LongAnswer> {
    let mark = out.len();
    begin(out);
    out.extend_from_slice(bytes);
    seal(out, mark, id, tail)
}

#[test]
fn an_answer_arrives_as_it_was_sent() {
    let answers: [(u32, Tail, &[u8]); 3] =
        [(2, Tail::Done, b"+OK\r\n"), (1, Tail::Failed, b""), (u32::MAX, Tail::Moved, b"")];
    let mut sent = Vec::new();
    for (id, tail, bytes) in answers {
        assert!(sealed(&mut sent, id, tail, bytes).is_none());
    }
    let mut rest = &sent[..];
    for (id, tail, bytes) in answers {
        let (answer, used) = Answer::decode(rest).unwrap().unwrap();
        assert_eq!(answer, Answer { id, tail, bytes });
        for cut in 0..used {
            let missing = Answer::decode(&rest[..cut]).unwrap().unwrap_err();
            assert!(missing > 0 && cut + missing <= used);
        }
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_long_answer_comes_in_parts() {
    for bytes in [LINK_PART_BYTES_MAX + 1, 3 * LINK_PART_BYTES_MAX, 200_001] {
        // What is before it, and what else the buffer has room for, decide which of the two is copied.
        for (before, capacity) in [(0, 0), (6, 0), (500_000, 0), (6, 4_000_000)] {
            let answer: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            let mut sent = Vec::with_capacity(capacity);
            sent.resize(before, b'x');
            let mut long = sealed(&mut sent, 5, Tail::Failed, &answer).unwrap();
            assert!(sent.len() == before && sent.iter().all(|byte| *byte == b'x'));
            assert!(long.bytes() <= 2 * bytes + 100, "{} bytes of memory for {bytes}", long.bytes());
            let (mut got, mut parts) = (Vec::new(), 0);
            loop {
                let (part, used) = Answer::decode(long.frame()).unwrap().unwrap();
                got.extend_from_slice(part.bytes);
                parts += 1;
                assert_eq!((part.id, used), (5, long.frame().len()));
                if part.tail == Tail::Failed {
                    break;
                }
                assert_eq!((part.tail, part.bytes.len()), (Tail::Part, LINK_PART_BYTES_MAX));
                assert!(long.advance());
            }
            assert!(!long.advance() && got == answer, "{bytes} bytes in {parts} parts");
            assert_eq!(parts, bytes.div_ceil(LINK_PART_BYTES_MAX));
        }
    }
    assert!(sealed(&mut Vec::new(), 5, Tail::Done, &vec![0; LINK_PART_BYTES_MAX]).is_none());
}

#[test]
fn an_answer_that_cannot_be_is_refused() {
    let mut frame = Vec::new();
    assert!(sealed(&mut frame, 1, Tail::Done, b"x").is_none());
    frame[8] = 10;
    assert_eq!(Answer::decode(&frame), Err(Malformed::Unknown(10, "kind of answer")));
    assert_eq!(Answer::decode(&[8, 0, 0, 0]), Err(Malformed::TooShort(8)));
    assert!(matches!(Answer::decode(&[0xff; 4]), Err(Malformed::TooLong(..))));
}

#[test]
fn a_greeting_arrives_as_it_was_sent_and_is_checked() {
    let greeting = Greeting::new("gateway-1", 9).of(u64::MAX - 1, 0x0102_0304);
    let mut sent = Vec::new();
    greeting.encode(&mut sent);
    for cut in 0..sent.len() {
        assert_eq!(Greeting::decode(&sent[..cut]), Ok(None), "at {cut}");
    }
    sent.extend_from_slice(b"rest");
    let (got, bytes) = Greeting::decode(&sent).unwrap().unwrap();
    assert_eq!((&got, bytes), (&greeting, sent.len() - 4));
    assert_eq!(got.check(), Ok(()));
    let (mut older, version) = (Vec::new(), VERSION - 1);
    Greeting { version, ..greeting.clone() }.encode(&mut older);
    assert_eq!(Greeting::decode(&older), Err(Malformed::Version(version)));
    let other = Greeting { table: greeting.table + 1, ..greeting };
    assert!(other.check().unwrap_err().contains("command table"));
    assert!(Greeting::decode(b"*1\r\n$4\r\nPING\r\n").is_err());
}

#[test]
fn all_rows_have_numbers_a_frame_can_hold() {
    assert!(u16::try_from(rows().count()).is_ok());
}
