//! Which key, or which field of a hash, an element leads to.

use crate::db::Db;
use crate::hashes;

/// `#` for the element itself; or a key with the element in the place of the first `*`, and after `->` a field of it.
pub(super) struct Pattern<'a> {
    is_element: bool,
    /// What stands before and behind the element; nothing is looked up without one.
    key: Option<(&'a [u8], &'a [u8])>,
    field: Option<&'a [u8]>,
}

impl<'a> Pattern<'a> {
    /// Source: Redis `sort.c`, `lookupKeyByPattern`.
    pub(super) fn new(text: &'a [u8]) -> Self {
        let Some(star) = text.iter().position(|&byte| byte == b'*') else {
            return Self { is_element: text == b"#", key: None, field: None };
        };
        let (before, behind) = (&text[..star], &text[star + 1..]);
        let arrow = behind.windows(2).position(|two| two == b"->").filter(|arrow| arrow + 2 < behind.len());
        let key = (before, &behind[..arrow.unwrap_or(behind.len())]);
        Self { is_element: false, key: Some(key), field: arrow.map(|arrow| &behind[arrow + 2..]) }
    }

    /// Whether it leads to no key.
    pub(super) fn is_constant(&self) -> bool {
        self.key.is_none()
    }

    /// Hands to `take` what `element` leads to.
    pub(super) fn look_up(&self, element: &[u8], db: &mut Db<'_>, take: impl FnOnce(Option<&[u8]>)) {
        let Some((before, behind)) = self.key else {
            return take(self.is_element.then_some(element));
        };
        let key = [before, element, behind].concat();
        let now_ms = db.now_ms();
        let Some(entry) = db.read(&key) else { return take(None) };
        match self.field {
            Some(field) => {
                let value = hashes::value_of(&entry, field, now_ms);
                take(value.map(|value| value.text(&mut itoa::Buffer::new()).to_vec()).as_deref());
            }
            None => match entry.text() {
                Ok(mut text) => take(Some(text.bytes())),
                Err(_) => take(None),
            },
        }
    }
}
