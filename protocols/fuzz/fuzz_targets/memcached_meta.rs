//! Meta commands: every line begins as one of them does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols_fuzz::{cuts_and_input, memcached_agrees};

const NAMES: [&[u8]; 8] = [b"mg ", b"ms ", b"md ", b"ma ", b"me ", b"mn ", b"mg", b"mn"];

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = cuts_and_input(data) else { return };
    let mut sent = Vec::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some((&name, rest)) = line.split_first() else { continue };
        sent.extend_from_slice(NAMES[usize::from(name) % NAMES.len()]);
        sent.extend_from_slice(rest);
        sent.push(b'\n');
    }
    memcached_agrees(cuts, &sent);
});
