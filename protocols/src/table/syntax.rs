//! The notation of a row's arguments: the arity, the argument trees of `COMMAND DOCS` and the line in
//! `COMMANDS.md` all follow from it. It is explained in the documentation of [`crate::table`].

use std::fmt::{self, Display, Write as _};

use super::row::Row;

/// One argument of a command, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the documentation.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word that stands before it, or that it is ([`Kind::Token`]).
    pub token: Option<&'static str>,
    /// The version that brought it, if younger than the command.
    pub since: Option<&'static str>,
    /// The version that advised against it.
    pub deprecated_since: Option<&'static str>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Repeated together with its token.
    pub multiple_token: bool,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// The key that a specification of the row finds; which one.
    Key(usize),
    /// A glob pattern.
    Pattern,
    /// A pattern of keys that the specification of the row tells of; which one.
    KeyPattern(usize),
    /// A Unix time.
    UnixTime,
    /// The token itself.
    Token,
    /// One of these.
    OneOf(Vec<Argument>),
    /// These in a row.
    Block(Vec<Argument>),
}

impl Kind {
    /// The name in `COMMAND DOCS`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key(_) => "key",
            Self::Pattern | Self::KeyPattern(_) => "pattern",
            Self::UnixTime => "unix-time",
            Self::Token => "pure-token",
            Self::OneOf(_) => "oneof",
            Self::Block(_) => "block",
        }
    }

    /// What an argument of this name is, where the notation does not say.
    fn of(name: &str) -> Self {
        match name {
            "seconds" | "milliseconds" | "increment" | "decrement" | "offset" | "start" | "end" | "bit"
            | "cursor" | "count" | "index" | "index1" | "index2" | "db" | "destination-db" | "len"
            | "timeout" | "version" | "client-id" | "protover" => Self::Integer,
            "key" | "key1" | "key2" | "newkey" | "destkey" | "source" | "destination" => Self::Key(0),
            "pattern" => Self::Pattern,
            _ if name.starts_with("unix-time-") => Self::UnixTime,
            _ => Self::String,
        }
    }

    fn named(name: &str) -> Option<Self> {
        if name == "key-pattern" {
            return Some(Self::KeyPattern(0));
        }
        let plain = [Self::String, Self::Integer, Self::Double, Self::Key(0), Self::Pattern, Self::UnixTime];
        plain.into_iter().find(|kind| kind.name() == name)
    }
}

impl Row {
    /// The arguments, as trees.
    pub fn arguments(&self) -> Vec<Argument> {
        let mut parser =
            Parser { text: self.syntax, at: 0, keys: 0, pattern: None, key_specs: self.keys.len() };
        let parts = parser.sequence();
        assert_eq!(parser.at, self.syntax.len(), "syntax of {}: {}", self.name, &self.syntax[parser.at..]);
        join_tokens(parts)
    }
}

/// A piece of a sequence before tokens are joined with what they stand for.
#[derive(Debug)]
enum Part {
    Token(Argument),
    Argument(Argument),
}

struct Parser {
    text: &'static str,
    at: usize,
    /// Keys seen so far.
    keys: usize,
    /// The specification of the patterns of keys, once there is one.
    pattern: Option<usize>,
    key_specs: usize,
}

impl Parser {
    fn rest(&self) -> &'static str {
        &self.text[self.at..]
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// The characters from here up to the first of `ends`.
    fn take_until(&mut self, ends: &[char]) -> &'static str {
        let rest = self.rest();
        let taken = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// `part part …` up to a closing bracket, a bar or the end.
    fn sequence(&mut self) -> Vec<Part> {
        let (begin, mut parts) = (self.at, Vec::new());
        loop {
            while self.skip(" ") {}
            match self.rest().bytes().next() {
                None | Some(b']' | b'>' | b')' | b'|') => return parts,
                Some(b'.') if self.skip("...") => {
                    let Some(Part::Argument(last)) = parts.last_mut() else { panic!("nothing to repeat") };
                    last.multiple = true;
                }
                Some(b'[') => self.optional(begin, &mut parts),
                Some(b'<' | b'(') => {
                    self.at += 1;
                    let group = self.group();
                    parts.push(Part::Argument(group));
                }
                Some(_) => {
                    let word = self.word();
                    parts.push(word);
                }
            }
        }
    }

