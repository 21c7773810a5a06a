//! One item of the first, simple table.

use crate::db::{Encoding, Metadata};

/// A value with everything that is kept beside it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) encoding: Encoding,
    pub(crate) int: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) meta: Metadata,
    pub(crate) fetched: bool,
    pub(crate) accessed_ms: u64,
}

impl Item {
    pub(crate) fn of(value: &[u8]) -> Self {
        if let Some(int) = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok())
            && itoa::Buffer::new().format(int).as_bytes() == value
        {
            return Self::of_int(int);
        }
        Self::of_bytes(value)
    }

    pub(crate) fn of_bytes(value: &[u8]) -> Self {
        let encoding = if value.len() <= 44 { Encoding::Embstr } else { Encoding::Raw };
        Self { encoding, bytes: value.to_vec(), ..Self::of_int(0) }
    }

    pub(crate) fn of_int(int: i64) -> Self {
        Self {
            encoding: Encoding::Int,
            int,
            bytes: Vec::new(),
            meta: Metadata::default(),
            fetched: false,
            accessed_ms: 0,
        }
    }

    pub(crate) fn make_raw(&mut self) {
        if self.encoding == Encoding::Int {
            self.bytes = self.int.to_string().into_bytes();
        }
        self.encoding = Encoding::Raw;
    }

    pub(crate) fn expired(&self, now_ms: u64) -> bool {
        self.meta.expire_at.is_some_and(|at| now_ms > at)
    }
}
