//! `CONTAINER HELP`, made from the rows of the container's subcommands.

use super::{Row, rows};
use crate::reply::{Collection, Reply};

/// Writes what `HELP` says of the subcommands that stand beside `help`, the row of a `CONTAINER|HELP`: the
/// frame and the types of Redis's own helps, our words.
pub fn help(help: &Row, reply: &mut Reply<'_>) {
    let container = help.name.split('|').next().unwrap_or(help.name);
    let list = reply.deferred(Collection::Array);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    let mut lines = 1;
    for row in rows() {
        if row.name.split_once('|').is_none_or(|(of, _)| of != container) {
            continue;
        }
        reply.simple(&row.to_string()[container.len() + 1..]);
        reply.simple(&format!("    {}", row.summary));
        lines += 2;
    }
    reply.finish(list, lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::table::lookup;

    #[test]
    fn help_names_every_subcommand_of_its_container() {
        let mut out = Vec::new();
        help(lookup(b"object|help").unwrap(), &mut Reply::new(&mut out, Dialect::Resp2));
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("*11\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n")
        );
        assert!(text.contains("+ENCODING key\r\n+    Names how"));
        assert!(text.contains("+HELP\r\n"));
    }
}
