//! What the three decoders make of whole requests, of pieces, and of garbage.

use super::{Authentication, Decoded, Decoder, Item, Options, Rules, Status};
use crate::request::{Args, Span};

/// Feeds `wire` in pieces that end at `cuts` and tells in words what was decoded.
fn decode_in_pieces(wire: &[u8], rules: &Rules, cuts: &[usize]) -> Vec<String> {
    let (mut decoder, mut told, mut held) = (Decoder::default(), Vec::new(), Vec::new());
    let mut begin = 0;
    for end in cuts.iter().copied().chain([wire.len()]) {
        held.extend_from_slice(&wire[begin..end]);
        begin = end;
        loop {
            let (mut spans, mut item) = (vec![Span::new(0, 0)], Item::NONE);
            match decoder.decode(&mut held, rules, &mut spans, &mut item) {
                Decoded::Request { row, bytes, .. } => {
                    told.push(tell(row.name, &Args::new(&held, &spans[1..]), &item));
                    assert!(row.takes(spans.len() - 1), "{}: {} arguments", row.name, spans.len() - 1);
                    held.drain(..bytes);
                }
                Decoded::Empty(bytes) => drop(held.drain(..bytes)),
                Decoded::More(missing) => {
                    assert!(missing > 0 && spans.len() == 1);
                    break;
                }
                Decoded::Close => {
                    told.push("close".into());
                    return told;
                }
            }
        }
    }
    told
}

fn tell(name: &str, args: &Args<'_>, item: &Item) -> String {
    let mut words = vec![name.to_owned()];
    words.extend(args.iter().skip(1).map(|arg| arg.escape_ascii().to_string()));
    let numbers = [
        ("flags", i128::from(item.flags)),
        ("exptime", i128::from(item.exptime)),
        ("cas", i128::from(item.cas)),
        ("delta", i128::from(item.delta)),
        ("initial", i128::from(item.initial)),
        ("vivify", i128::from(item.vivify_exptime)),
        ("recache", i128::from(item.recache_exptime)),
        ("opaque", i128::from(item.opaque)),
    ];
    words.extend(
        numbers.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}")),
    );
    let options = [
        ("value", Options::VALUE),
        ("with-cas", Options::CAS),
        ("with-key", Options::KEY),
        ("last", Options::LAST),
        ("compare", Options::HAS_CAS),
        ("touch", Options::EXPTIME),
        ("create", Options::VIVIFY),
        ("stale", Options::INVALIDATE),
        ("base64", Options::BASE64),
        ("close", Options::CLOSE),
    ];
    words.extend(options.iter().filter(|(_, option)| item.has(*option)).map(|(name, _)| format!("+{name}")));
    if item.quiet {
        words.push("quiet".into());
    }
    if item.status != Status::Ok {
        words.push(format!("{:?}", item.status));
    }
    words.join(" ")
}

fn decode(wire: &[u8]) -> Vec<String> {
    decode_in_pieces(wire, &Rules::default(), &[])
}

