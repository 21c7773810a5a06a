//! Glob patterns as Redis matches them (KEYS, SCAN MATCH, CONFIG GET, ACL).
//!
//! `*` any bytes, `?` one byte, `[ab]`, `[^ab]` and `[a-c]` one byte of a class or not of it, `\x` the byte
//! `x`. Everything but `*` takes exactly one byte, so a mismatch after a `*` needs only the latest `*` to
//! take one byte more: the time is at most pattern times text, never exponential.
//!
//! Source: Redis `util.c`, `stringmatchlen`; the odd cases of classes without an end are its own.

/// Whether capitals and small letters differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They do.
    Sensitive,
    /// ASCII letters match in either case.
    Ignored,
}

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    // As in Redis, no byte at all is matched by the empty pattern only, not even by stars.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on when nothing fits: after the latest star, one byte of text further than last time.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            if pattern.is_empty() {
                return true;
            }
            retry = Some((pattern, text));
            continue;
        }
        if let Some((&byte, text_rest)) = text.split_first()
            && let Some(pattern_rest) = one(pattern, byte, case)
        {
            (pattern, text) = (pattern_rest, text_rest);
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        match retry {
            Some((after_star, [_, text_rest @ ..])) => {
                retry = Some((after_star, text_rest));
                (pattern, text) = (after_star, text_rest);
            }
            _ => return false,
        }
    }
}

/// The pattern after its first element, if there is one and it takes `byte`; it is not a star.
fn one(pattern: &[u8], byte: u8, case: Case) -> Option<&[u8]> {
    let (matched, rest) = match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'[', class @ ..] => in_class(class, byte, case),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => {
            (fold(*literal, case) == fold(byte, case), rest)
        }
        [] => return None,
    };
    matched.then_some(rest)
}

/// Whether `byte` is in the class that begins after its `[`, and the pattern after the class.
fn in_class(class: &[u8], byte: u8, case: Case) -> (bool, &[u8]) {
    let (wanted, mut class) = match class {
        [b'^', rest @ ..] => (false, rest),
        class => (true, class),
    };
    let folded = fold(byte, case);
    let mut found = false;
    loop {
        class = match class {
            [] => return (found == wanted, class),
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => return (found == wanted, rest),
            [from, b'-', to, rest @ ..] => {
                let (from, to) = (fold(*from, case), fold(*to, case));
                found |= (from.min(to)..=from.max(to)).contains(&folded);
                rest
            }
            [literal, rest @ ..] => {
                found |= fold(*literal, case) == folded;
                rest
            }
        };
    }
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Sensitive => byte,
        Case::Ignored => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis-server 7.0.15 answers to `KEYS pattern` with these keys.
    const KEYS: [&str; 11] = ["a", "b", "ab", "abc", "[", "]", "a]", "\\", "-", "^", "A"];

    #[test]
    fn patterns_match_what_redis_matches() {
        for (pattern, expected) in [
            ("*", &KEYS[..]),
            ("**", &KEYS),
            ("?", &["a", "b", "[", "]", "\\", "-", "^", "A"]),
            ("??", &["ab", "a]"]),
            ("a*", &["a", "ab", "abc", "a]"]),
            ("a**", &["a", "ab", "abc", "a]"]),
            ("a?*", &["ab", "abc", "a]"]),
            ("*b", &["b", "ab"]),
            ("*b*", &["b", "ab", "abc"]),
            ("*b*c", &["abc"]),
            ("[", &[]),
            ("[^", &["a", "b", "[", "]", "\\", "-", "^", "A"]),
            ("[]", &[]),
            ("[^]", &["a", "b", "[", "]", "\\", "-", "^", "A"]),
            ("[]]", &[]),
            ("[^a]", &["b", "[", "]", "\\", "-", "^", "A"]),
            ("[a", &["a"]),
            ("[ab", &["a", "b"]),
            ("[b-a]", &["a", "b"]),
            ("[a-", &["a", "-"]),
            ("[a-]", &["a", "]", "^"]),
            ("[-a]", &["a", "-"]),
            ("[a-b-c]", &["a", "b", "-"]),
            ("[A-b]", &["a", "b", "[", "]", "\\", "^", "A"]),
            ("[\\]]", &["]"]),
            ("[\\", &["\\"]),
            ("\\", &["\\"]),
            ("\\a", &["a"]),
            ("a[^", &["ab", "a]"]),
            ("", &[]),
        ] {
            let matched: Vec<&str> = KEYS
                .into_iter()
                .filter(|key| matches(pattern.as_bytes(), key.as_bytes(), Case::Sensitive))
                .collect();
            assert_eq!(matched, expected, "{pattern}");
        }
    }

    #[test]
    fn the_empty_text_is_matched_by_the_empty_pattern_alone() {
        assert!(matches(b"", b"", Case::Sensitive));
        assert!(!matches(b"**", b"", Case::Sensitive));
    }

    #[test]
    fn case_is_ignored_where_it_should_be() {
        assert!(matches(b"MAX*-[P-S]*", b"maxmemory-policy", Case::Ignored));
        assert!(!matches(b"MAX*", b"maxmemory", Case::Sensitive));
    }

    #[test]
    fn many_stars_take_no_more_than_pattern_times_text() {
        let (pattern, text) = ("a*".repeat(5000) + "b", "a".repeat(10_000));
        assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive));
    }
}
