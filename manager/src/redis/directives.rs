//! Lines of Redis's configuration file, and what follows from them.

use tidegate_protocols::resp::words_of;
use tidegate_protocols::settings::{Change, Key, absent};

use super::{included, read_file};
use crate::options::Start;

/// How deep files may include others.
const INCLUDES_MAX: u8 = 16;

/// Settings of which all words of a line are the value, as they would be in one word. The others have one word.
const OF_MANY_WORDS: &[Key] = &[
    Key::Bind,
    Key::ClientOutputBufferLimit,
    Key::LatencyTrackingInfoPercentiles,
    Key::Save,
    Key::Replicaof,
];

/// Settings that allow or promise what there is nothing to be done about here: another value changes nothing.
const OF_NO_CONSEQUENCE: &[Key] = &[
    Key::EnableDebugCommand,
    Key::EnableModuleCommand,
    Key::EnableProtectedConfigs,
    Key::ClusterRequireFullCoverage,
    Key::ClusterAllowReadsWhenDown,
    Key::ClusterAllowPubsubshardWhenDown,
    Key::LazyfreeLazyEviction,
    Key::LazyfreeLazyExpire,
    Key::LazyfreeLazyServerDel,
    Key::LazyfreeLazyUserDel,
];

/// What only old versions of Redis know, and newer ones pass over.
const FORGOTTEN: &[&str] = &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// A line that cannot be.
#[derive(Debug)]
pub(super) struct Mistake {
    /// Of its file, from 1 on.
    pub(super) line_number: usize,
    pub(super) line: String,
    pub(super) reason: String,
}

/// Gives what lines say to a start.
pub(super) struct Directives<'a> {
    start: &'a mut Start,
    depth: u8,
    /// What has been said by lines of which every one adds something.
    save: Vec<String>,
    users: Vec<String>,
    /// Names without effect.
    idle: Vec<String>,
}

impl<'a> Directives<'a> {
    pub(super) fn new(start: &'a mut Start) -> Self {
        Self { start, depth: 0, save: Vec::new(), users: Vec::new(), idle: Vec::new() }
    }

    /// Notes what was without effect.
    pub(super) fn finish(self) {
        if !self.idle.is_empty() {
            let names = self.idle.join(", ");
            self.start.notes.push(format!("without effect here (COMMANDS.md says why): {names}"));
        }
    }

    /// Applies the lines of `text`. Source: Redis `config.c`, `loadServerConfigFromString`.
    pub(super) fn apply(&mut self, text: &str) -> Result<(), Mistake> {
        for (at, line) in text.split('\n').enumerate() {
            let line = line.trim_matches([' ', '\t', '\r', '\n']);
            let mistake = |reason| Mistake { line_number: at + 1, line: line.to_owned(), reason };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words = words_of(line.as_bytes())
                .ok_or_else(|| mistake("Unbalanced quotes in configuration line".into()))?;
            let words: Result<Vec<_>, _> = words.into_iter().map(String::from_utf8).collect();
            let words = words.map_err(|_| mistake("a word is no UTF-8".into()))?;
            let Some((name, values)) = words.split_first() else { continue };
            match (name.to_ascii_lowercase().as_str(), values) {
                ("include", [pattern]) => self.include(pattern, mistake)?,
                (name, values) => self.directive(name, values).map_err(mistake)?,
            }
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str, mistake: impl Fn(String) -> Mistake) -> Result<(), Mistake> {
        if self.depth == INCLUDES_MAX {
            return Err(mistake(format!("files include each other more than {INCLUDES_MAX} deep")));
        }
        self.depth += 1;
        for path in included(pattern) {
            let text = read_file(&path).map_err(|reason| {
                mistake(format!("can't open config file '{}': {reason}", path.display()))
            })?;
            self.apply(&text)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn directive(&mut self, name: &str, values: &[String]) -> Result<(), String> {
        if let Some(key) = Key::named(name.as_bytes()).filter(|key| *key != Key::User) {
            return self.setting(key, name, values);
        }
        match (name, values) {
            ("user", [_, ..]) => self.user(values),
            ("rename-command", [_, _]) => Err(no("renamed commands: an ACL can take them from users")),
            ("loadmodule", [_, ..]) => Err(no("modules")),
            ("sentinel", _) => Err(no("sentinel: gateways in front of shards do its work")),
            _ if name.contains('.') && !values.is_empty() => Err(no("modules")),
            (_, [_]) if FORGOTTEN.contains(&name) => Ok(()),
            _ if absent(name).is_some() => match values {
                [_] | [_, _, ..] => {
                    self.idle.push(name.to_owned());
                    Ok(())
                }
                [] => Err("wrong number of arguments".into()),
            },
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    fn setting(&mut self, key: Key, name: &str, values: &[String]) -> Result<(), String> {
        let is_of_many = OF_MANY_WORDS.contains(&key);
        if !is_of_many && values.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        let mut value = values.join(" ");
        if key == Key::Save {
            value = self.saves(value);
        }
        if key.row().change == Change::Fixed && !value.eq_ignore_ascii_case(key.row().default) {
            if OF_NO_CONSEQUENCE.contains(&key) {
                self.idle.push(name.to_owned());
                return Ok(());
            }
            let summary = key.row().summary.trim().trim_end_matches('.');
            return Err(no(&format!(
                "'{name} {value}' (its one value is '{}'): {summary}",
                key.row().default
            )));
        }
        self.start.settings.set(key, &value)
    }

    /// Every line of `save` adds to those before; an empty one takes them back.
    fn saves(&mut self, value: String) -> String {
        if value.is_empty() {
            self.save.clear();
        } else {
            self.save.push(value);
        }
        self.save.join(" ")
    }

    fn user(&mut self, rules: &[String]) -> Result<(), String> {
        if self.users.iter().any(|user| user.split(' ').next() == rules.first().map(String::as_str)) {
            return Err(format!("Error in user declaration '{}': Duplicate user found", rules[0]));
        }
        self.users.push(rules.join(" "));
        self.start.settings.set(Key::User, &self.users.join("\n"))
    }
}

fn no(what: &str) -> String {
    format!("there is no such thing in Tidegate: {what}")
}
