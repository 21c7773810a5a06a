//! Frames between gateways and shards: whatever comes is refused, or stays within its bounds and can be sent on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols::link::{Answer, Decoded, Greeting, decode, encode};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::request::{Args, Request};

const FRAME_MAX: u64 = 4096;

fuzz_target!(|data: &[u8]| {
    let _ = Greeting::decode(data);
    let mut rest = data;
    while let Ok(Ok((answer, bytes))) = Answer::decode(rest) {
        assert!(answer.bytes.len() < bytes);
        rest = &rest[bytes..];
    }
    let mut rest = data;
    loop {
        let (mut spans, mut item) = (Vec::new(), Item::NONE);
        let outline = match decode(rest, FRAME_MAX, &mut spans, &mut item) {
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
        let mut again = Vec::new();
        encode(&mut again, &request, &outline.ask).expect("it came in a frame");
        let (mut spans_again, mut item_again) = (Vec::new(), Item::NONE);
        let decoded = decode(&again, FRAME_MAX, &mut spans_again, &mut item_again).expect("just written");
        assert!(matches!(decoded, Decoded::Request(second) if second.ask == outline.ask));
        assert_eq!(item, item_again);
        let words = Args::new(&again, &spans_again);
        assert!(request.args.iter().eq(words.iter()));
        rest = &rest[outline.bytes..];
    }
});
