//! Whom Memcached clients may be besides Redis's user `default`: the users of memcached's `-Y` and `-S`.

/// Users a file may name. Source: memcached `authfile.c`, `MAX_ENTRIES`.
const USERS_MAX: usize = 8;

/// Bytes of one line. Source: memcached `authfile.c`, `MAX_ENTRY_LEN`, which counts the end of a string too.
const LINE_BYTES_MAX: usize = 255;

/// Users with their passwords; without any, nobody has to say who it is on their account.
#[derive(Clone, Default)]
pub struct Users(Vec<User>);

#[derive(Clone)]
struct User {
    name: Box<[u8]>,
    password: Box<[u8]>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing that could end in a log.
        write!(f, "Users({})", self.0.len())
    }
}

impl Users {
    /// The users of a file: a line `user:password` for each.
    ///
    /// # Errors
    /// What is wrong with the file, for people. memcached ignores users beyond the eighth; they are refused here.
    pub fn of(text: &[u8]) -> Result<Self, String> {
        let mut users = Vec::new();
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':').filter(|_| line.len() <= LINE_BYTES_MAX);
            let Some(colon) = colon else {
                let line = index + 1;
                return Err(format!("line {line} is no user:password of at most {LINE_BYTES_MAX} bytes"));
            };
            users.push(User { name: line[..colon].into(), password: line[colon + 1..].into() });
        }
        if users.is_empty() || users.len() > USERS_MAX {
            return Err(format!("{} users are in it, 1 to {USERS_MAX} are expected", users.len()));
        }
        Ok(Self(users))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has this name and this password.
    pub(crate) fn know(&self, user: &[u8], password: &[u8]) -> bool {
        // All are looked at, so that the time tells nothing.
        let known = |one: &&User| same(&one.name, user) & same(&one.password, password);
        self.0.iter().filter(known).count() > 0
    }
}

/// Equality that takes as long for what is wrong as for what is nearly right.
pub(crate) fn same(expected: &[u8], given: &[u8]) -> bool {
    let differences = expected.iter().zip(given).fold(0, |differences, (a, b)| differences | (a ^ b));
    expected.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_its_users_as_for_memcached() {
        let users = Users::of(b"foo:bar\r\nb:\x01:2\n\ne:\n").unwrap();
        for (user, password, known) in [
            (&b"foo"[..], &b"bar"[..], true),
            (b"b", b"\x01:2", true),
            (b"e", b"", true),
            (b"foo", b"ba", false),
            (b"foo", b"barb", false),
            (b"b", b"bar", false),
            (b"", b"", false),
        ] {
            assert_eq!(users.know(user, password), known, "{user:?} {password:?}");
        }
    }

    #[test]
    fn a_file_that_names_nobody_is_refused() {
        for (text, reason) in [
            (&b""[..], "0 users"),
            (b"\n\n", "0 users"),
            (b"a:b\nnobody\n", "line 2 is no user:password"),
            (&[b'x'; 300], "line 1"),
            (&b"a:b\n".repeat(9), "9 users"),
        ] {
            let error = Users::of(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(Users::of(&[&b"u:"[..], &[b'x'; 300]].concat()).is_err());
    }
}
