//! Commands on the bits of strings.

use super::family;

family! {
    /// Commands on the bits of strings.
    Bitmaps "bitmap"
}
