//! Looking for an element: what a packed hash or set does on every access.

use tidegate_protocols::number::integer;

use super::{END, Element, Listpack, Position, SHORT, element, step};

/// What is looked for, with what tells most elements from it at one glance.
pub(crate) struct Needle<'a> {
    text: &'a [u8],
    int: Option<i64>,
    /// The only short heads it may have: as a text, and as an integer.
    heads: [u8; 2],
    /// Its last eight bytes, in the upper ones of a word.
    tail: u64,
    /// How many bits of such a word are not its own.
    foreign: u32,
}

impl<'a> Needle<'a> {
    #[inline]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let int = integer(text);
        // A text that is too long for a short head is found by its long one.
        let as_text = if text.len() < 64 { 0x80 | text.len() as u8 } else { END };
        let as_int = int.and_then(|number| u8::try_from(number).ok()).filter(|&head| head < 0x80);
        let mut tail = [0; 8];
        let own = text.len().min(8);
        tail[8 - own..].copy_from_slice(&text[text.len() - own..]);
        Self {
            text,
            int,
            heads: [as_text, as_int.unwrap_or(as_text)],
            tail: u64::from_le_bytes(tail),
            foreign: 64 - 8 * own as u32,
        }
    }

    /// Whether the element with this head at `at` is it.
    #[inline]
    fn is_at(&self, bytes: &[u8], at: usize, head: u8) -> bool {
        if head == self.heads[0] { self.is_text_at(bytes, at) } else { self.is(element(bytes, at)) }
    }

    /// The same for a text with the short head of this length. Names of fields often begin alike, so it is the end
    /// that is looked at first. The eight bytes before it are always there: more than that many precede any text.
    #[inline]
    fn is_text_at(&self, bytes: &[u8], at: usize) -> bool {
        let end = at + 1 + self.text.len();
        let Some(last) = bytes[..end].last_chunk() else { return self.text.is_empty() };
        let differs = (u64::from_le_bytes(*last) ^ self.tail).checked_shr(self.foreign).unwrap_or(0);
        differs == 0 && (self.text.len() <= 8 || bytes[at + 1..end] == *self.text)
    }

    /// Whether an element is it.
    #[inline]
    pub(crate) fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(number) => self.int == Some(number),
            Element::Text(text) => text == self.text,
        }
    }
}

impl Listpack<'_> {
    /// The first element from `from` on that is `text`, where only every (`skip` + 1)th is looked at.
    #[inline]
    pub(crate) fn find(self, from: Position, text: &[u8], skip: usize) -> Option<Position> {
        self.find_needle(from, &Needle::new(text), skip)
    }

    /// The same for who looks for one text many times.
    #[inline]
    pub(crate) fn find_needle(self, from: Position, needle: &Needle<'_>, skip: usize) -> Option<Position> {
        let (bytes, mut at) = (self.0, from.0);
        loop {
            let head = bytes[at];
            let may_be = head == needle.heads[0] || head == needle.heads[1] || head >= SHORT;
            if may_be {
                if head == END {
                    return None;
                }
                if needle.is_at(bytes, at, head) {
                    return Some(Position(at));
                }
            }
            for _ in 0..=skip {
                if bytes[at] == END {
                    return None;
                }
                at = step(bytes, at);
            }
        }
    }
}
