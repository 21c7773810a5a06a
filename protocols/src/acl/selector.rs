//! A selector: some commands on some keys and channels.

use std::collections::BTreeMap;

use super::bits::Bits;
use super::named::{Named, category, command_of, commands, subcommands};
use super::{Mistake, has_blanks};
use crate::glob::{Case, matches};
use crate::limits::ACL_LISTED_MAX;
use crate::table::pubsub::Pubsub;
use crate::table::{Access, Flags};
use crate::{Args, Row, Verb};

/// What a request was refused for; the worse is told if selectors disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The command itself.
    Command,
    /// This argument, a key.
    Key(usize),
    /// This argument, a channel or a pattern of channels.
    Channel(usize),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Selector {
    all_keys: bool,
    all_channels: bool,
    /// Everything was allowed, and nothing taken away since.
    all_commands: bool,
    /// It allows everything but what its rules take away, commands that are still to come as well.
    begins_with_all: bool,
    commands: Bits,
    /// Commands that are allowed with these as their first argument only.
    first_words: BTreeMap<usize, Vec<Box<[u8]>>>,
    keys: Vec<KeyPattern>,
    channels: Vec<Box<[u8]>>,
    /// The rules about commands that made it what it is, in order.
    rules: Vec<CommandRule>,
}

#[derive(Clone, Debug)]
struct KeyPattern {
    reads: bool,
    writes: bool,
    pattern: Box<[u8]>,
}

/// `+get`, `-config|set`, `+@read`.
#[derive(Clone, Debug)]
struct CommandRule {
    allows: bool,
    /// In small letters.
    name: Box<[u8]>,
}

