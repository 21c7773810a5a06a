//! What every target checks: pieces decode as the whole does, and nothing exceeds its limit.
#![forbid(unsafe_code)]

use tidegate_protocols::memcached::{self, Item};
use tidegate_protocols::request::{Args, Span};
use tidegate_protocols::table::resolve;
use tidegate_protocols::{Fault, resp};

/// What a connection was asked, and how it ended.
type Requests<End> = (Vec<(String, Vec<Vec<u8>>)>, Option<End>);

/// Splits the fuzzer's data: where to cut, and what is sent.
///
/// A byte of `cuts` says how many bytes the next piece has; after the last one, they begin again.
pub fn cuts_and_input(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(count % 8))
}

fn pieces<'a>(cuts: &'a [u8], input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    let mut sizes = cuts.iter().map(|&cut| usize::from(cut)).filter(|&size| size > 0).cycle();
    std::iter::from_fn(move || {
        let piece = rest.split_off(..sizes.next().unwrap_or(usize::MAX).min(rest.len()))?;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Small enough that the fuzzer reaches them.
const LIMITS: resp::Limits =
    resp::Limits { bulk_bytes_max: 100, request_bytes_max: 1000, authenticated: true };

/// What a RESP connection makes of its input.
pub fn resp_requests(cuts: &[u8], input: &[u8], authenticated: bool) -> Requests<Fault> {
    let limits = resp::Limits { authenticated, ..LIMITS };
    let (mut decoder, mut held, mut requests) = (resp::Decoder::default(), Vec::new(), Vec::new());
    let mut openings = resp::Openings::default();
    for piece in pieces(cuts, input) {
        held.extend_from_slice(piece);
        loop {
            let mut spans = Vec::new();
            let alike = openings.decode(&held, &limits, &mut Vec::new()).filter(|_| !decoder.is_halfway());
            let found = decoder.decode(&mut held, &limits, &mut spans);
            assert!(alike.is_none() || matches!(found, Ok(resp::Decoded::Request(_))), "{found:?}");
            let used = match found {
                Ok(resp::Decoded::Request(bytes)) => {
                    let row = resolve(&Args::new(&held, &spans)).ok();
                    if let Some((alike, its_bytes)) = alike {
                        assert!(row.is_some_and(|row| std::ptr::eq(row, alike)) && its_bytes == bytes);
                    } else if let Some(row) = row {
                        openings.remember(&held, &spans, row);
                    }
                    requests.push((String::new(), words(&held[..bytes], &spans)));
                    bytes
                }
                Ok(resp::Decoded::Empty(bytes)) => bytes,
                Ok(resp::Decoded::More(missing)) => {
                    assert!(missing > 0 && missing <= limits.bulk_bytes_max + 2 && spans.is_empty());
                    break;
                }
                Err(fault) => return (requests, Some(fault)),
            };
            assert!(used > 0 && used <= held.len() && !decoder.is_halfway());
            held.drain(..used);
        }
    }
    (requests, None)
}

/// What a Memcached connection makes of its input.
pub fn memcached_requests(cuts: &[u8], input: &[u8]) -> Requests<()> {
    let rules = memcached::Rules { item_bytes_max: 300, ..memcached::Rules::default() };
    let (mut decoder, mut held, mut requests) = (memcached::Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces(cuts, input) {
        held.extend_from_slice(piece);
        loop {
            let (mut spans, mut item) = (Vec::new(), Item::NONE);
            let used = match decoder.decode(&mut held, &rules, &mut spans, &mut item) {
                memcached::Decoded::Request { row, dialect, bytes } => {
                    assert!(row.takes(spans.len()), "{}: {} arguments", row.name, spans.len());
                    let what = format!("{} {dialect:?} {item:?}", row.name);
                    requests.push((what, words(&held, &spans)));
                    bytes
                }
                memcached::Decoded::Empty(bytes) => {
                    assert!(bytes > 0);
                    bytes
                }
                memcached::Decoded::More(missing) => {
                    assert!(missing > 0 && spans.is_empty());
                    break;
                }
                memcached::Decoded::Close => return (requests, Some(())),
            };
            assert!(used <= held.len());
            held.drain(..used);
        }
    }
    (requests, None)
}

fn words(held: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
    assert!(!spans.is_empty());
    Args::new(held, spans).iter().map(<[u8]>::to_vec).collect()
}

/// One whole piece and many decode the same.
pub fn memcached_agrees(cuts: &[u8], input: &[u8]) {
    assert_eq!(memcached_requests(cuts, input), memcached_requests(&[], input));
}