const TEXT: &[(&str, &[&str])] = &[
    ("get k\r\n", &["get k +last"]),
    ("get k\n", &["get k +last"]),
    ("  get   k  \r\n", &["get k +last"]),
    ("get a b c\r\nget d\r\n", &["get a", "get b", "get c +last", "get d +last"]),
    ("gets a b\r\n", &["get a +with-cas", "get b +with-cas +last"]),
    ("gat 10 a b\r\n", &["gat a exptime=10 +touch", "gat b exptime=10 +last +touch"]),
    ("gats -1 a\r\n", &["gat a exptime=-1 +with-cas +last +touch"]),
    ("gat 10\r\n", &["answer End"]),
    ("gat x a\r\n", &["answer BadExptime"]),
    ("get\r\n", &["answer Error"]),
    ("get a\0b\r\n", &["get a +last"]),
    ("set k 5 10 3\r\nabc\r\n", &["set k abc flags=5 exptime=10"]),
    ("set k 0 0 0 noreply\r\n\r\n", &["set k  quiet"]),
    ("set k 4294967296 0 1 x\r\na\r\n", &["set k a"]),
    ("add k 0 0 2\r\n\r\n\r\n", &["add k \\r\\n"]),
    ("cas k 1 2 1 99\r\na\r\n", &["cas k a flags=1 exptime=2 cas=99 +compare"]),
    ("cas k 1 2 1\r\n", &["answer Error"]),
    ("cas k 1 2 1 x noreply\r\n", &["answer quiet BadFormat"]),
    ("set k 0 0 -1\r\n", &["answer BadFormat"]),
    ("set k 0 0 3\r\nabcde\r\n", &["answer BadDataChunk", "answer Error"]),
    ("append k 0 0 1 noreply\r\na\r\n", &["append k a quiet"]),
    ("incr k 5\r\ndecr k 6 noreply\r\n", &["incr k delta=5", "decr k delta=6 quiet"]),
    ("incr k x\r\nincr k -1\r\n", &["answer BadDelta", "answer BadDelta"]),
    ("touch k 5\r\ntouch k a\r\n", &["touch k exptime=5", "answer BadExptime"]),
    ("delete k\r\ndelete k 0\r\ndelete k noreply\r\n", &["delete k", "delete k", "delete k quiet"]),
    ("delete k 0 noreply\r\ndelete k 1\r\n", &["delete k quiet", "answer BadDelete"]),
    ("delete noreply\r\n", &["delete noreply"]),
    (
        "flush_all\r\nflush_all 5\r\nflush_all noreply\r\n",
        &["flush_all", "flush_all exptime=5", "flush_all quiet"],
    ),
    ("flush_all 5 noreply\r\nflush_all x\r\n", &["flush_all exptime=5 quiet", "answer BadExptime"]),
    ("version\r\nstats\r\nstats items\r\n", &["version", "stats", "stats items"]),
    ("stats cachedump 1 2\r\n", &["cachedump cachedump 1 2"]),
    ("verbosity\r\nverbosity 1\r\n", &["answer Error", "verbosity 1"]),
    ("cache_memlimit 64\r\ncache_memlimit 7\r\n", &["cache_memlimit 64 delta=64", "answer MemlimitTooSmall"]),
    ("quit\r\nget k\r\n", &["quit +close", "close"]),
    ("shutdown\r\nnothing\r\n\r\n", &["answer ShutdownDisabled", "answer Error", "answer Error"]),
    ("GET / HTTP/1.1\r\n", &["close"]),
];

const META: &[(&str, &[&str])] = &[
    ("mn\r\n", &["mn"]),
    ("mg k\r\n", &["get k"]),
    ("mg k v t q Oabc\r\n", &["get k v t q Oabc +value quiet"]),
    ("mg k T30\r\n", &["gat k T30 exptime=30 +touch"]),
    ("mg k N30 R5\r\n", &["gat k N30 R5 vivify=30 recache=5 +create"]),
    ("mg Zm9v b k\r\n", &["get foo b k +base64"]),
    ("mg Zm9 b\r\n", &["answer KeyUndecodable"]),
    ("mg k v v\r\nmg k !\r\n", &["answer FlagDuplicate", "answer FlagInvalid"]),
    ("mg\r\nme\r\nmx k\r\n", &["answer Error", "answer BadFormat", "answer Error"]),
    ("ms k 2\r\nab\r\n", &["set k ab"]),
    ("ms k 2 F5 T9 I c\r\nab\r\n", &["set k ab F5 T9 I c flags=5 exptime=9 +touch +stale"]),
    ("ms Zm9v 2 b ME\r\nab\r\n", &["add foo ab b ME +base64"]),
    (
        "ms k 1 C7\r\na\r\nms k 1 MA C7\r\na\r\n",
        &["cas k a C7 cas=7 +compare", "append k a MA C7 cas=7 +compare"],
    ),
    ("ms k 1 MX\r\na\r\nmn\r\n", &["answer SetModeInvalid", "mn"]),
    ("ms k S2\r\nmn\r\n", &["answer BadFormat", "mn"]),
    ("ms k\r\n", &["answer BadFormat"]),
    ("ms k 1 q\r\nabc\r\n", &["answer BadDataChunk", "answer Error"]),
    ("md k q I T5 C3\r\n", &["delete k q I T5 C3 exptime=5 cas=3 +compare +touch +stale quiet"]),
    ("md k z\r\nma k D1 D1\r\n", &["answer FlagInvalidOrDuplicate", "answer FlagInvalidOrDuplicate"]),
    ("ma k\r\nma k MD D5 J7 N0\r\n", &["incr k delta=1", "decr k MD D5 J7 N0 delta=5 initial=7 +create"]),
    ("ma k MX\r\n", &["answer ArithmeticModeInvalid"]),
    ("me Zm9v b\r\n", &["me foo +base64"]),
];

