//! A script's text as steps.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Family, Subject};
use crate::form::Form;

/// A parsed script.
pub struct Script {
    /// Where it was read from.
    pub path: PathBuf,
    /// By folder.
    pub family: Family,
    /// Arguments of `@server`: this script wants a server of its own.
    pub server: Option<Vec<String>>,
    /// Whether all its keys have to be in one shard (`@same-shard`).
    pub same_shard: bool,
    /// In order.
    pub steps: Vec<Step>,
    /// The text, line by line.
    pub lines: Vec<String>,
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A command, as the family writes it.
    Command,
    /// Quoted bytes.
    Raw,
    /// Memcached binary in symbols.
    Binary,
    /// Memcached binary in hex.
    Hex,
}

impl Mode {
    /// Whether replies are Memcached's binary packets.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Binary | Self::Hex)
    }
}

/// What stands before `> `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) connection: String,
    pub(crate) mode: Mode,
    pub(crate) until: bool,
    pub(crate) sorted: bool,
    pub(crate) send: bool,
    pub(crate) replies: usize,
}

/// A request and what is expected to come back.
pub struct Step {
    pub(crate) head: Head,
    /// Index of the request's line.
    pub(crate) line: usize,
    /// The request and its continuation lines, without what stands before them.
    pub(crate) text: Vec<String>,
    /// RESP version of the connection.
    pub(crate) resp: u8,
    /// Set inside `@only`.
    pub(crate) only: Option<Scope>,
    /// Where the reply stands.
    pub(crate) expected: Range<usize>,
    /// Where the replies of those who answer otherwise stand; the last that holds counts.
    pub(crate) instead: Vec<(Scope, Range<usize>)>,
}

/// Whom a step or a reply concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The real server.
    Real,
    /// The real server, and Tidegate where it stands for one: in one process, or in front of one shard process.
    OneServer,
    /// Tidegate in all its forms.
    Tidegate,
    /// Tidegate in one process.
    InProcess,
    /// Tidegate in front of shard processes, one or several.
    Shards,
    /// Tidegate in front of several shard processes.
    ThreeShards,
}

impl Scope {
    /// By its name in scripts.
    fn named(word: &str) -> Option<Self> {
        match word {
            "real" => Some(Self::Real),
            "one-server" => Some(Self::OneServer),
            "tidegate" => Some(Self::Tidegate),
            "in-process" => Some(Self::InProcess),
            "shards" => Some(Self::Shards),
            "three-shards" => Some(Self::ThreeShards),
            _ => None,
        }
    }

    /// Whether it concerns `subject`.
    pub(crate) fn holds(self, subject: Subject) -> bool {
        match (self, subject) {
            (Self::Real | Self::OneServer, Subject::Real) | (Self::Tidegate, Subject::Tidegate(_)) => true,
            (_, Subject::Real) | (Self::Real, _) => false,
            (Self::OneServer, Subject::Tidegate(form)) => form != Form::ThreeShards,
            (Self::InProcess, Subject::Tidegate(form)) => form == Form::InProcess,
            (Self::Shards, Subject::Tidegate(form)) => form != Form::InProcess,
            (Self::ThreeShards, Subject::Tidegate(form)) => form == Form::ThreeShards,
        }
    }
}

/// What one line of a script is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Comment,
    Directive(&'a str),
    Request(Head, &'a str),
    Continuation(&'a str),
    Reply,
}

impl Script {
    /// Reads a script; its folder says the family.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let memcached = path.components().any(|part| part.as_os_str() == "memcached");
        let family = if memcached { Family::Memcached } else { Family::Redis };
        Self::parse(path, family, &text)
    }

    /// Takes `text` apart; errors name the file and line.
    pub fn parse(path: &Path, family: Family, text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::to_owned).collect();
        let mut script =
            Self { path: path.to_owned(), family, server: None, same_shard: false, steps: Vec::new(), lines };
        let mut parser = Parser { resp: 2, only: None, block: Block::None };
        for at in 0..script.lines.len() {
            let line = script.lines[at].clone();
            parser.line(&mut script, at, &line).map_err(|error| format!("{}: {error}", script.place(at)))?;
        }
        script.trim();
        Ok(script)
    }

    /// Leaves out what is not for everybody.
    pub fn keep_what_all_are_asked(&mut self) {
        self.steps.retain(|step| step.only.is_none());
    }

    /// `file:line` for messages.
    pub(crate) fn place(&self, line: usize) -> String {
        format!("{}:{}", self.path.display(), line + 1)
    }

    /// The lines `subject` is expected to answer with.
    pub(crate) fn expected(&self, step: &Step, subject: Subject) -> &[String] {
        let otherwise = step.instead.iter().rev().find(|(scope, _)| scope.holds(subject));
        &self.lines[otherwise.map_or(&step.expected, |(_, range)| range).clone()]
    }

    /// Every request's first line and what answers it: all replies that anybody is expected to give.
    pub fn exchanges(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.steps.iter().map(|step| {
            let end = step.instead.last().map_or(step.expected.end, |(_, range)| range.end);
            (&*step.text[0], &self.lines[step.expected.start..end])
        })
    }

    /// Empty lines at the end of a reply are layout.
    fn trim(&mut self) {
        let lines = &self.lines;
        for step in &mut self.steps {
            for range in
                std::iter::once(&mut step.expected).chain(step.instead.iter_mut().map(|(_, range)| range))
            {
                while range.end > range.start && lines[range.end - 1].is_empty() {
                    range.end -= 1;
                }
            }
        }
    }
}