impl Selector {
    /// One that allows nothing, but perhaps every channel.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            all_keys: false,
            all_channels,
            all_commands: false,
            begins_with_all: false,
            commands: Bits::filled(false),
            first_words: BTreeMap::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Whether it allows everything.
    pub(super) fn is_free(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Applies a rule.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), Mistake> {
        match (rule.to_ascii_lowercase().as_slice(), rule) {
            (b"allkeys" | b"~*", _) => self.set_keys(true),
            (b"resetkeys", _) => self.set_keys(false),
            (b"allchannels" | b"&*", _) => self.set_channels(true),
            (b"resetchannels", _) => self.set_channels(false),
            (b"allcommands" | b"+@all", _) => self.set_commands(true),
            (b"nocommands" | b"-@all", _) => self.set_commands(false),
            (_, [b'~', pattern @ ..]) => self.add_keys(true, true, pattern)?,
            (_, [b'%', permission @ ..]) => self.add_keys_for(permission)?,
            (_, [b'&', pattern @ ..]) => self.add_channels(pattern)?,
            (_, [sign @ (b'+' | b'-'), b'@', name @ ..]) => {
                let category = category(name).ok_or(Mistake::Unknown)?;
                for row in commands().filter(|row| row.all_categories().has(category)) {
                    self.allow(row, *sign == b'+');
                }
                self.remember(*sign == b'+', &rule[1..])?;
            }
            (_, [b'+', name @ ..]) => match name.iter().rposition(|byte| *byte == b'|') {
                None => self.allow_named(&Named::find(name).ok_or(Mistake::Unknown)?, true)?,
                Some(bar) => self.allow_part(name, bar)?,
            },
            (_, [b'-', name @ ..]) => {
                self.allow_named(&Named::find(name).ok_or(Mistake::Unknown)?, false)?;
            }
            _ => return Err(Mistake::Syntax),
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, all: bool) {
        (self.all_commands, self.begins_with_all) = (all, all);
        self.commands = Bits::filled(all);
        self.first_words.clear();
        self.rules.clear();
    }

    /// `R~pattern`, `W~pattern`, `RW~pattern`. Redis 7.2 lets the letters be left out, and panics when it is asked for
    /// such a rule; 7.4 refuses it.
    fn add_keys_for(&mut self, permission: &[u8]) -> Result<(), Mistake> {
        if self.all_keys {
            return Err(Mistake::AllKeys);
        }
        let (mut reads, mut writes, mut rest) = (false, false, permission);
        loop {
            rest = match rest {
                [b'r' | b'R', rest @ ..] if !reads => {
                    reads = true;
                    rest
                }
                [b'w' | b'W', rest @ ..] if !writes => {
                    writes = true;
                    rest
                }
                [b'~', pattern @ ..] if reads || writes => return self.add_keys(reads, writes, pattern),
                // Redis takes what has no pattern for the empty one.
                [] if reads || writes => return self.add_keys(reads, writes, b""),
                _ => return Err(Mistake::Syntax),
            };
        }
    }

    fn add_keys(&mut self, reads: bool, writes: bool, pattern: &[u8]) -> Result<(), Mistake> {
        if self.all_keys {
            return Err(Mistake::AllKeys);
        }
        if has_blanks(pattern) {
            return Err(Mistake::Syntax);
        }
        if let Some(known) = self.keys.iter_mut().find(|known| *known.pattern == *pattern) {
            known.reads |= reads;
            known.writes |= writes;
            return Ok(());
        }
        room(self.keys.len())?;
        self.keys.push(KeyPattern { reads, writes, pattern: pattern.into() });
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), Mistake> {
        if self.all_channels {
            return Err(Mistake::AllChannels);
        }
        if has_blanks(pattern) {
            return Err(Mistake::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            room(self.channels.len())?;
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    /// Allows a command, or does no more, with all that stands under it.
    fn allow(&mut self, row: &'static Row, allows: bool) {
        self.put(row, allows);
        self.first_words.remove(&row.verb.index());
        for subcommand in subcommands(row) {
            self.put(subcommand, allows);
        }
    }

    fn put(&mut self, row: &Row, allows: bool) {
        self.commands.put(row.verb.index(), allows);
        self.all_commands &= allows;
    }

    fn allow_named(&mut self, command: &Named, allows: bool) -> Result<(), Mistake> {
        match command.row {
            Some(row) => self.allow(row, allows),
            None => self.all_commands &= allows,
        }
        self.remember(allows, command.name.as_bytes())
    }

    /// `+container|subcommand`, or `+command|first-argument`.
    fn allow_part(&mut self, name: &[u8], bar: usize) -> Result<(), Mistake> {
        let (command, part) = (Named::find(&name[..bar]).ok_or(Mistake::Unknown)?, &name[bar + 1..]);
        if command.is_subcommand() {
            return Err(Mistake::ArgumentOfSubcommand);
        }
        if part.is_empty() || has_blanks(part) || part.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
            return Err(Mistake::Syntax);
        }
        if command.is_container() {
            return self.allow_named(&Named::find(name).ok_or(Mistake::Unknown)?, true);
        }
        if let Some(row) = command.row {
            let words = self.first_words.entry(row.verb.index()).or_default();
            if !words.iter().any(|word| word.eq_ignore_ascii_case(part)) {
                room(words.len())?;
                words.push(part.into());
            }
        }
        self.remember(true, name)
    }

    /// Notes a rule about commands. What it makes void is forgotten: rules about the same, and about parts of it.
    fn remember(&mut self, allows: bool, name: &[u8]) -> Result<(), Mistake> {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|rule| {
            !rule.name.strip_prefix(&*name).is_some_and(|rest| matches!(rest.first(), None | Some(b'|')))
        });
        room(self.rules.len())?;
        self.rules.push(CommandRule { allows, name: name.into() });
        Ok(())
    }

    /// Whether it allows all of a request, whose keys are those of `row`; whether it may be sent at all is said of
    /// `command`.
    pub(super) fn check(
        &self,
        command: &'static Row,
        row: &'static Row,
        args: &Args<'_>,
    ) -> Result<(), Denied> {
        if !self.all_commands && !command.flags.has(Flags::NO_AUTH) && !self.has_command(command, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys {
            let keys = row.keys_of(args).filter(|key| !key.access.has(Access::NOT_KEY));
            for key in keys {
                if !self.has_key(args.at(key.index), row.access(key, args)) {
                    return Err(Denied::Key(key.index));
                }
            }
        }
        if !self.all_channels
            && let Verb::Pubsub(verb) = row.verb
        {
            return self.check_channels(verb, args);
        }
        Ok(())
    }

    fn has_command(&self, command: &'static Row, args: &Args<'_>) -> bool {
        let command = command_of(command);
        let index = command.verb.index();
        let place = if command.subcommand { 2 } else { 1 };
        let fits = |word: &[u8]| {
            let words = self.first_words.get(&index);
            words.is_some_and(|words| words.iter().any(|known| known.eq_ignore_ascii_case(word)))
        };
        self.commands.has(index) || args.get(place).is_some_and(fits)
    }

    fn has_key(&self, key: &[u8], access: Access) -> bool {
        let reads = access.has(Access::ACCESS);
        let writes = [Access::INSERT, Access::DELETE, Access::UPDATE].into_iter().any(|one| access.has(one));
        self.keys.iter().any(|known| {
            (known.reads || !reads)
                && (known.writes || !writes)
                && matches(&known.pattern, key, Case::Sensitive)
        })
    }

    fn check_channels(&self, verb: Pubsub, args: &Args<'_>) -> Result<(), Denied> {
        let (count, is_pattern) = match verb {
            Pubsub::Subscribe | Pubsub::Ssubscribe => (args.len() - 1, false),
            Pubsub::Psubscribe => (args.len() - 1, true),
            Pubsub::Publish | Pubsub::Spublish => (1, false),
            _ => return Ok(()),
        };
        let denied = |&index: &usize| !self.has_listed(args.at(index), is_pattern);
        (1..=count).find(denied).map_or(Ok(()), |index| Err(Denied::Channel(index)))
    }

    /// Whether it allows a channel, or a pattern of channels.
    pub(super) fn has_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.all_channels || self.has_listed(name, is_pattern)
    }

    /// A pattern that is listened to has to be one of those listed, word for word.
    fn has_listed(&self, name: &[u8], is_pattern: bool) -> bool {
        let fits = |known: &[u8]| {
            if is_pattern { known == name } else { matches(known, name, Case::Sensitive) }
        };
        self.channels.iter().any(|known| fits(known))
    }

    /// Whether it allows all channels; else which.
    pub(super) fn channels(&self) -> Result<(), impl Iterator<Item = &[u8]>> {
        if self.all_channels { Ok(()) } else { Err(self.channels.iter().map(|channel| &**channel)) }
    }

    /// Whether it lets a request read every key, or write every key.
    pub(super) fn has_every_key(&self, reads: bool, writes: bool) -> bool {
        self.all_keys
            || self
                .keys
                .iter()
                .any(|known| (known.reads || !reads) && (known.writes || !writes) && *known.pattern == *b"*")
    }

    /// The rules about commands, as `ACL GETUSER` tells them.
    pub fn commands_text(&self) -> Vec<u8> {
        let mut text = if self.begins_with_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for CommandRule { allows, name } in &self.rules {
            text.extend_from_slice(if *allows { b" +" } else { b" -" });
            text.extend_from_slice(name);
        }
        text
    }

    /// The patterns of keys, with blanks between them.
    pub fn keys_text(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let pattern = |known: &KeyPattern| {
            let sign: &[u8] = match (known.reads, known.writes) {
                (true, true) => b"~",
                (false, _) => b"%W~",
                (true, false) => b"%R~",
            };
            [sign, &known.pattern].concat()
        };
        self.keys.iter().map(pattern).collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels, with blanks between them.
    pub fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|pattern| [b"&", &**pattern].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// All of it, as `ACL LIST` tells it.
    pub(super) fn describe(&self, text: &mut Vec<u8>) {
        let channels = if self.all_channels { &b""[..] } else { b"resetchannels" };
        let parts = [&self.keys_text()[..], channels, &self.channels_text(), &self.commands_text()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        text.extend_from_slice(&parts.join(&b' '));
    }
}

/// Whether one more fits.
pub(super) fn room(listed: usize) -> Result<(), Mistake> {
    if listed < ACL_LISTED_MAX { Ok(()) } else { Err(Mistake::TooMany) }
}
