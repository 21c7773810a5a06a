//! However the network cuts what a client sends, it asks for the same.

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_protocols::request::Args;
use tidegate_protocols::resp::{Decoded, Decoder, Limits};

/// A request as a client encodes it, or as a person types it.
fn encoded(words: &[Vec<u8>], inline: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    if inline {
        for word in words {
            wire.extend(word.iter().fold(b"\"".to_vec(), |mut quoted, byte| {
                quoted.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
                quoted
            }));
            wire.extend_from_slice(b"\" ");
        }
        wire.extend_from_slice(b"\r\n");
        return wire;
    }
    wire.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        wire.extend_from_slice(word);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

fn decoded(wire: &[u8], piece_bytes: &[usize]) -> Vec<Vec<Vec<u8>>> {
    let (mut decoder, mut held, mut requests) = (Decoder::default(), Vec::new(), Vec::new());
    let mut sizes = piece_bytes.iter().cycle();
    let mut rest = wire;
    while !rest.is_empty() {
        let size = *sizes.next().expect("a cycle");
        held.extend_from_slice(rest.split_off(..size.min(rest.len())).expect("it is as long"));
        loop {
            let mut spans = Vec::new();
            let bytes = match decoder.decode(&mut held, &Limits::default(), &mut spans) {
                Ok(Decoded::Request(bytes)) => {
                    requests.push(Args::new(&held, &spans).iter().map(<[u8]>::to_vec).collect());
                    bytes
                }
                Ok(Decoded::Empty(bytes)) => bytes,
                Ok(Decoded::More(_)) => break,
                Err(fault) => panic!("{fault}"),
            };
            held.drain(..bytes);
        }
    }
    assert!(held.is_empty());
    requests
}

proptest! {
    #[test]
    fn requests_in_any_pieces_are_those_that_were_sent(
        requests in vec((vec(vec(any::<u8>(), 0..300), 1..20), any::<bool>()), 1..6),
        piece_bytes in vec(1..700_usize, 1..8),
    ) {
        let wire: Vec<u8> = requests.iter().flat_map(|(words, inline)| encoded(words, *inline)).collect();
        let sent: Vec<_> = requests.into_iter().map(|(words, _)| words).collect();
        prop_assert_eq!(decoded(&wire, &piece_bytes), sent);
    }
}