/// Which reply the next reply line belongs to.
enum Block {
    None,
    Request,
    Expected,
    Instead,
}

struct Parser {
    resp: u8,
    only: Option<Scope>,
    block: Block,
}

impl Parser {
    fn line(&mut self, script: &mut Script, at: usize, line: &str) -> Result<(), String> {
        match classify(line) {
            Line::Comment => self.block = Block::None,
            Line::Directive(directive) => self.directive(script, at, directive)?,
            Line::Request(head, text) => {
                script.steps.push(Step {
                    head,
                    line: at,
                    text: vec![text.to_owned()],
                    resp: self.resp,
                    only: self.only,
                    expected: at + 1..at + 1,
                    instead: Vec::new(),
                });
                self.block = Block::Request;
            }
            Line::Continuation(text) => match (&self.block, script.steps.last_mut()) {
                (Block::Request, Some(step)) => {
                    step.text.push(text.to_owned());
                    step.expected = at + 1..at + 1;
                }
                _ => return Err("`|` continues a request, and none stands above".to_owned()),
            },
            Line::Reply => self.reply(script, at, line)?,
        }
        Ok(())
    }

    fn reply(&mut self, script: &mut Script, at: usize, line: &str) -> Result<(), String> {
        match (&self.block, script.steps.last_mut()) {
            (Block::Request | Block::Expected, Some(step)) => {
                step.expected.end = at + 1;
                self.block = Block::Expected;
            }
            (Block::Instead, Some(step)) => {
                step.instead.last_mut().expect("set with the block").1.end = at + 1;
            }
            _ if line.is_empty() => {}
            _ => return Err(format!("`{line}` belongs to no request")),
        }
        Ok(())
    }

    fn directive(&mut self, script: &mut Script, at: usize, directive: &str) -> Result<(), String> {
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let otherwise = Scope::named(name).filter(|scope| !matches!(scope, Scope::Real | Scope::OneServer));
        if otherwise.is_none() {
            self.block = Block::None;
        }
        match (name, rest) {
            ("resp2", "") => self.resp = 2,
            ("resp3", "") => self.resp = 3,
            (_, "") if otherwise.is_some() => return Err(format!("`@{name}` wants a reason")),
            (_, _) if let Some(scope) = otherwise => {
                let step = script.steps.last_mut().ok_or_else(|| format!("`@{name}` without a request"))?;
                step.instead.push((scope, at + 1..at + 1));
                self.block = Block::Instead;
            }
            ("only", _) => {
                let (scope, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let scope = Scope::named(scope);
                self.only = Some(
                    scope.ok_or("`@only` real, one-server, tidegate, in-process, shards or three-shards")?,
                );
                if reason.is_empty() {
                    return Err("`@only` wants a reason".to_owned());
                }
            }
            ("same-shard", "") => return Err("`@same-shard` wants a reason".to_owned()),
            ("same-shard", _) if script.steps.is_empty() => script.same_shard = true,
            ("end", "") => self.only = None,
            ("server", _) if script.steps.is_empty() => {
                script.server = Some(rest.split_ascii_whitespace().map(str::to_owned).collect());
            }
            _ => return Err(format!("`@{directive}` is not known here")),
        }
        Ok(())
    }
}

fn classify(line: &str) -> Line<'_> {
    if line == "#" || line.starts_with("# ") {
        return Line::Comment;
    }
    if let Some(directive) = line.strip_prefix('@') {
        return Line::Directive(directive);
    }
    if let Some(text) = line.strip_prefix("| ").or((line == "|").then_some("")) {
        return Line::Continuation(text);
    }
    let split = line.split_once("> ").or_else(|| Some((line.strip_suffix('>')?, "")));
    if let Some((head, text)) = split
        && let Some(head) = parse_head(head)
    {
        return Line::Request(head, text);
    }
    Line::Reply
}

