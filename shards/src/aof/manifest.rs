//! The manifest: which files the append-only file is made of, as Redis 7 keeps it.
//!
//! A line for each, `file NAME seq NUMBER type b|i|h`: the base, what has been logged since, and what is history. It is
//! replaced as a whole, by a rename, so whoever reads it finds it as it was or as it is.
//!
//! Source: Redis 7.2 `aof.c`, `aofLoadManifestFromFile`, `writeAofManifestFile`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of the longest line. Source: Redis `MANIFEST_MAX_LINE`.
const LINE_BYTES_MAX: usize = 1024;
/// Bytes of a manifest: far more than history is ever left in one.
const BYTES_MAX: u64 = 1 << 20;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Base,
    Increment,
    History,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) kind: Kind,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) base: Option<Part>,
    pub(crate) history: Vec<Part>,
    pub(crate) increments: Vec<Part>,
}

/// Why there is none to be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

impl Manifest {
    /// Reads the one at `path`; an empty one if there is none.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn read(path: &Path) -> Result<Self, Broken> {
        let broken = |error: io::Error| {
            Broken(format!("can't open the AOF manifest file {} for reading: {error}", path.display()))
        };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(error)),
            Ok(about) if about.len() > BYTES_MAX => {
                return Err(Broken(format!("the AOF manifest file {} is too long", path.display())));
            }
            Ok(_) => {}
        }
        let text = fs::read(path).map_err(broken)?;
        Self::parse(&text).map_err(|(line, said, reason)| {
            let said = String::from_utf8_lossy(said);
            Broken(format!(
                "Reading the manifest file {}, at line {line} >>> '{said}' {reason}",
                path.display()
            ))
        })
    }

    /// What `text` says; or the number of the line that is wrong, the line, and why, in Redis's words.
    fn parse(text: &[u8]) -> Result<Self, (usize, &[u8], &'static str)> {
        let (mut manifest, mut last) = (Self::default(), 0);
        if text.is_empty() {
            return Err((0, text, "Found an empty AOF manifest"));
        }
        for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let wrong = |reason| (index + 1, line.trim_ascii(), reason);
            if line.starts_with(b"#") {
                continue;
            }
            if !line.ends_with(b"\n") || line.len() > LINE_BYTES_MAX {
                return Err(wrong("The AOF manifest file contains too long line"));
            }
            let part = part(line.trim_ascii()).map_err(wrong)?;
            match part.kind {
                Kind::Base if manifest.base.is_some() => {
                    return Err(wrong("Found duplicate base file information"));
                }
                Kind::Base => manifest.base = Some(part),
                Kind::History => manifest.history.push(part),
                Kind::Increment if part.number <= last => {
                    return Err(wrong("Found a non-monotonic sequence number"));
                }
                Kind::Increment => {
                    last = part.number;
                    manifest.increments.push(part);
                }
            }
        }
        Ok(manifest)
    }

    /// Whether it names no file.
    pub(crate) fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files to be read, in their order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// The next base, an RDB file or commands.
    pub(crate) fn next_base(&self, filename: &str, is_rdb: bool) -> Part {
        let number = self.base.as_ref().map_or(0, |base| base.number) + 1;
        let form = if is_rdb { "rdb" } else { "aof" };
        Part { name: format!("{filename}.{number}.base.{form}"), number, kind: Kind::Base }
    }

    /// The next increment.
    pub(crate) fn next_increment(&self, filename: &str) -> Part {
        let number = self.increments.last().map_or(0, |part| part.number) + 1;
        Part { name: format!("{filename}.{number}.incr.aof"), number, kind: Kind::Increment }
    }

    fn text(&self) -> String {
        let parts = self.base.iter().chain(&self.history).chain(&self.increments);
        let line = |part: &Part| {
            let kind = match part.kind {
                Kind::Base => 'b',
                Kind::Increment => 'i',
                Kind::History => 'h',
            };
            format!("file {} seq {} type {kind}\n", quoted(&part.name), part.number)
        };
        parts.map(line).collect()
    }

    /// Makes it the manifest `name` in `directory`, whole or not at all.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> io::Result<()> {
        let draft = directory.join(format!("temp-{name}"));
        let mut file = File::create(&draft)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, directory.join(name))?;
        File::open(directory)?.sync_all()
    }
}

fn part(line: &[u8]) -> Result<Part, &'static str> {
    const FORMAT: &str = "Invalid AOF manifest file format";
    let words = words(line).ok_or(FORMAT)?;
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(FORMAT);
    }
    let (mut name, mut number, mut kind) = (None, None, None);
    for pair in words.chunks_exact(2) {
        match pair[0].to_ascii_lowercase().as_str() {
            "file" if pair[1].contains(['/', '\\']) => return Err("File can't be a path, just a filename"),
            "file" => name = Some(pair[1].clone()),
            "seq" => number = pair[1].parse().ok().filter(|&number: &i64| number > 0),
            "type" => {
                kind = Some(match pair[1].as_bytes().first() {
                    Some(b'b') => Kind::Base,
                    Some(b'i') => Kind::Increment,
                    Some(b'h') => Kind::History,
                    _ => return Err("Unknown AOF file type"),
                });
            }
            _ => {}
        }
    }
    let (Some(name), Some(number), Some(kind)) = (name, number, kind) else { return Err(FORMAT) };
    Ok(Part { name, number, kind })
}

/// Words between blanks, or between quotes with what backslashes escape in them. `None` if that is not what it is.
fn words(line: &[u8]) -> Option<Vec<String>> {
    let (text, mut words) = (std::str::from_utf8(line).ok()?, Vec::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some(inner) = rest.strip_prefix('"') else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
            continue;
        };
        let (mut word, mut letters, mut end) = (String::new(), inner.char_indices(), None);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                '\\' => word.push(letters.next()?.1),
                _ => word.push(letter),
            }
        }
        words.push(word);
        rest = inner[end?..].trim_start();
    }
    Some(words)
}

/// A name, in quotes if it needs them.
fn quoted(name: &str) -> String {
    let is_plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_graphic() && !"\"'\\".contains(letter));
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let part = |name: &str, number, kind| Part { name: name.to_owned(), number, kind };
        let manifest = Manifest {
            base: Some(part("a b.aof.2.base.rdb", 2, Kind::Base)),
            history: vec![part("x.1.incr.aof", 1, Kind::History)],
            increments: vec![
                part("x.2.incr.aof", 2, Kind::Increment),
                part("x.3.incr.aof", 3, Kind::Increment),
            ],
        };
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest.clone()));
        assert_eq!(manifest.next_base("x", true).name, "x.3.base.rdb");
        assert_eq!(manifest.next_increment("x").name, "x.4.incr.aof");
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_redis() {
        for (text, reason) in [
            ("", "Found an empty AOF manifest"),
            ("\n", "Invalid AOF manifest file format"),
            ("file a seq 1 type b", "The AOF manifest file contains too long line"),
            ("file a seq 1 type\n", "Invalid AOF manifest file format"),
            ("file a seq 0 type b\n", "Invalid AOF manifest file format"),
            ("file a/b seq 1 type b\n", "File can't be a path, just a filename"),
            ("file a seq 1 type x\n", "Unknown AOF file type"),
            ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
            ("file a seq 2 type i\nfile b seq 2 type i\n", "Found a non-monotonic sequence number"),
        ] {
            let told = Manifest::parse(text.as_bytes()).map_err(|(_, _, reason)| reason);
            assert_eq!(told, Err(reason), "{text}");
        }
        assert!(Manifest::parse(b"# a comment\nfile a seq 1 type b more 5\n").is_ok());
    }
}
