use super::*;
use crate::request::Args;
use crate::table::resolve;

/// What a connection makes of its whole input: requests as lists of arguments, then the fault if any.
type Outcome = (Vec<Vec<Vec<u8>>>, Option<Fault>);

/// Feeds the pieces one after the other, as a connection does: once with nothing but the decoder, once remembering
/// how requests begin.
fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]> + Clone, limits: &Limits) -> Outcome {
    let plain = decode_with(pieces.clone(), limits, None);
    assert_eq!(
        decode_with(pieces, limits, Some(Openings::default())),
        plain,
        "what begins alike is the same"
    );
    plain
}

fn decode_with<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
    mut openings: Option<Openings>,
) -> Outcome {
    let (mut decoder, mut buffer, mut requests) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let mut spans = Vec::new();
            let alike = openings.as_ref().filter(|_| !decoder.is_halfway());
            let alike = alike.and_then(|openings| openings.decode(&buffer, limits, &mut spans));
            let found = match alike {
                Some((row, bytes)) => {
                    assert!(std::ptr::eq(resolve(&Args::new(&buffer, &spans)).unwrap(), row));
                    Ok(Decoded::Request(bytes))
                }
                None => decoder.decode(&mut buffer, limits, &mut spans),
            };
            let used = match found {
                Ok(Decoded::Request(bytes)) => {
                    let args = Args::new(&buffer, &spans);
                    requests.push(args.iter().map(<[u8]>::to_vec).collect());
                    if let (Some(openings), Ok(row)) = (&mut openings, resolve(&args)) {
                        openings.remember(&buffer, &spans, row);
                    }
                    bytes
                }
                Ok(Decoded::Empty(bytes)) => bytes,
                Ok(Decoded::More(bytes)) => {
                    assert!(bytes > 0 && spans.is_empty());
                    break;
                }
                Err(fault) => return (requests, Some(fault)),
            };
            assert!(used > 0 && !decoder.is_halfway());
            buffer.drain(..used);
        }
    }
    (requests, None)
}

fn decode_whole(input: &[u8]) -> Outcome {
    decode_pieces([input], &Limits::default())
}

fn words(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|word| word.to_vec()).collect()
}