fn parse_head(text: &str) -> Option<Head> {
    let mut head = Head {
        connection: String::new(),
        mode: Mode::Command,
        until: false,
        sorted: false,
        send: false,
        replies: 1,
    };
    for word in text.split(' ').filter(|_| !text.is_empty()) {
        match word {
            "raw" => head.mode = Mode::Raw,
            "bin" => head.mode = Mode::Binary,
            "hex" => head.mode = Mode::Hex,
            "until" => head.until = true,
            "sorted" => head.sorted = true,
            "send" => head.send = true,
            _ if word.len() == 1 && word.as_bytes()[0].is_ascii_lowercase() => {
                word.clone_into(&mut head.connection);
            }
            _ if !word.starts_with('+') => head.replies = word.parse().ok()?,
            _ => return None,
        }
    }
    if head.connection.is_empty() && head.mode.is_binary() {
        "bin".clone_into(&mut head.connection);
    }
    Some(head)
}

/// A line of a reply as it must stand in a script, so that it reads as a reply and as nothing else.
pub(crate) fn as_reply(line: String) -> String {
    let pattern = line.starts_with("~ ") || line == "..." || line == "!closed";
    if classify(&line) == Line::Reply && !pattern {
        return line;
    }
    let first = line.as_bytes()[0];
    format!("\\x{first:02x}{}", &line[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_replies_are_not_taken_for_requests() {
        for line in ["+OK", ">2", "|1", "~3", "#t", "$3", "*0", "", "ab> c", "2x> y"] {
            assert_eq!(classify(line), Line::Reply, "{line}");
            assert_eq!(as_reply(line.to_owned()), line);
        }
        for line in ["# Server", "> x", "a> x", "2> x", "@only", "| x", "~ x", "..."] {
            let shown = as_reply(line.to_owned());
            assert!(shown.starts_with("\\x"), "{line} {shown}");
            assert_eq!(classify(&shown), Line::Reply);
        }
    }

    #[test]
    fn a_script_is_taken_apart() {
        let text = "# about\n\n@resp3\n> set k 0 0 3\n| foo\nSTORED\n\nb raw 0> \"x\"\n> GET k\n$0\n\n\n@tidegate why\n$-1\n";
        let script = Script::parse(Path::new("x"), Family::Redis, text).unwrap();
        let [set, raw, get] = &script.steps[..] else { panic!("three steps") };
        assert_eq!(
            (set.text.join("/"), set.resp, script.expected(set, Subject::Real)),
            ("set k 0 0 3/foo".into(), 3, &["STORED".to_owned()][..])
        );
        assert_eq!((&raw.head.connection[..], raw.head.mode, raw.head.replies), ("b", Mode::Raw, 0));
        assert_eq!(script.expected(get, Subject::Real), ["$0"]);
        assert_eq!(script.expected(get, Subject::Tidegate(Form::InProcess)), ["$-1"]);
    }

    #[test]
    fn replies_and_steps_may_be_for_some_forms_only() {
        let text = "@same-shard why\n> a\n+1\n@tidegate why\n+2\n@three-shards why\n+3\n@only shards why\n> b\n@end\n\
            @only one-server why\n> c\n@end\n";
        let script = Script::parse(Path::new("x"), Family::Redis, text).unwrap();
        let [a, b, c] = &script.steps[..] else { panic!("three steps") };
        let subjects = Form::ALL.map(Subject::Tidegate);
        assert_eq!(script.expected(a, Subject::Real), ["+1"]);
        assert_eq!(subjects.map(|subject| &script.expected(a, subject)[0]), ["+2", "+2", "+3"]);
        assert!(script.same_shard && !b.only.unwrap().holds(Subject::Real));
        assert_eq!(subjects.map(|subject| b.only.unwrap().holds(subject)), [false, true, true]);
        assert!(c.only.unwrap().holds(Subject::Real));
        assert_eq!(subjects.map(|subject| c.only.unwrap().holds(subject)), [true, true, false]);
    }

    #[test]
    fn what_belongs_nowhere_is_refused() {
        for text in [
            "+OK\n",
            "| x\n",
            "@unknown\n",
            "> x\n@tidegate\n",
            "@only real\n",
            "> x\n@server a\n",
            "@same-shard\n",
        ] {
            assert!(Script::parse(Path::new("x"), Family::Redis, text).is_err(), "{text}");
        }
    }
}
