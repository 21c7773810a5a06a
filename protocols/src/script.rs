//! What a script says of itself, as far as those need to know who do not run it.

/// Whether a script says in its first line that it writes nothing (`#!lua flags=no-writes`).
pub fn is_reader(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let says = |word: &[u8]| {
        let flags = word.strip_prefix(b"flags=").unwrap_or_default();
        flags.split(|&byte| byte == b',').any(|flag| flag == b"no-writes")
    };
    line.starts_with(b"#!") && line.split(u8::is_ascii_whitespace).any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reads_only_if_its_first_line_says_so() {
        for (text, reads) in [
            ("#!lua flags=no-writes\nreturn 1", true),
            ("#!lua flags=allow-stale,no-writes\r\nreturn 1", true),
            ("#!lua\nreturn 'flags=no-writes'", false),
            ("#!lua flags=allow-oom\nreturn 1", false),
            ("return 1 -- flags=no-writes", false),
            ("", false),
        ] {
            assert_eq!(is_reader(text.as_bytes()), reads, "{text}");
        }
    }
}
