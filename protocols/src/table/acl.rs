//! The ACL categories of a row: those it names and those that follow from its flags.

use super::row::{Categories, Flags, Row};

/// What each flag puts a command into. Source: Redis `server.c`, `setImplicitACLCategories`.
const IMPLIED: &[(Flags, Categories)] = &[
    (Flags::WRITE, Categories::WRITE),
    (Flags::ADMIN, Categories::ADMIN.and(Categories::DANGEROUS)),
    (Flags::PUBSUB, Categories::PUBSUB),
    (Flags::FAST, Categories::FAST),
    (Flags::BLOCKING, Categories::BLOCKING),
];

impl Row {
    /// All ACL categories of the command.
    pub fn all_categories(&self) -> Categories {
        let mut all = self.categories;
        for &(flag, categories) in IMPLIED {
            if self.flags.has(flag) {
                all = all.and(categories);
            }
        }
        // Scripts that only read do not count as reading: what they read is not known.
        if self.flags.has(Flags::READONLY) && !all.has(Categories::SCRIPTING) {
            all = all.and(Categories::READ);
        }
        if all.has(Categories::FAST) { all } else { all.and(Categories::SLOW) }
    }
}