    /// `[x]`, `[x | y]`, `[x ...]`, and `x [x ...]`, which is one argument that may be repeated.
    fn optional(&mut self, begin: usize, parts: &mut Vec<Part>) {
        let before = self.text[begin..self.at].trim_end();
        self.at += 1;
        let inner = self.at;
        let keys = self.keys;
        let repeated = self.text[inner..].split(" ...]").next().unwrap_or_default();
        if self.text[inner + repeated.len()..].starts_with(" ...]") && ends_with_words(before, repeated) {
            let count = self.sequence_of(repeated);
            self.keys = keys;
            let with_token = matches!(parts[parts.len() - count], Part::Token(_));
            let mut argument = one_of_them(None, parts.drain(parts.len() - count..).collect());
            (argument.multiple, argument.multiple_token) = (true, with_token);
            self.at = inner + repeated.len() + " ...]".len();
            self.versions(&mut argument);
            parts.push(Part::Argument(argument));
            return;
        }
        let argument = self.group();
        parts.push(Part::Argument(Argument { optional: true, ..argument }));
    }

    /// How many parts `text`, which begins here, is made of.
    fn sequence_of(&self, text: &'static str) -> usize {
        Parser { text, at: 0, ..*self }.sequence().len()
    }

    /// What an opened bracket holds, its end and the versions after it.
    fn group(&mut self) -> Argument {
        let begin = self.at;
        let name = self.take_until(&['=', ' ', '\'', '[', '<', '(', ']', '>', ')', '|']);
        let name = if self.skip("=") { Some(name) } else { None };
        if name.is_none() {
            self.at = begin;
        }
        let mut alternatives = vec![self.sequence()];
        while self.skip("|") {
            alternatives.push(self.sequence());
        }
        let mut argument = if alternatives.len() == 1 {
            one_of_them(name, alternatives.remove(0))
        } else {
            let members: Vec<_> =
                alternatives.into_iter().map(|alternative| one_of_them(None, alternative)).collect();
            Argument::group(name, Kind::OneOf(members))
        };
        assert!(self.skip("]") || self.skip(">") || self.skip(")"), "open bracket in {}", self.text);
        self.versions(&mut argument);
        argument
    }

    fn word(&mut self) -> Part {
        let sign = self.skip("'").then(|| &self.rest()[..1]);
        self.at += sign.map_or(0, str::len);
        let word = self.take_until(&[' ', '[', ']', '<', '>', '(', ')', '|', '@', '!']);
        let is_capital = |word: &str| word.starts_with(|first: char| first.is_ascii_uppercase());
        let named = word.split_once(':').filter(|(_, token)| is_capital(token));
        let is_token = is_capital(word);
        let mut argument = if sign.is_some() {
            Argument { token: sign, ..Argument::new(word, Kind::Token) }
        } else if let Some((name, token)) = named {
            Argument { token: Some(token), ..Argument::new(name, Kind::Token) }
        } else if is_token {
            Argument { token: Some(word), ..Argument::new(&word.to_ascii_lowercase(), Kind::Token) }
        } else {
            let typed = word.rsplit_once(':').and_then(|(name, kind)| Some((name, Kind::named(kind)?)));
            let (name, kind) = typed.unwrap_or_else(|| (word, Kind::of(word)));
            Argument::new(name, self.numbered(kind))
        };
        self.versions(&mut argument);
        if argument.token.is_some() { Part::Token(argument) } else { Part::Argument(argument) }
    }

    /// Keys are found by the specifications in their order; the last may find several. Patterns of keys have one in
    /// common.
    fn numbered(&mut self, kind: Kind) -> Kind {
        if matches!(kind, Kind::KeyPattern(_)) {
            let own = *self.pattern.get_or_insert(self.keys);
            self.keys = self.keys.max(own + 1);
            return Kind::KeyPattern(own);
        }
        if !matches!(kind, Kind::Key(_)) || self.key_specs == 0 {
            return if kind == Kind::Key(0) { Kind::String } else { kind };
        }
        self.keys += 1;
        Kind::Key((self.keys - 1).min(self.key_specs - 1))
    }

    fn versions(&mut self, argument: &mut Argument) {
        let ends = [' ', '[', ']', '<', '>', '(', ')', '|', '@', '!'];
        if self.skip("@") {
            argument.since = Some(self.take_until(&ends));
        }
        if self.skip("!") {
            argument.deprecated_since = Some(self.take_until(&ends));
        }
    }
}

/// Whether `text` ends with the whole words `end`.
fn ends_with_words(text: &str, end: &str) -> bool {
    text.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

/// A token takes what follows it, up to the next token or optional argument.
fn join_tokens(parts: Vec<Part>) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut parts = parts.into_iter().peekable();
    while let Some(part) = parts.next() {
        let token = match part {
            Part::Argument(argument) => {
                arguments.push(argument);
                continue;
            }
            Part::Token(token) => token,
        };
        let mut values = Vec::new();
        while let Some(part) = parts.next_if(|part| matches!(part, Part::Argument(next) if !next.optional)) {
            values.push(part);
        }
        arguments.push(if values.is_empty() {
            token
        } else {
            let argument = one_of_them(None, values);
            Argument { token: token.token, since: argument.since.or(token.since), ..argument }
        });
    }
    arguments
}