const REQUESTS: &[(&[u8], &[&[u8]])] = &[
    (b"*1\r\n$4\r\nPING\r\n", &[b"PING"]),
    (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", &[b"GET", b"k"]),
    (b"*3\r\n$3\r\nSET\r\n$4\r\n\r\n\r\n\r\n$0\r\n\r\n", &[b"SET", b"\r\n\r\n", b""]),
    (b"*2\r\n$4\r\nECHO\r\n$12\r\n*1\r\n$4\r\nPING\r\n", &[b"ECHO", b"*1\r\n$4\r\nPING"]),
    (b"*1\rX$4\rYPINGab", &[b"PING"]),
    (b"PING\r\n", &[b"PING"]),
    (b"PING\n", &[b"PING"]),
    (b"  GET \t k  \r\r\n", &[b"GET", b"k"]),
    (b"ECHO \"a\\x41\\n\\r\\t\\b\\a\\q\\\"\"\r\n", &[b"ECHO", b"aA\n\r\t\x08\x07q\""]),
    (b"ECHO 'a\\'b\\n'\r\n", &[b"ECHO", b"a'b\\n"]),
    (b"ECHO a\"b c\" d\n", &[b"ECHO", b"ab c", b"d"]),
    (b"ECHO \"\" ''\n", &[b"ECHO", b"", b""]),
    (b"ECHO \"\\xzz\\x4\"\n", &[b"ECHO", b"xzzx4"]),
    (b"ECHO a\x0bb 'c'\x0bd\n", &[b"ECHO", b"a\x0bb", b"c", b"d"]),
];

/// Found by asking Redis 7.0.15.
const FAULTS: &[(&[u8], Fault)] = &[
    (b"*1\r\nX3\r\n", Fault::ExpectedBulk(b'X')),
    (b"*1\r\n\xff3\r\n", Fault::ExpectedBulk(0xff)),
    (b"*1\r\n\r\n", Fault::ExpectedBulk(b'\r')),
    (b"*1\r\n$-1\r\n", Fault::BulkLength),
    (b"*1\r\n$04\r\n", Fault::BulkLength),
    (b"*1\r\n$+4\r\n", Fault::BulkLength),
    (b"*1\r\n$\r\n", Fault::BulkLength),
    (b"*1\r\n$536870913\r\n", Fault::BulkLength),
    (b"*1\r\n$9223372036854775808\r\n", Fault::BulkLength),
    (b"*\r\n", Fault::ArrayLength),
    (b"*01\r\n", Fault::ArrayLength),
    (b"*-0\r\n", Fault::ArrayLength),
    (b"*+1\r\n", Fault::ArrayLength),
    (b"*2147483648\r\n", Fault::ArrayLength),
    (b"*9223372036854775808\r\n", Fault::ArrayLength),
    (b"*-9223372036854775809\r\n", Fault::ArrayLength),
    (b"ECHO \"a\r\n", Fault::InlineQuotes),
    (b"ECHO \"a\"b\r\n", Fault::InlineQuotes),
    (b"ECHO 'a'\"b\"\r\n", Fault::InlineQuotes),
    (b"ECHO \"a\\\"\r\n", Fault::InlineQuotes),
    (b"ECHO 'a\\'\n", Fault::InlineQuotes),
];

#[test]
fn requests_are_decoded_as_redis_decodes_them() {
    for &(input, expected) in REQUESTS {
        assert_eq!(decode_whole(input), (vec![words(expected)], None), "{}", input.escape_ascii());
    }
}

#[test]
fn what_is_not_the_protocol_is_the_fault_redis_names() {
    for &(input, fault) in FAULTS {
        assert_eq!(decode_whole(input), (vec![], Some(fault)), "{}", input.escape_ascii());
    }
}

#[test]
fn empty_requests_are_skipped() {
    let input = b"\r\n\n*0\r\n*-1\r\n*-5\r\n   \r\n*1\r\n$4\r\nPING\r\n";
    assert_eq!(decode_whole(input), (vec![words(&[b"PING"])], None));
}

#[test]
fn input_cut_anywhere_once_or_twice_decodes_the_same() {
    let inputs = REQUESTS.iter().map(|(input, _)| input).chain(FAULTS.iter().map(|(input, _)| input));
    for input in inputs {
        let input = [input, &b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"[..]].concat();
        let whole = decode_whole(&input);
        for first in 0..=input.len() {
            for second in first..=input.len() {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                let cut = decode_pieces(pieces, &Limits::default());
                assert_eq!(cut, whole, "{} cut at {first} and {second}", input.escape_ascii());
            }
        }
    }
}

#[test]
fn what_begins_alike_is_decoded_alike_and_what_does_not_is_not() {
    let one = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20\r\n01234567890123456789\r\n";
    let others: [&[u8]; 8] = [
        b"*2\r\n$3\r\nGET\r\n$20\r\n01234567890123456789\r\n",
        b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$20\r\n01234567890123456789\r\n",
        b"*3\rX$3\r\nSET\r\n$1\r\nk\r\n$20\r\n01234567890123456789\r\n",
        b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nEX\r\n$4\r\n1000\r\n",
        b"*4\r\n$9\r\nSISMEMBER\r\n$1\r\nk\r\n$1\r\nv\r\n$1\r\nw\r\n",
        b"*3\r\n$9\r\nSISMEMBER\r\n$1\r\nk\r\n$1\r\nv\r\n",
        b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\nmaxmemory\r\n",
        b"SET k 01234567890123456789\r\n",
    ];
    for other in others {
        let input = [&one[..], one, other, one, other, other, one].concat();
        let (requests, fault) = decode_whole(&input);
        assert_eq!((requests.len(), fault), (7, None), "{}", other.escape_ascii());
        for first in 0..=input.len() {
            decode_pieces([&input[..first], &input[first..]], &Limits::default());
        }
    }
    let broken = [&one[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$-1\r\n01234567890123456789"].concat();
    assert_eq!(decode_whole(&broken).1, Some(Fault::BulkLength));
}

#[test]
fn a_request_announced_but_not_sent_costs_nothing() {
    let mut spans = Vec::new();
    let mut decoder = Decoder::default();
    let mut input = b"*2147483647\r\n$536870912\r\nab".to_vec();
    let outcome = decoder.decode(&mut input, &Limits::default(), &mut spans);
    assert_eq!(outcome, Ok(Decoded::More(536_870_912)));
    assert_eq!(decoder.partial.expect("halfway").spans.capacity(), 0);
}

#[test]
fn lines_may_be_64_kib_long_and_no_longer() {
    let at_most = limits::INLINE_BYTES_MAX;
    for (start, fault) in [
        (&b""[..], Fault::InlineTooLong),
        (b"*", Fault::ArrayLengthLine),
        (b"*1\r\n$", Fault::BulkLengthLine),
    ] {
        let line = start.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut input = start.to_vec();
        input.resize(line + at_most, b'1');
        assert_eq!(decode_whole(&input), (vec![], None));
        let bytewise = decode_pieces(input.chunks(1), &Limits::default());
        assert_eq!(bytewise, (vec![], None));
        input.push(b'1');
        assert_eq!(decode_whole(&input), (vec![], Some(fault)));
        input.extend_from_slice(b"\r\n");
        assert_eq!(decode_whole(&input), (vec![], Some(fault)), "however it is cut");
    }
    let longest = [&vec![b'x'; at_most][..], b"\n"].concat();
    assert_eq!(decode_whole(&longest).0, vec![words(&[&vec![b'x'; at_most]])]);
}

#[test]
fn a_client_that_has_not_logged_in_may_send_less() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let outcome = |input: &[u8]| decode_pieces([input], &limits);
    assert_eq!(outcome(b"*10\r\n$16384\r\n"), (vec![], None));
    assert_eq!(outcome(b"*11\r\n"), (vec![], Some(Fault::UnauthenticatedArray)));
    assert_eq!(outcome(b"*1\r\n$16385\r\n"), (vec![], Some(Fault::UnauthenticatedBulk)));
    assert_eq!(outcome(b"*1\r\n$536870913\r\n"), (vec![], Some(Fault::BulkLength)));
}

#[test]
fn limits_that_were_configured_hold() {
    let limits = Limits { bulk_bytes_max: 10, request_bytes_max: 40, authenticated: true };
    let outcome = |input: &[u8]| decode_pieces([input], &limits).1;
    assert_eq!(outcome(b"*1\r\n$11\r\n"), Some(Fault::BulkLength));
    assert_eq!(outcome(b"*3\r\n$10\r\n1234567890\r\n$10\r\n"), None);
    assert_eq!(
        outcome(b"*3\r\n$10\r\n1234567890\r\n$10\r\n1234567890\r\n$0\r\n"),
        Some(Fault::RequestTooLong)
    );
}

#[test]
fn a_bulk_in_many_pieces_is_asked_for_by_what_is_missing() {
    let mut decoder = Decoder::default();
    let mut spans = Vec::new();
    let mut input = b"*2\r\n$3\r\nGET\r\n$1000000000\r\n".to_vec();
    let limits = Limits { bulk_bytes_max: 1 << 30, ..Limits::default() };
    let header = input.len();
    for (arrived, missing) in [(0, 1_000_000_002), (1, 1_000_000_001), (1000, 999_999_002)] {
        input.resize(header + arrived, b'x');
        assert_eq!(decoder.decode(&mut input, &limits, &mut spans), Ok(Decoded::More(missing)));
    }
}
