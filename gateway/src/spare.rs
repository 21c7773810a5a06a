//! Buffers to be used again, as long as they take little memory together.

use crate::limits::KEPT_BYTES;

/// See the module.
#[derive(Default)]
pub(crate) struct Spare {
    buffers: Vec<Vec<u8>>,
    /// Bytes of memory of all.
    bytes: usize,
}

impl Spare {
    /// An empty buffer.
    #[inline]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer that is not needed any more, or lets it go.
    #[inline]
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if bytes > 0 && self.bytes + bytes <= KEPT_BYTES {
            buffer.clear();
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_may_be_however_many_have_been_in_use() {
        let mut spare = Spare::default();
        let longest = KEPT_BYTES / 16;
        let buffers: Vec<_> = (0..100).map(|_| spare.take()).collect();
        for mut buffer in buffers {
            buffer.resize(longest, 1);
            spare.give_back(buffer);
        }
        assert_eq!((spare.buffers.len(), spare.bytes), (16, KEPT_BYTES));
        let buffer = spare.take();
        assert_eq!((buffer.len(), buffer.capacity()), (0, longest));
        spare.give_back(Vec::new());
        assert_eq!((spare.buffers.len(), spare.bytes), (15, KEPT_BYTES - longest));
    }
}
