//! Words of a line. Source: memcached `proto_text.c`, `tokenize_command`.

use nom::bytes::complete::{take_till1, take_while};
use nom::{IResult, Parser as _};

use crate::request::Span;

/// The next word of `line`: words are separated by blanks, and a zero byte ends the line.
fn word(line: &[u8]) -> IResult<&[u8], &[u8]> {
    let (line, _) = take_while(|byte| byte == b' ').parse(line)?;
    take_till1(|byte| byte == b' ' || byte == 0).parse(line)
}

/// Where the next word of `line` at or after `at` lies.
#[inline]
pub(super) fn next_word(line: &[u8], at: usize) -> Option<Span> {
    let (rest, word) = word(&line[at..]).ok()?;
    let end = line.len() - rest.len();
    Some(Span::new(end - word.len(), end))
}

/// The first `N` words of a line; more are only counted.
pub(super) struct Words<'a, const N: usize> {
    line: &'a [u8],
    spans: [Span; N],
    /// How many words the line has.
    pub(super) count: usize,
}

impl<'a, const N: usize> Words<'a, N> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut words = Self { line, spans: [Span::new(0, 0); N], count: 0 };
        let mut at = 0;
        while let Some(span) = next_word(line, at) {
            if let Some(place) = words.spans.get_mut(words.count) {
                *place = span;
            }
            words.count += 1;
            at = span.end as usize;
        }
        words
    }

    /// Word `index`, empty if there are fewer.
    pub(super) fn at(&self, index: usize) -> &'a [u8] {
        let Span { start, end } = self.span(index);
        &self.line[start as usize..end as usize]
    }

    pub(super) fn span(&self, index: usize) -> Span {
        self.spans[index]
    }

    /// Whether the last of the words asks for no answer.
    pub(super) fn says_noreply(&self) -> bool {
        self.count > 0 && self.count <= N && self.at(self.count - 1) == b"noreply"
    }
}

/// A line without its `\n` or `\r\n`. A lone `\r` stays, as in memcached.
#[inline]
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    match line {
        [.., _, b'\r', b'\n'] => &line[..line.len() - 2],
        [.., b'\n'] => &line[..line.len() - 1],
        _ => line,
    }
}

/// Adds the words of `line` from `at` on.
pub(super) fn push_words(line: &[u8], mut at: usize, spans: &mut Vec<Span>) {
    while let Some(word) = next_word(line, at) {
        spans.push(word);
        at = word.end as usize;
    }
}
