//! Bytes that wait to be sent, in pieces.
//!
//! In one piece, what waits would move, and take twice its memory, each time it doubles, and all of it would be let go at
//! once. Pieces stay where they are and are let go one by one.

use std::collections::VecDeque;

/// Bytes to which pieces are filled. One that was handed over as it was may be longer.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of all.
    bytes: usize,
}

impl Pieces {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds these bytes as a whole: no piece ends within them.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        match self.pieces.back_mut() {
            Some(piece) if piece.len() + bytes.len() <= PIECE_BYTES => piece.extend_from_slice(bytes),
            _ => self.pieces.push_back(bytes.to_vec()),
        }
    }

    /// Adds these bytes wherever there is room, and begins with a piece for `expected` bytes where there is none, or for all
    /// that is there if that is more: each piece costs a turn of who writes them.
    pub(crate) fn fill(&mut self, mut bytes: &[u8], expected: usize) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let room = self.pieces.back().map_or(0, |piece| piece.capacity() - piece.len());
            if room == 0 {
                self.pieces.push_back(Vec::with_capacity(expected.max(bytes.len()).min(PIECE_BYTES)));
                continue;
            }
            let Some(piece) = self.pieces.back_mut() else { return };
            let (now, then) = bytes.split_at(bytes.len().min(room));
            piece.extend_from_slice(now);
            bytes = then;
        }
    }

    /// Adds a piece as it is.
    pub(crate) fn push(&mut self, piece: Vec<u8>) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Adds all pieces of `others`. What would hardly fill one is copied to the end of the last, if there is room.
    pub(crate) fn append(&mut self, mut others: Self) {
        if let (Some(last), Some(next)) = (self.pieces.back_mut(), others.pieces.front())
            && next.len() <= PIECE_BYTES / 4
            && next.len() <= last.capacity() - last.len()
        {
            last.extend_from_slice(next);
            others.pieces.pop_front();
        }
        self.bytes += others.bytes;
        self.pieces.append(&mut others.pieces);
    }

    /// Takes the first piece out.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }

    /// Puts the first piece back.
    pub(crate) fn put_back(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.pieces.push_front(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut pieces: Pieces) -> (Vec<usize>, Vec<u8>) {
        let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
        while let Some(piece) = pieces.pop() {
            lengths.push(piece.len());
            bytes.extend_from_slice(&piece);
        }
        assert_eq!(pieces.bytes(), 0);
        (lengths, bytes)
    }

    #[test]
    fn what_is_much_longer_than_expected_is_in_few_pieces_all_the_same() {
        let mut pieces = Pieces::default();
        let part: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES / 2).collect();
        pieces.fill(&part, 16);
        assert_eq!(all(pieces), (vec![PIECE_BYTES, PIECE_BYTES / 2], part));
    }

    #[test]
    fn what_has_come_stays_where_it_is() {
        let mut pieces = Pieces::default();
        let part: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        pieces.fill(&part, 2 * PIECE_BYTES);
        let first = pieces.pieces[0].as_ptr();
        for _ in 1..7 {
            pieces.fill(&part, PIECE_BYTES);
        }
        assert_eq!(pieces.pieces[0].as_ptr(), first);
        assert_eq!(pieces.bytes(), 7 * part.len());
        let (lengths, bytes) = all(pieces);
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, 7 * part.len() - 2 * PIECE_BYTES]);
        assert!(bytes == part.repeat(7));
    }

    #[test]
    fn pieces_are_handed_over_and_only_short_ones_copied() {
        let mut pieces = Pieces::default();
        pieces.fill(b"a", 10);
        let mut others = Pieces::default();
        others.push(b"bc".to_vec());
        let long = vec![b'd'; 3 * PIECE_BYTES];
        let place = long.as_ptr();
        others.push(long);
        others.push(Vec::new());
        pieces.append(others);
        assert_eq!(pieces.pieces[1].as_ptr(), place);
        assert_eq!(pieces.bytes(), 3 * PIECE_BYTES + 3);
        let (lengths, bytes) = all(pieces);
        assert_eq!(lengths, [3, 3 * PIECE_BYTES]);
        assert!(bytes.starts_with(b"abcd"));
    }

    #[test]
    fn what_is_added_as_a_whole_is_not_torn() {
        let mut pieces = Pieces::default();
        for _ in 0..5 {
            pieces.add(&vec![0; PIECE_BYTES / 3 + 1]);
        }
        assert_eq!(
            all(pieces).0,
            [2 * (PIECE_BYTES / 3 + 1), 2 * (PIECE_BYTES / 3 + 1), PIECE_BYTES / 3 + 1]
        );
    }
}
