//! Access control: what rules say, and whether they allow a request. Nothing here knows who is connected.
//!
//! A user has [`Rules`]: passwords, a few marks, and [`Selector`]s. A selector allows some commands on some keys and some
//! channels; a request is allowed if one selector allows all of it. The words are those of Redis, and so are the texts
//! that rules are told in.
//!
//! Source: Redis 7.2 `acl.c`, and "ACL" of its documentation.

mod bits;
mod named;
mod rules;
mod selector;
#[cfg(test)]
mod tests;

pub use self::named::{categories, command_of, commands_of, like};
pub use self::rules::{Rules, merged};
pub use self::selector::{Denied, Selector};

/// The name of the user that clients are before they say who they are.
pub const DEFAULT_USER: &[u8] = b"default";

/// Why a rule is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// No such command or category.
    Unknown,
    /// No rule at all, or a pattern with blanks in it.
    Syntax,
    /// A pattern of keys where all are allowed already.
    AllKeys,
    /// A pattern of channels where all are allowed already.
    AllChannels,
    /// A password to be removed that is not there.
    NoPassword,
    /// A digest that is none.
    NoDigest,
    /// An argument of a subcommand.
    ArgumentOfSubcommand,
    /// More of a kind than [`crate::limits::ACL_LISTED_MAX`].
    TooMany,
}

impl Mistake {
    /// What Redis says of it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown command or category name in ACL",
            Self::Syntax => "Syntax error",
            Self::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have \
                 any effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoPassword => "The password you are trying to remove from the user does not exist",
            Self::NoDigest => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Self::ArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            Self::TooMany => "One user cannot have so many of these",
        }
    }
}

/// Whether a name or pattern has a blank or a zero byte in it, which none may. Source: Redis `ACLStringHasSpaces`.
pub fn has_blanks(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}
