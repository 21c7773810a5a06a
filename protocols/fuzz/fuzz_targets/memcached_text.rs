//! The classic text protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols_fuzz::{cuts_and_input, memcached_agrees};

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = cuts_and_input(data) else { return };
    if input.first() != Some(&0x80) {
        memcached_agrees(cuts, input);
    }
});
