//! Frames between gateways and shards: whatever comes is refused, or stays within its bounds and can be sent on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols::data::Figures;
use tidegate_protocols::link::{Answer, Ask, Decoded, Errand, Greeting, decode, encode, extend};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::request::{Args, Request, Words};
use tidegate_protocols::table::Verb;
use tidegate_protocols::table::link::Link;
use tidegate_protocols::transaction::Requests;

const FRAME_MAX: u64 = 4096;

fuzz_target!(|data: &[u8]| {
    let _ = (Greeting::decode(data), Figures::decode(data));
    look_into(Link::Transact, &transaction_of(data).args());
    let mut rest = data;
    while let Ok(Ok((answer, bytes))) = Answer::decode(rest) {
        assert!(answer.bytes.len() < bytes);
        rest = &rest[bytes..];
    }
    let mut rest = data;
    loop {
        let (mut spans, mut item) = (Vec::new(), Item::NONE);
        let mut outline = match decode(rest, FRAME_MAX, &mut spans, &mut item) {
            Ok(Decoded::Request(outline)) => outline,
            Ok(Decoded::More(missing)) => return assert!(missing > 0 && missing as u64 <= FRAME_MAX),
            Err(_) => return assert!(spans.is_empty()),
        };
        assert!(outline.row.takes(spans.len()) && outline.bytes <= rest.len());
        let request = Request {
            row: outline.row,
            dialect: outline.dialect,
            args: Args::new(rest, &spans),
            item: &item,
        };
        if let Verb::Link(verb) = outline.row.verb {
            look_into(verb, &request.args);
        }
        let mut again = Vec::new();
        encode(&mut again, &request, &outline.ask).expect("it came in a frame");
        let (mut spans_again, mut item_again) = (Vec::new(), Item::NONE);
        let decoded = decode(&again, FRAME_MAX, &mut spans_again, &mut item_again).expect("just written");
        let ask = Ask { left: 0, ..outline.ask };
        assert!(matches!(decoded, Decoded::Request(second) if second.ask == ask));
        assert_eq!(item, item_again);
        let words = Args::new(&again, &spans_again);
        assert!(request.args.iter().eq(words.iter()));
        rest = &rest[outline.bytes..];
        while outline.ask.left > 0 {
            spans.clear();
            if outline.advance(rest, &mut spans).is_err() {
                return assert!(spans.is_empty());
            }
            let args = Args::new(rest, &spans);
            let (row, dialect) = (outline.row, outline.dialect);
            let request = Request { row, dialect, args, item: &Item::NONE };
            assert!(row.takes(args.len()) && outline.bytes <= rest.len());
            let slot = outline.ask.slot.expect("each says its own");
            assert_eq!(extend(&mut again, 0, std::iter::once((request.args, slot))), 1, "it came with the others");
            rest = &rest[outline.bytes..];
        }
        let mut requests = Requests::new(&again);
        while requests.next_request().is_some() {}
        rest = &rest[outline.rest..];
    }
});

/// A transaction of these requests, so that the fuzzer need not find the head of one.
fn transaction_of(frames: &[u8]) -> Words {
    Words::new(&[&b"transact"[..], &[0; 8], &[0; 4], frames])
}

/// What a shard goes through once it has been looked at.
fn look_into(verb: Link, args: &Args<'_>) {
    if Errand::check(verb, args).is_ok()
        && let Ok(Errand::Transact { frames, .. }) = Errand::of(verb, args)
    {
        let mut requests = Requests::new(frames);
        while let Some(request) = requests.next_request() {
            assert!(request.row.takes(request.args.len()) && !matches!(request.row.verb, Verb::Link(_)));
            request.row.keys_of(&request.args).for_each(|key| _ = request.args.at(key.index));
        }
    }
}