/// A binary request: opcode, extras, key, value and CAS.
fn binary(opcode: u8, extras: &[u8], key: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    let mut wire = vec![0x80, opcode];
    wire.extend_from_slice(&(key.len() as u16).to_be_bytes());
    wire.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    wire.extend_from_slice(&((extras.len() + key.len() + value.len()) as u32).to_be_bytes());
    wire.extend_from_slice(&7_u32.to_be_bytes());
    wire.extend_from_slice(&cas.to_be_bytes());
    [&wire[..], extras, key, value].concat()
}

fn binaries() -> Vec<(Vec<u8>, &'static str)> {
    let flags = [0, 0, 0, 5, 0, 0, 0, 9];
    let delta = [[0, 0, 0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 0, 0, 3]].concat();
    let (never, at_once) = ([&delta[..], &[255; 4]].concat(), [&delta[..], &[0; 4]].concat());
    vec![
        (binary(0x00, b"", b"k", b"", 0), "get k opaque=7"),
        (binary(0x0d, b"", b"k", b"", 0), "get k opaque=7 +with-key quiet"),
        (binary(0x01, &flags, b"k", b"v", 0), "set k v flags=5 exptime=9 opaque=7"),
        (binary(0x12, &flags, b"k", b"", 0), "add k  flags=5 exptime=9 opaque=7 quiet"),
        (binary(0x03, &flags, b"k", b"v", 6), "cas k v flags=5 exptime=9 cas=6 opaque=7 +compare"),
        (binary(0x04, b"", b"k", b"", 6), "delete k cas=6 opaque=7 +compare"),
        (binary(0x05, &never, b"k", b"", 0), "incr k delta=2 initial=3 vivify=4294967295 opaque=7"),
        (binary(0x16, &at_once, b"k", b"", 0), "decr k delta=2 initial=3 opaque=7 +create quiet"),
        (binary(0x08, b"", b"", b"", 0), "flush_all opaque=7"),
        (binary(0x18, &[0, 0, 0, 4], b"", b"", 0), "flush_all exptime=4 opaque=7 quiet"),
        (binary(0x0a, b"", b"", b"", 0), "mn opaque=7"),
        (binary(0x0b, b"", b"", b"", 0), "version opaque=7"),
        (binary(0x0e, b"", b"k", b"v", 6), "append k v cas=6 opaque=7 +compare"),
        (binary(0x10, b"", b"items", b"", 0), "stats items opaque=7"),
        (binary(0x10, b"", b"", b"", 0), "stats opaque=7"),
        (binary(0x1c, &[0, 0, 0, 4], b"k", b"", 0), "touch k exptime=4 opaque=7 +touch"),
        (binary(0x24, &[0, 0, 0, 4], b"k", b"", 0), "gat k exptime=4 opaque=7 +with-key +touch quiet"),
        (binary(0x20, b"", b"", b"", 0), "answer opaque=7 Error"),
        (binary(0x77, b"ab", b"k", b"value", 0), "answer opaque=7 Error"),
    ]
}

#[test]
fn every_classic_line_says_what_memcached_reads_in_it() {
    for (wire, expected) in TEXT {
        assert_eq!(decode(wire.as_bytes()), *expected, "{wire:?}");
    }
}

#[test]
fn every_meta_line_says_what_memcached_reads_in_it() {
    for (wire, expected) in META {
        assert_eq!(decode(wire.as_bytes()), *expected, "{wire:?}");
    }
}

#[test]
fn every_binary_operation_is_read() {
    for (wire, expected) in binaries() {
        let wire = [wire, binary(0x0a, b"", b"", b"", 0)].concat();
        assert_eq!(decode(&wire), [expected, "mn opaque=7"]);
    }
}

#[test]
fn a_request_cut_anywhere_decodes_the_same() {
    let texts = TEXT.iter().chain(META).map(|(wire, _)| wire.as_bytes().to_vec());
    let rules = Rules::default();
    for wire in texts.chain(binaries().into_iter().map(|(wire, _)| wire)) {
        let whole = decode(&wire);
        for cut in 0..wire.len() {
            assert_eq!(decode_in_pieces(&wire, &rules, &[cut]), whole, "{} at {cut}", wire.escape_ascii());
        }
        let everywhere: Vec<usize> = (0..wire.len()).collect();
        assert_eq!(decode_in_pieces(&wire, &rules, &everywhere), whole, "{}", wire.escape_ascii());
    }
}

