//! The end of an answer: found at the same place whatever follows it, and nowhere in a part of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols::resp::answer::{head, whole};

fuzz_target!(|data: &[u8]| {
    let _ = head(data);
    if let Some(bytes) = whole(data) {
        assert!(bytes > 0 && bytes <= data.len());
        assert_eq!(whole(&data[..bytes]), Some(bytes));
        assert_eq!(whole(&data[..bytes - 1]), None);
    }
});
