//! Inline commands, compared with a plain model of how their words are split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_protocols_fuzz::{cuts_and_input, resp_requests};

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = cuts_and_input(data) else { return };
    // One line, which does not begin as an array does.
    let line: Vec<u8> = input.iter().copied().filter(|&byte| byte != b'\n').collect();
    if line.first() == Some(&b'*') {
        return;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    let sent = [line, b"\r\n"].concat();
    let (requests, fault) = resp_requests(&[], &sent, true);
    assert_eq!(resp_requests(cuts, &sent, true), (requests.clone(), fault));
    let split: Vec<Vec<u8>> = requests.into_iter().flat_map(|(_, words)| words).collect();
    match model(line) {
        Some(words) => assert_eq!((split, fault), (words, None)),
        None => assert!(split.is_empty() && fault.is_some()),
    }
});

/// The words of a line; `None` if a quote is not closed at the end of a word.
fn model(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_space = |byte: u8| byte == b' ' || (9..=13).contains(&byte);
    let mut bytes = line.iter().copied().peekable();
    let mut words = Vec::new();
    loop {
        while bytes.next_if(|&byte| is_space(byte)).is_some() {}
        if bytes.peek().is_none() {
            return Some(words);
        }
        let mut word = Vec::new();
        while let Some(byte) = bytes.next_if(|byte| !b" \r\n\t".contains(byte)) {
            match byte {
                b'"' => {
                    double_quoted(&mut bytes, &mut word)?;
                    break;
                }
                b'\'' => {
                    single_quoted(&mut bytes, &mut word)?;
                    break;
                }
                byte => word.push(byte),
            }
        }
        let closed_at_end = bytes.peek().is_none_or(|&next| is_space(next));
        words.push(word);
        if !closed_at_end {
            return None;
        }
    }
}

type Bytes<'a> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>;

fn double_quoted(bytes: &mut Bytes<'_>, word: &mut Vec<u8>) -> Option<()> {
    loop {
        let byte = match bytes.next()? {
            b'"' => return Some(()),
            b'\\' => escaped(bytes)?,
            byte => byte,
        };
        word.push(byte);
    }
}

fn escaped(bytes: &mut Bytes<'_>) -> Option<u8> {
    Some(match bytes.next()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        b'x' => {
            let mut ahead = bytes.clone();
            let digits = [ahead.next(), ahead.next()].map(|byte| char::from(byte?).to_digit(16));
            let [Some(high), Some(low)] = digits else { return Some(b'x') };
            *bytes = ahead;
            u8::try_from(high * 16 + low).expect("two digits")
        }
        byte => byte,
    })
}

fn single_quoted(bytes: &mut Bytes<'_>, word: &mut Vec<u8>) -> Option<()> {
    loop {
        match bytes.next()? {
            b'\'' => return Some(()),
            b'\\' if bytes.next_if_eq(&b'\'').is_some() => word.push(b'\''),
            byte => word.push(byte),
        }
    }
}
