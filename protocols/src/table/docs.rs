//! What the table says of itself to people: `COMMAND DOCS`, in the shape Redis 7.0 gives it.

use super::info::{commands, name, subcommands, words};
use super::lookup;
use super::row::Row;
use super::syntax::{Argument, Kind};
use crate::error::Error;
use crate::reply::{Collection, Reply};
use crate::request::Args;

/// `COMMAND DOCS`: every command.
pub fn docs_of_all(reply: &mut Reply<'_>) {
    reply.map(commands().count());
    for row in commands() {
        name(row, reply);
        docs(row, reply);
    }
}

/// `COMMAND DOCS name …`: those of the commands that are there.
///
/// # Errors
/// More than `bytes_max` bytes of reply.
pub fn docs_of(names: &Args<'_>, bytes_max: usize, reply: &mut Reply<'_>) -> Result<(), Error> {
    let begin = reply.mark();
    let found = names.iter().filter_map(lookup);
    reply.map(found.clone().count());
    for row in found {
        name(row, reply);
        docs(row, reply);
        reply.check_since(begin, bytes_max)?;
    }
    Ok(())
}

/// The fields of a map, counted as they are written.
struct Fields<'w, 'r> {
    reply: &'w mut Reply<'r>,
    count: usize,
}

impl<'r> Fields<'_, 'r> {
    /// A map written by `fill`.
    fn map(reply: &mut Reply<'r>, fill: impl FnOnce(&mut Fields<'_, 'r>)) {
        let map = reply.deferred(Collection::Map);
        let mut fields = Fields { reply, count: 0 };
        fill(&mut fields);
        let count = fields.count;
        reply.finish(map, count);
    }

    fn field(&mut self, name: &str) -> &mut Reply<'r> {
        self.count += 1;
        self.reply.bulk(name.as_bytes());
        self.reply
    }

    fn text(&mut self, name: &str, text: &str) {
        self.field(name).bulk(text.as_bytes());
    }
}

fn docs(row: &Row, reply: &mut Reply<'_>) {
    Fields::map(reply, |fields| {
        fields.text("summary", row.summary);
        fields.text("since", row.since);
        fields.text("group", row.group);
        fields.text("complexity", row.cost);
        let doc_flags = [(row.deprecated.is_some(), "deprecated"), (row.system, "syscmd")];
        flags("doc_flags", &doc_flags, fields);
        if let Some(deprecated) = row.deprecated {
            fields.text("deprecated_since", deprecated.since);
            fields.text("replaced_by", deprecated.instead);
        }
        if !row.history.is_empty() {
            let reply = fields.field("history");
            reply.set(row.history.len());
            for (version, change) in row.history {
                reply.array(2);
                reply.bulk(version.as_bytes());
                reply.bulk(change.as_bytes());
            }
        }
        arguments(&row.arguments(), fields);
        let subcommands = subcommands(row);
        if subcommands.clone().next().is_some() {
            let reply = fields.field("subcommands");
            reply.map(subcommands.clone().count());
            for row in subcommands {
                name(row, reply);
                docs(row, reply);
            }
        }
    });
}

fn arguments(list: &[Argument], fields: &mut Fields<'_, '_>) {
    if list.is_empty() {
        return;
    }
    let reply = fields.field("arguments");
    reply.array(list.len());
    for argument in list {
        Fields::map(reply, |fields| describe(argument, fields));
    }
}

fn describe(argument: &Argument, fields: &mut Fields<'_, '_>) {
    fields.text("name", &argument.name);
    fields.text("type", argument.kind.name());
    if argument.kind.members().is_empty() {
        fields.text("display_text", &argument.name);
    }
    if let Kind::Key(spec) | Kind::KeyPattern(spec) = argument.kind {
        fields.field("key_spec_index").integer(spec as i64);
    }
    let texts = [
        ("token", argument.token),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            fields.text(name, text);
        }
    }
    let marks = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    flags("flags", &marks, fields);
    arguments(argument.kind.members(), fields);
}

/// A set of those flags that are true; nothing if none is.
fn flags(name: &str, flags: &[(bool, &'static str)], fields: &mut Fields<'_, '_>) {
    let set = flags.iter().filter(|(is, _)| *is).map(|&(_, name)| name);
    if set.clone().next().is_some() {
        words(set, fields.field(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Span;
    use crate::table::info_of;
    use crate::{Dialect, limits};

    /// One command asked for `times` times, of which `bytes_max` bytes may be told.
    fn told(times: usize, bytes_max: usize) -> [(Result<(), Error>, usize); 2] {
        let spans = vec![Span::new(0, 3); times];
        let names = Args::new(b"SET", &spans);
        [docs_of, info_of].map(|tell| {
            let mut out = Vec::new();
            let outcome = tell(&names, bytes_max, &mut Reply::new(&mut out, Dialect::Resp3));
            (outcome, out.len())
        })
    }

    #[test]
    fn a_command_named_a_thousand_times_is_not_told_beyond_what_a_reply_may_be() {
        for ((once, bytes), (often, most)) in
            told(1, limits::REPLY_BYTES_MAX).into_iter().zip(told(1000, 8000))
        {
            assert_eq!((once, often), (Ok(()), Err(Error::ReplyTooLong)));
            assert!(most < 8000 + 2 * bytes, "{most} bytes were written");
        }
    }
}
