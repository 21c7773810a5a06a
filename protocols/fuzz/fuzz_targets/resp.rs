//! Arrays of bulk strings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols_fuzz::{cuts_and_input, resp_requests};

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = cuts_and_input(data) else { return };
    for authenticated in [true, false] {
        let whole = resp_requests(&[], input, authenticated);
        assert_eq!(resp_requests(cuts, input, authenticated), whole);
        for (_, words) in &whole.0 {
            assert!(words.iter().map(Vec::len).sum::<usize>() <= input.len());
        }
    }
});
