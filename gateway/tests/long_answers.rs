//! What a long answer costs a shard while it is on its way. Alone in its process, because it looks at the process's memory.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use fake::frames::{GET, SET, ask, done, frame, gateway, on_loopback};
use fake::{eventually, next_answer as next};
use tidegate_protocols::link::Tail;

/// Bytes of memory this process has.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn short_answers_overtake_a_long_one_whose_memory_returns() {
    const LONG_BYTES: usize = 100 << 20;
    const SHORT: u32 = 1000;
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    let mut whole = format!("${LONG_BYTES}\r\n").into_bytes();
    let header_bytes = whole.len();
    whole.extend((0..LONG_BYTES).map(|index| (index % 251) as u8));
    whole.extend_from_slice(b"\r\n");
    let value = &whole[header_bytes..header_bytes + LONG_BYTES];
    assert_eq!(ask(&mut gateway, &frame(1, &[b"SET", b"long", value])), done("+OK\r\n"));
    assert_eq!(ask(&mut gateway, &frame(1, SET)), done("+OK\r\n"));
    let before = resident_bytes();
    gateway.send(&frame(u32::MAX, &[b"GET", b"long"]));
    let (mut at, mut next_short, mut held) = (0, 0, 0);
    loop {
        let (id, tail, bytes) = next(&mut gateway);
        if id != u32::MAX {
            assert_eq!((id, tail, &bytes[..]), (next_short, Tail::Done, &b"$1\r\nv\r\n"[..]));
            next_short += 1;
            continue;
        }
        if at == 0 {
            // The long one is on its way.
            gateway.send(&(0..SHORT).flat_map(|id| frame(id, GET)).collect::<Vec<_>>());
        }
        assert!(whole[at..].starts_with(&bytes), "at {at}");
        at += bytes.len();
        held = held.max(resident_bytes());
        if tail == Tail::Done {
            break;
        }
    }
    assert_eq!((at, next_short), (whole.len(), SHORT));
    assert!(held > before + LONG_BYTES / 2, "{held} bytes while it was held, {before} before");
    // Nothing says when the shard is done with what it has written.
    eventually("its memory returns", || {
        assert_eq!(ask(&mut gateway, &frame(1, GET)), done("$1\r\nv\r\n"));
        resident_bytes() <= before + LONG_BYTES / 2
    });
}