/// The parts as one argument: themselves if there is one without a name of its own, else a block.
fn one_of_them(name: Option<&str>, parts: Vec<Part>) -> Argument {
    let mut arguments = join_tokens(parts);
    match (name, arguments.len()) {
        (None, 1) => arguments.remove(0),
        (Some(name), 1) if arguments[0].kind == Kind::Token => {
            Argument { name: name.to_owned(), ..arguments.remove(0) }
        }
        _ => Argument::group(name, Kind::Block(arguments)),
    }
}

impl Argument {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            token: None,
            since: None,
            deprecated_since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
        }
    }

    /// A group; without a name of its own it has those of its members.
    fn group(name: Option<&str>, kind: Kind) -> Self {
        let joined = || {
            let names: Vec<_> = kind.members().iter().map(|member| member.name.as_str()).collect();
            names.join("_")
        };
        Self::new(&name.map_or_else(joined, str::to_owned), kind)
    }

    /// The argument without its brackets.
    fn bare(&self) -> String {
        let members = |separator| {
            let members: Vec<_> = self.kind.members().iter().map(Self::to_string).collect();
            members.join(separator)
        };
        let value = match &self.kind {
            Kind::Token => String::new(),
            Kind::OneOf(_) if self.optional && self.token.is_none() && !self.multiple => members(" | "),
            Kind::OneOf(_) => format!("<{}>", members(" | ")),
            Kind::Block(_) => members(" "),
            _ => self.name.clone(),
        };
        let space = if self.token.is_some() && !value.is_empty() { " " } else { "" };
        format!("{}{space}{value}", self.token.unwrap_or_default())
    }
}

impl Kind {
    /// What a group is made of; nothing for a plain argument.
    pub fn members(&self) -> &[Argument] {
        match self {
            Self::OneOf(members) | Self::Block(members) => members,
            _ => &[],
        }
    }
}

/// As the documentation of Redis writes arguments: `key [NX | XX] [key ...]`.
impl Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.bare();
        let again = match self.token {
            Some(token) if !self.multiple_token => bare[token.len()..].trim_start(),
            _ => &bare,
        };
        let again = match (self.multiple, &self.kind) {
            (false, _) => String::new(),
            (true, Kind::OneOf(_)) => " ...".to_owned(),
            (true, _) => format!(" [{again} ...]"),
        };
        if self.optional { write!(f, "[{bare}{again}]") } else { write!(f, "{bare}{again}") }
    }
}

/// The whole request as people write it: `CONFIG GET parameter [parameter ...]`.
impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.replace('|', " "))?;
        for argument in self.arguments() {
            f.write_char(' ')?;
            argument.fmt(f)?;
        }
        Ok(())
    }
}

/// The arity of `name syntax`: the fewest words a request has; negative if it may have more.
pub(super) const fn arity(name: &str, syntax: &str) -> i16 {
    let extent = extent(syntax.as_bytes(), 0);
    let words = words(name) + extent.words;
    if extent.open { -words } else { words }
}

/// The words of a name: two for a subcommand.
pub(super) const fn words(name: &str) -> i16 {
    let name = name.as_bytes();
    let (mut words, mut at) = (1, 0);
    while at < name.len() {
        words += (name[at] == b'|') as i16;
        at += 1;
    }
    words
}

/// The fewest words of a piece of syntax, whether it may have more, and where it ends.
#[derive(Clone, Copy)]
struct Extent {
    words: i16,
    open: bool,
    end: usize,
}

const fn extent(text: &[u8], begin: usize) -> Extent {
    let mut so_far = Extent { words: 0, open: false, end: begin };
    while so_far.end < text.len() {
        match text[so_far.end] {
            b']' | b'>' | b')' | b'|' => return so_far,
            b' ' | b'=' => so_far.end += 1,
            // A sign with its name.
            b'\'' => {
                so_far = Extent { words: so_far.words + 1, end: word_end(text, so_far.end + 2), ..so_far }
            }
            // `...`
            b'.' => so_far = Extent { open: true, end: so_far.end + 3, ..so_far },
            b'@' | b'!' => so_far.end = word_end(text, so_far.end + 1),
            b'[' => so_far = Extent { end: alternatives(text, so_far.end + 1).end, open: true, ..so_far },
            b'<' | b'(' => {
                let group = alternatives(text, so_far.end + 1);
                so_far.words += group.words;
                so_far = Extent { open: so_far.open || group.open, end: group.end, ..so_far };
            }
            _ => {
                so_far.end = word_end(text, so_far.end);
                let names_group = so_far.end < text.len() && text[so_far.end] == b'=';
                so_far.words += !names_group as i16;
            }
        }
    }
    so_far
}