#[test]
fn a_value_over_the_limit_is_thrown_away_as_it_comes() {
    let rules = Rules { item_bytes_max: 100, ..Rules::default() };
    let flags = [0; 8];
    for (head, tail, expected) in [
        (b"set k 0 0 50\r\n".to_vec(), &b"\r\nmn\r\n"[..], &["too-large k", "mn"][..]),
        (b"add k 0 0 50\r\n".to_vec(), b"\r\nmn\r\n", &["answer TooLarge", "mn"]),
        (b"ms Zm9v 50 b ME\r\n".to_vec(), b"\r\nmn\r\n", &["too-large foo +base64", "mn"]),
        (
            binary(0x01, &flags, b"k", &[b'v'; 50], 0)[..33].to_vec(),
            &binary(0x0a, b"", b"", b"", 0),
            &["too-large k opaque=7", "mn opaque=7"],
        ),
        (
            binary(0x02, &flags, b"k", &[b'v'; 50], 0)[..33].to_vec(),
            &binary(0x0a, b"", b"", b"", 0),
            &["answer opaque=7 TooLarge", "mn opaque=7"],
        ),
    ] {
        let wire = [&head[..], &[b'v'; 50], tail].concat();
        let everywhere: Vec<usize> = (0..wire.len()).collect();
        assert_eq!(decode_in_pieces(&wire, &rules, &[]), expected);
        assert_eq!(decode_in_pieces(&wire, &rules, &everywhere), expected);
    }
}

#[test]
fn keys_and_lines_have_their_limits() {
    let key = "k".repeat(250);
    assert_eq!(decode(format!("get {key}\r\n").as_bytes()), [format!("get {key} +last")]);
    for wire in [format!("get a {key}k b\r\n"), format!("set {key}k 0 0 1\r\n"), format!("mg {key}k v\r\n")] {
        assert_eq!(decode(wire.as_bytes()), ["answer BadFormat"], "{wire}");
    }
    let flags = "mg k b c f h k l O1 q s t u v P L F1 C1 MS\r\n";
    assert_eq!(decode(flags.as_bytes()), ["answer KeyUndecodable"]);
    assert_eq!(decode(flags.replace('\r', " J1\r").as_bytes()), ["answer FlagsAreTooLong"]);
    assert_eq!(decode(b"mg k Oabcdefghijklmnopqrstuvwxyz01234\r\nmn\r\n")[1], "mn");
    assert_eq!(decode(b"mg k Oabcdefghijklmnopqrstuvwxyz012345\r\n"), ["answer OpaqueTooLong"]);
    assert_eq!(decode(&[b'x'; 2049]), ["close"]);
    assert!(decode(&[b"get ", &[b'x'; 3000][..]].concat()).is_empty());
    assert_eq!(decode(&[b"get ", &vec![b'x'; 5 << 20][..]].concat()), ["close"]);
}

#[test]
fn what_is_not_binary_ends_a_binary_connection() {
    let noop = binary(0x0a, b"", b"", b"", 0);
    let [mut magic, mut lengths, mut key, mut body] =
        [noop.clone(), noop.clone(), noop.clone(), noop.clone()];
    magic[0] = 0x81;
    lengths[3] = 9;
    (key[1], key[2], key[10]) = (0, 1, 1);
    body[11] = 4;
    assert_eq!(decode(&[&noop[..], &magic].concat()), ["mn opaque=7", "close"]);
    for (wire, status) in [(lengths, "Error"), (key, "BadFormat"), (body, "BadFormat")] {
        let wire = [&wire[..], &noop].concat();
        assert_eq!(decode(&wire), [format!("answer opaque=7 +close {status}"), "close".into()]);
    }
}

#[test]
fn a_client_that_has_to_authenticate_can_do_nothing_else() {
    let rules = Rules { authentication: Authentication::Needed, ..Rules::default() };
    let decode = |wire: &[u8]| decode_in_pieces(wire, &rules, &[3]);
    assert_eq!(decode(b"get k\r\n"), ["answer Unauthenticated"]);
    assert_eq!(decode(b"set any 0 0 9\r\nuser word\r\n"), ["authenticate user word"]);
    assert_eq!(decode(b"set any 0 0 9\r\nuser wordxx"), ["answer AuthenticationTermination"]);
    assert_eq!(decode(b"set any 0 0 9999\r\n"), ["close"]);
    assert_eq!(decode(&binary(0x00, b"", b"k", b"", 0))[0], "answer opaque=7 +close Unauthenticated");
    assert_eq!(decode(&binary(0x20, b"", b"", b"", 0)), ["sasl-mechanisms opaque=7"]);
    let plain = binary(0x21, b"", b"PLAIN", b"\0user\0word", 0);
    assert_eq!(decode(&plain), ["sasl-authenticate PLAIN \\x00user\\x00word opaque=7"]);
}
