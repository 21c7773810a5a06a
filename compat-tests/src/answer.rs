//! Answers to Redis clients as values, for tests that look into them.

use crate::wire::{Silence, Wire};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It does not come, or not to its end.
    Silence(Silence),
    /// What comes is none.
    Malformed(String),
}

impl From<Silence> for NoAnswer {
    fn from(silence: Silence) -> Self {
        Self::Silence(silence)
    }
}

/// An answer in RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`
    Simple(String),
    /// `-ERR …`, without the minus.
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1` or `*-1`
    Null,
    /// `*2`
    Array(Vec<Answer>),
}

impl Answer {
    /// Reads the next answer.
    ///
    /// # Errors
    /// It does not come, or it is none.
    pub fn read(wire: &mut Wire) -> Result<Self, NoAnswer> {
        let text = String::from_utf8_lossy(&wire.line()?).into_owned();
        let strange = || NoAnswer::Malformed(format!("{text:?} is no answer"));
        let (kind, rest) = text.split_at_checked(1).ok_or_else(strange)?;
        let number = || rest.parse::<i64>().map_err(|_| strange());
        Ok(match kind {
            "+" => Self::Simple(rest.to_owned()),
            "-" => Self::Error(rest.to_owned()),
            ":" => Self::Integer(number()?),
            "$" | "*" if number()? == -1 => Self::Null,
            "$" => {
                let length = usize::try_from(number()?).map_err(|_| strange())?;
                let mut bytes = wire.bytes(length + 2)?;
                if bytes.split_off(length) != b"\r\n" {
                    let error = format!("a bulk string of {length} bytes does not end after them");
                    return Err(NoAnswer::Malformed(error));
                }
                Self::Bulk(bytes)
            }
            "*" => (0..number()?).map(|_| Self::read(wire)).collect::<Result<_, _>>().map(Self::Array)?,
            _ => return Err(strange()),
        })
    }
}

/// The words of the next answer, those of arrays in a row; none if it is null.
///
/// # Panics
/// It does not come, or is none, or is no text.
pub fn reply(wire: &mut Wire) -> Vec<String> {
    fn of(answer: Answer) -> Vec<String> {
        match answer {
            Answer::Null => Vec::new(),
            Answer::Simple(text) | Answer::Error(text) => vec![text],
            Answer::Integer(number) => vec![number.to_string()],
            Answer::Bulk(bytes) => vec![String::from_utf8(bytes).expect("the answer is text")],
            Answer::Array(answers) => answers.into_iter().flat_map(of).collect(),
        }
    }
    of(Answer::read(wire).expect("an answer comes"))
}

/// The words of the answer to these.
///
/// # Panics
/// As [`reply`].
pub fn ask(wire: &mut Wire, words: &[&str]) -> Vec<String> {
    wire.send(&request(words));
    reply(wire)
}

/// A request of these words.
pub fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