/// What stands between brackets, with its end past the closing one.
const fn alternatives(text: &[u8], begin: usize) -> Extent {
    let mut least = extent(text, begin);
    while least.end < text.len() && text[least.end] == b'|' {
        let next = extent(text, least.end + 1);
        let differ = next.words != least.words;
        let words = if next.words < least.words { next.words } else { least.words };
        least = Extent { words, open: least.open || next.open || differ, end: next.end };
    }
    Extent { end: least.end + 1, ..least }
}

const fn word_end(text: &[u8], begin: usize) -> usize {
    let mut end = begin;
    while end < text.len()
        && !matches!(text[end], b' ' | b'[' | b']' | b'<' | b'>' | b'(' | b')' | b'|' | b'=' | b'@' | b'!')
    {
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::rows;

    /// The tree in one line: `name:type`, tokens in quotes, `?` optional, `*` multiple, `+` with its token.
    fn tree(argument: &Argument) -> String {
        let token = argument.token.map_or(String::new(), |token| format!("'{token}' "));
        let members: Vec<_> = argument.kind.members().iter().map(tree).collect();
        let members = if members.is_empty() { String::new() } else { format!("({})", members.join(" ")) };
        let since = argument.since.map_or(String::new(), |version| format!("@{version}"));
        let marks = [(argument.optional, "?"), (argument.multiple, "*"), (argument.multiple_token, "+")];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        format!("{token}{}:{}{members}{since}{marks}", argument.name, argument.kind.name())
    }

    fn trees(syntax: &'static str) -> String {
        let mut parser = Parser { text: syntax, at: 0, keys: 0, pattern: None, key_specs: 1 };
        let arguments: Vec<_> = join_tokens(parser.sequence()).iter().map(tree).collect();
        arguments.join(" ")
    }

    #[test]
    fn the_notation_says_what_command_docs_says() {
        for (syntax, expected) in [
            ("", ""),
            ("key [key ...]", "key:key*"),
            ("[section [section ...]]", "section:string?*"),
            ("key value [key value ...]", "key_value:block(key:key value:string)*"),
            ("key value:integer", "key:key value:integer"),
            ("[ip:port]", "ip:port:string?"),
            ("[condition=NX | XX]@2.6.12", "condition:oneof('NX' nx:pure-token 'XX' xx:pure-token)@2.6.12?"),
            ("[GET]@6.2.0", "'GET' get:pure-token@6.2.0?"),
            ("[change:CH]@3.0.2", "'CH' change:pure-token@3.0.2?"),
            ("[MATCH pattern] [COUNT count]", "'MATCH' pattern:pattern? 'COUNT' count:integer?"),
            (
                "[e=EX seconds@2.6.12 | KEEPTTL@6.0.0]",
                "e:oneof('EX' seconds:integer@2.6.12 'KEEPTTL' keepttl:pure-token@6.0.0)?",
            ),
            ("[AUTH username password]", "'AUTH' username_password:block(username:string password:string)?"),
            ("[PREFIX prefix [PREFIX prefix ...]]", "'PREFIX' prefix:string?*+"),
            ("(p=p) ...", "p:block(p:string)*"),
            ("<x='*any | y> ['=same]", "x:oneof('*' any:pure-token y:string) '=' same:pure-token?"),
            ("<x=ON | OFF> y", "x:oneof('ON' on:pure-token 'OFF' off:pure-token) y:string"),
            (
                "[b=start [e=end [BYTE | BIT]]]",
                "b:block(start:integer e:block(end:integer byte_bit:oneof('BYTE' byte:pure-token 'BIT' bit:pure-token)?)?)?",
            ),
        ] {
            assert_eq!(trees(syntax), expected, "{syntax}");
        }
    }

    #[test]
    fn the_arity_is_the_fewest_words() {
        for (name, syntax, expected) in [
            ("PING", "[message]", -1),
            ("GET", "key", 2),
            ("CONFIG|GET", "(parameter=parameter) ...", -3),
            ("MSET", "key value [key value ...]", -3),
            ("CLIENT|REPLY", "<mode=ON | OFF | SKIP>", 3),
            ("SET", "key value [condition=NX | XX]@2.6.12 [GET]@6.2.0", -3),
            ("X", "<a b | c>", -2),
            ("X", "<a='*b | c> '=d ['~e]", -3),
            ("X", "a@1.0.0 [b=c d]", -2),
        ] {
            assert_eq!(arity(name, syntax), expected, "{name} {syntax}");
        }
    }

    #[test]
    fn every_row_can_be_written_as_it_is_documented() {
        for row in rows() {
            let written = row.to_string();
            assert!(written.starts_with(&row.name.replace('|', " ")));
            let no_sign = written.replace("[= | ~]", "");
            assert!(!no_sign.contains(['=', '@', '\'']), "{written}");
        }
    }
}
