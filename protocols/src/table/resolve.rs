//! From the words of a RESP request to its row, or to the exact error that says why there is none.

use super::{Row, lookup};
use crate::reply::Reply;
use crate::request::Args;
use crate::slot::slot_of;

/// Bytes of a command's name, and of its arguments, that an error repeats. Source: Redis `server.c`,
/// `commandCheckExistence`.
const ECHO_BYTES_MAX: usize = 128;

/// The longest name of a subcommand with its container, `CONTAINER|SUBCOMMAND`, that is looked up.
const NAME_BYTES_MAX: usize = 64;

/// Why a request has no row, or not enough arguments for it.
#[derive(Clone, Copy, Debug)]
pub enum Unresolved {
    /// No command of this name.
    Command,
    /// The container is there, the subcommand is not.
    Subcommand(&'static Row),
    /// Too few or too many arguments for this row.
    Arity(&'static Row),
}

/// The row `args` ask for; `args` are not empty.
///
/// # Errors
/// As Redis, the name is looked at first, then the number of arguments.
#[inline]
pub fn resolve(args: &Args<'_>) -> Result<&'static Row, Unresolved> {
    let mut row = lookup(args.at(0)).filter(|row| !row.subcommand).ok_or(Unresolved::Command)?;
    if row.container
        && let Some(word) = args.get(1)
    {
        row = subcommand(row, word).ok_or(Unresolved::Subcommand(row))?;
    }
    if row.takes(args.len()) { Ok(row) } else { Err(Unresolved::Arity(row)) }
}

/// Whether the keys of a request for `row` are in one slot, as they have to be in a cluster.
#[inline]
pub fn is_in_one_slot(row: &Row, args: &Args<'_>) -> bool {
    if row.keys.is_empty() || row.only_key().is_some() {
        return true;
    }
    let mut slots = row.keys_of(args).map(|key| slot_of(args.at(key.index)));
    let first = slots.next();
    slots.all(|slot| Some(slot) == first)
}

/// The row of `container`'s subcommand `word`, in any case.
pub(super) fn subcommand(container: &Row, word: &[u8]) -> Option<&'static Row> {
    let mut name = [0; NAME_BYTES_MAX];
    let bar = container.name.len();
    let end = bar + 1 + word.len();
    let name = name.get_mut(..end)?;
    name[..bar].copy_from_slice(container.name.as_bytes());
    name[bar] = b'|';
    name[bar + 1..].copy_from_slice(word);
    lookup(name)
}

/// What `DEBUG` looks for itself, with any number of arguments. Source: Redis `addReplySubcommandSyntaxError`.
const DEBUG_UNKNOWN: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";

impl Unresolved {
    /// Writes the error Redis gives for the request `args`.
    pub fn answer(self, args: &Args<'_>, reply: &mut Reply<'_>) {
        match self {
            Self::Command => {
                let mut rest = Vec::new();
                for arg in args.iter().skip(1) {
                    if rest.len() >= ECHO_BYTES_MAX {
                        break;
                    }
                    let arg = echo(arg, ECHO_BYTES_MAX - rest.len());
                    rest.extend_from_slice(&[b"'", arg, b"' "].concat());
                }
                let name = echo(args.at(0), ECHO_BYTES_MAX);
                reply.error_of(&[b"ERR unknown command '", name, b"', with args beginning with: ", &rest]);
            }
            Self::Subcommand(container) => {
                let word = echo(args.at(1), ECHO_BYTES_MAX);
                let unknown: &[u8] = match container.name {
                    "DEBUG" => DEBUG_UNKNOWN,
                    _ => b"ERR unknown subcommand '",
                };
                reply.error_of(&[unknown, word, b"'. Try ", container.name.as_bytes(), b" HELP."]);
            }
            Self::Arity(row) if row.name.starts_with("DEBUG|") => {
                let word = echo(args.at(1), ECHO_BYTES_MAX);
                reply.error_of(&[DEBUG_UNKNOWN, word, b"'. Try DEBUG HELP."]);
            }
            Self::Arity(row) => reply.error(format_args!(
                "ERR wrong number of arguments for '{}' command",
                row.name.to_ascii_lowercase()
            )),
        }
    }
}

/// At most `most` bytes of `text`, up to a zero byte if there is one.
fn echo(text: &[u8], most: usize) -> &[u8] {
    let text = &text[..text.len().min(most)];
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, Verb, Words};

    fn with_args<T>(words: &[&[u8]], f: impl FnOnce(&Args<'_>) -> T) -> T {
        f(&Words::new(words).args())
    }

    fn error(words: &[&[u8]]) -> String {
        with_args(words, |args| {
            let mut out = Vec::new();
            resolve(args).unwrap_err().answer(args, &mut Reply::new(&mut out, Dialect::Resp2));
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn a_subcommand_is_found_in_any_case() {
        use crate::table::connection::Connection;
        let row = with_args(&[b"clIent", b"No-Evict", b"on"], |args| resolve(args).unwrap());
        assert_eq!(row.verb, Verb::Connection(Connection::ClientNoEvict));
    }

    #[test]
    fn no_container_but_command_is_a_command_itself() {
        for row in crate::table::rows().filter(|row| row.container) {
            assert_eq!(row.takes(1), row.name == "COMMAND", "{}", row.name);
        }
    }

    #[test]
    fn keys_of_a_cluster_s_request_are_in_one_slot() {
        for (words, fits) in [
            (&[&b"get"[..], b"a"][..], true),
            (&[b"ping", b"a"], true),
            (&[b"mget", b"a", b"b"], false),
            (&[b"mget", b"a", b"a"], true),
            (&[b"mset", b"{x}1", b"a", b"{x}2", b"b"], true),
            (&[b"mset", b"a", b"a", b"b", b"a"], false),
            (&[b"bitop", b"and", b"{x}1", b"{x}2", b"x"], true),
            (&[b"rename", b"a", b"b"], false),
            (&[b"lcs", b"{x}1", b"{y}1"], false),
        ] {
            let found = with_args(words, |args| is_in_one_slot(resolve(args).unwrap(), args));
            assert_eq!(found, fits, "{words:?}");
        }
    }

    #[test]
    fn every_subcommand_stands_under_a_container_and_every_container_has_one() {
        use std::collections::BTreeSet;
        let under: BTreeSet<_> =
            crate::table::rows().filter_map(|row| row.name.split_once('|')).map(|(name, _)| name).collect();
        let containers: BTreeSet<_> =
            crate::table::rows().filter(|row| row.container).map(|row| row.name).collect();
        assert_eq!(under, containers);
    }

    #[test]
    fn what_is_not_there_is_refused_in_the_words_of_redis() {
        assert_eq!(
            error(&[b"foo", b"a\r\n", b"b"]),
            "-ERR unknown command 'foo', with args beginning with: 'a  ' 'b' \r\n"
        );
        assert_eq!(error(&[b"foo"]), "-ERR unknown command 'foo', with args beginning with: \r\n");
        assert_eq!(
            error(&[b"config|get", b"a"]),
            "-ERR unknown command 'config|get', with args beginning with: 'a' \r\n"
        );
        let long = [b'x'; 200];
        assert_eq!(
            error(&[&long, b"12345", &long, b"never shown"]),
            format!(
                "-ERR unknown command '{}', with args beginning with: '12345' '{}' \r\n",
                "x".repeat(128),
                "x".repeat(120)
            )
        );
        assert_eq!(error(&[b"client", b"fOo"]), "-ERR unknown subcommand 'fOo'. Try CLIENT HELP.\r\n");
        for word in ["fOo", "SLEEP"] {
            let told = format!(
                "-ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP.\r\n"
            );
            assert_eq!(error(&[b"debug", word.as_bytes()]), told);
        }
        assert_eq!(error(&[b"client"]), "-ERR wrong number of arguments for 'client' command\r\n");
        assert_eq!(
            error(&[b"client", b"id", b"x"]),
            "-ERR wrong number of arguments for 'client|id' command\r\n"
        );
    }
}
