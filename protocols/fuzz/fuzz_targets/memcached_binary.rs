//! The binary protocol: frames whose parts are as long as their header says, and then whatever comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols_fuzz::{cuts_and_input, memcached_agrees};

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = cuts_and_input(data) else { return };
    let mut sent = Vec::new();
    let mut rest = input;
    while let Some((&[opcode, key_bytes, extras_bytes, value_bytes], after)) = rest.split_first_chunk() {
        let [key, extras, value] =
            [key_bytes % 32, extras_bytes % 24, value_bytes].map(|bytes| usize::from(bytes).min(after.len()));
        let body = (key + extras + value).min(after.len());
        sent.extend_from_slice(&[0x80, opcode, 0, key_bytes % 32, extras_bytes % 24, 0, 0, 0]);
        sent.extend_from_slice(&u32::try_from(body).expect("it is in memory").to_be_bytes());
        sent.extend_from_slice(&[0; 12]);
        sent.extend_from_slice(&after[..body]);
        rest = &after[body..];
    }
    sent.extend_from_slice(rest);
    memcached_agrees(cuts, &sent);
    if input.first() == Some(&0x80) {
        memcached_agrees(cuts, input);
    }
});
