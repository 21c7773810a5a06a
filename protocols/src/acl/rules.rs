//! All that is said of one user.

use sha2::{Digest as _, Sha256};

use super::selector::{Denied, Selector, room};
use super::{Mistake, like};
use crate::resp::inline;
use crate::{Args, Error, Row, Span};

/// Hexadecimal digits of a password's SHA-256.
const DIGEST_BYTES: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub struct Rules {
    is_on: bool,
    /// Any password will do.
    no_password: bool,
    /// Redis would not look through what it restores.
    skips_sanitizing: bool,
    passwords: Vec<[u8; DIGEST_BYTES]>,
    root: Selector,
    selectors: Vec<Selector>,
    /// Whether a new selector allows all channels (`acl-pubsub-default`).
    all_channels: bool,
}

impl Rules {
    /// Those of a user who has just been named: it is off and may nothing, but perhaps listen to everything.
    pub fn new(all_channels: bool) -> Self {
        Self {
            is_on: false,
            no_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
            all_channels,
        }
    }

    /// Those of the user `default` unless something else is said: anybody may do everything.
    pub fn of_default() -> Self {
        let mut rules = Self::new(true);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            rules.apply(rule.as_bytes()).expect("these are rules");
        }
        rules
    }

    /// Has new selectors allow all channels, or none.
    #[must_use]
    pub fn with_channels(self, all_channels: bool) -> Self {
        Self { all_channels, ..self }
    }

    /// The same after these rules, as `ACL SETUSER` takes them.
    ///
    /// # Errors
    /// What Redis says of the first that is none.
    pub fn after<'a>(&self, rules: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut changed = self.clone();
        let rules = merged(rules).map_err(|open| {
            Error::quoting("ERR Unmatched parenthesis in acl selector starting at '", open, "'.")
        })?;
        for rule in &rules {
            changed.apply(rule).map_err(|mistake| {
                let reason = format!("': {}", mistake.text());
                Error::quoting("ERR Error in ACL SETUSER modifier '", rule, &reason)
            })?;
        }
        Ok(changed)
    }

    /// Applies one rule.
    ///
    /// # Errors
    /// It is none; nothing has changed then.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), Mistake> {
        match (rule.to_ascii_lowercase().as_slice(), rule) {
            (b"", _) => {}
            (b"on", _) => self.is_on = true,
            (b"off", _) => self.is_on = false,
            (b"skip-sanitize-payload", _) => self.skips_sanitizing = true,
            (b"sanitize-payload", _) => self.skips_sanitizing = false,
            (b"nopass", _) => self.set_no_password(true),
            (b"resetpass", _) => self.set_no_password(false),
            (_, [b'>', password @ ..]) => self.add_password(digest(password))?,
            (_, [b'#', text @ ..]) => self.add_password(as_digest(text)?)?,
            (_, [b'<', password @ ..]) => self.remove_password(&digest(password))?,
            (_, [b'!', text @ ..]) => self.remove_password(&as_digest(text)?)?,
            (_, [b'(', rules @ .., b')']) => {
                let selector = self.selector(rules)?;
                room(self.selectors.len())?;
                self.selectors.push(selector);
            }
            (b"clearselectors", _) => self.selectors.clear(),
            (b"reset", _) => *self = Self::new(self.all_channels),
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    fn set_no_password(&mut self, no_password: bool) {
        self.no_password = no_password;
        self.passwords.clear();
    }

    fn add_password(&mut self, digest: [u8; DIGEST_BYTES]) -> Result<(), Mistake> {
        if !self.passwords.contains(&digest) {
            room(self.passwords.len())?;
            self.passwords.push(digest);
        }
        self.no_password = false;
        Ok(())
    }

    fn remove_password(&mut self, digest: &[u8; DIGEST_BYTES]) -> Result<(), Mistake> {
        let at = self.passwords.iter().position(|known| known == digest).ok_or(Mistake::NoPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// What stands between parentheses.
    fn selector(&self, rules: &[u8]) -> Result<Selector, Mistake> {
        let (mut line, mut spans) = (rules.to_vec(), Vec::<Span>::new());
        inline::split(&mut line, &mut spans).map_err(|_| Mistake::Syntax)?;
        let mut selector = Selector::new(self.all_channels);
        for span in spans {
            selector.apply(span.of(&line))?;
        }
        Ok(selector)
    }

    /// Whether the user may log in.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether any password will do.
    pub fn has_no_password(&self) -> bool {
        self.no_password
    }

    /// Whether who says this password is the user.
    pub fn admits(&self, password: &[u8]) -> bool {
        if !self.is_on || self.no_password {
            return self.is_on;
        }
        let digest = digest(password);
        // All are looked at, and each to its end, so that the time tells nothing.
        let differences = |known: &[u8; DIGEST_BYTES]| {
            known.iter().zip(&digest).fold(0, |differences, (a, b)| differences | (a ^ b))
        };
        self.passwords.iter().fold(false, |known, one| known | (differences(one) == 0))
    }

    /// Whether everything is allowed.
    pub fn is_free(&self) -> bool {
        self.every_selector().any(Selector::is_free)
    }

    fn every_selector(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Whether a request is allowed.
    ///
    /// # Errors
    /// The worst reason of all selectors; of several arguments, the last. Source: Redis `ACLCheckAllUserCommandPerm`.
    pub fn check(&self, row: &'static Row, args: &Args<'_>) -> Result<(), Denied> {
        let Some(command) = like(row) else { return Ok(()) };
        let mut worst = Denied::Command;
        for selector in self.every_selector() {
            match selector.check(command, row, args) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether a request is allowed that also looks at keys nobody can foresee.
    pub fn allows_every_key(&self, row: &'static Row, args: &Args<'_>, reads: bool, writes: bool) -> bool {
        self.every_selector()
            .any(|selector| selector.check(row, row, args).is_ok() && selector.has_every_key(reads, writes))
    }

    /// Whether a channel, or a pattern of channels, may be listened to.
    pub fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.every_selector().any(|selector| selector.has_channel(name, is_pattern))
    }

    /// Whether who listens to something as these rules allow may do so by `others` too. Source: Redis
    /// `ACLKillPubsubClientsIfNeeded`.
    pub fn channels_are_within(&self, others: &Self) -> bool {
        let mut allowed: Vec<&[u8]> = Vec::new();
        for selector in others.every_selector() {
            match selector.channels() {
                Ok(()) => return true,
                Err(channels) => allowed.extend(channels),
            }
        }
        self.every_selector().all(|selector| match selector.channels() {
            Ok(()) => false,
            Err(mut channels) => channels.all(|channel| allowed.contains(&channel)),
        })
    }

    /// The marks of the user, as Redis names them.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        [
            Some(if self.is_on { "on" } else { "off" }),
            self.no_password.then_some("nopass"),
            Some(if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" }),
        ]
        .into_iter()
        .flatten()
    }

    /// The digests of the passwords.
    pub fn passwords(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.passwords.iter().map(|digest| &digest[..])
    }

    /// What stands outside of parentheses.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// What stands within.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// All of it, as `ACL LIST` tells it, and as it may be read again.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for mark in self.marks() {
            text.extend_from_slice(mark.as_bytes());
            text.push(b' ');
        }
        for digest in &self.passwords {
            text.push(b'#');
            text.extend_from_slice(digest);
            text.push(b' ');
        }
        self.root.describe(&mut text);
        for selector in &self.selectors {
            text.extend_from_slice(b" (");
            selector.describe(&mut text);
            text.push(b')');
        }
        text
    }
}

/// The SHA-256 of a password in small hexadecimal digits.
fn digest(password: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut text = [0; DIGEST_BYTES];
    for (byte, digits) in Sha256::digest(password).iter().zip(text.chunks_exact_mut(2)) {
        digits.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
    text
}

fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[usize::from(digit)]
}

fn as_digest(text: &[u8]) -> Result<[u8; DIGEST_BYTES], Mistake> {
    let is_digest = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.try_into().ok().filter(|_| is_digest).ok_or(Mistake::NoDigest)
}

/// Rules of which those that stand between parentheses, in one word or in several, have become one.
///
/// # Errors
/// The word with a parenthesis that nobody closes.
pub fn merged<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let ends = word.ends_with(b")");
        open = match open {
            None if word.starts_with(b"(") && !ends => Some((word, word.to_vec())),
            None => {
                merged.push(word.to_vec());
                None
            }
            Some((first, mut all)) => {
                all.push(b' ');
                all.extend_from_slice(word);
                if ends {
                    merged.push(all);
                    None
                } else {
                    Some((first, all))
                }
            }
        };
    }
    match open {
        None => Ok(merged),
        Some((first, _)) => Err(first),
    }
}
