//! Users as text: the lines of a file, and of the setting `user`.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process;

use tidegate_protocols::acl::{Mistake, Rules, has_blanks, merged};
use tidegate_protocols::limits::ACL_USERS_MAX;

/// Bytes of the largest file of users that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A user's name and rules.
pub(super) type Named = (Box<[u8]>, Rules);

/// The users of a file.
///
/// # Errors
/// Everything that is wrong with it, in Redis's words. Source: Redis `acl.c`, `ACLLoadFromFile`.
pub(super) fn read(path: &Path, all_channels: bool) -> Result<Vec<Named>, String> {
    let name = path.display().to_string();
    let text = fs::metadata(path).and_then(|about| {
        if about.len() > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        fs::read(path)
    });
    let text =
        text.map_err(|error| format!("Error loading ACLs, opening file '{name}': {}", reason(&error)))?;
    let (mut users, mut known, mut errors) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let place = format!("{name}:{}", index + 1);
        match user(line, &place, all_channels) {
            Ok((user, _)) if !known.insert(user.clone()) => {
                let user = String::from_utf8_lossy(&user);
                errors.push(format!("WARNING: Duplicate user '{user}' found on line {}. ", index + 1));
            }
            Ok(_) if known.len() > ACL_USERS_MAX => {
                errors.push("There are too many users. ".to_owned());
                break;
            }
            Ok(user) => users.push(user),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    Err(errors.concat() + end)
}

/// What the system says of an error, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// One line, `user name rule …`.
fn user(line: &[u8], place: &str, all_channels: bool) -> Result<Named, String> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(b"user"), Some(name)) = (words.next(), words.next()) else {
        return Err(format!("{place} should start with user keyword followed by the username. "));
    };
    if has_blanks(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("'{place}: username '{name}' contains invalid characters. "));
    }
    let Ok(words) = merged(words) else {
        return Err(format!("{place}: Unmatched parenthesis in selector definition."));
    };
    let (mut rules, mut errors, mut is_told) = (Rules::new(all_channels), Vec::new(), false);
    for rule in words {
        match rules.apply(rule.trim_ascii()) {
            Err(mistake @ Mistake::Unknown) => {
                let rule = String::from_utf8_lossy(&rule);
                errors.push(format!("{place}: Error in applying operation '{rule}': {}. ", mistake.text()));
            }
            // Others may hold a password, so they are not repeated.
            Err(mistake) if !is_told => {
                errors.push(format!("{place}: {}. ", mistake.text()));
                is_told = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
    if errors.is_empty() { Ok((name.into(), rules)) } else { Err(errors.concat()) }
}

/// The users of the setting: a line for each, as in a file, where the word `user` may be left out.
///
/// # Errors
/// What is wrong with the first that is wrong, for people.
pub(super) fn of_setting(text: &str, all_channels: bool) -> Result<Vec<Named>, String> {
    let (mut users, mut known) = (Vec::new(), BTreeSet::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.strip_prefix("user ").unwrap_or(line);
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        if !known.insert(name) {
            return Err(format!(
                "user {name}: Duplicate user found. A user can only be defined once in config files"
            ));
        }
        let rules = Rules::new(all_channels).after(words.map(str::as_bytes));
        users.push((name.as_bytes().into(), rules.map_err(|error| format!("user {name}: {error}"))?));
    }
    Ok(users)
}

/// Writes lines to the file, wholly or not at all.
pub(super) fn write(path: &Path, lines: &[Vec<u8>]) -> io::Result<()> {
    let draft = path.with_added_extension(format!("tmp-{}", process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let mut replace = || {
        for line in lines {
            file.write_all(line)?;
            file.write_all(b"\n")?;
        }
        if let Ok(about) = fs::metadata(path) {
            file.set_permissions(about.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    replace().inspect_err(|_| {
        // The error says why; the draft is of no use to anybody.
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_a_whole_or_not_at_all_and_what_was_written_is_read_again() {
        let folder = std::env::temp_dir().join(format!("tidegate-users-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("users.acl");
        let place = path.display();
        assert_eq!(
            read(&path, false).unwrap_err(),
            format!("Error loading ACLs, opening file '{place}': No such file or directory")
        );
        let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        for (text, error) in [
            ("users a\n", format!("{place}:1 should start with user keyword followed by the username. ")),
            ("user\n", format!("{place}:1 should start with user keyword followed by the username. ")),
            ("\nuser a on\nuser a\n", "WARNING: Duplicate user 'a' found on line 3. ".into()),
            (
                "user a +foo\n",
                format!(
                    "{place}:1: Error in applying operation '+foo': Unknown command or category name in ACL. "
                ),
            ),
            ("user a foo bar\n", format!("{place}:1: Syntax error. ")),
            ("user a (+get\n", format!("{place}:1: Unmatched parenthesis in selector definition.")),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path, false).unwrap_err(), error + end, "{text}");
        }
        let lines = [&b"user a on >x ~a* (+get ~b)"[..], b"user default off", b"user b  nopass"];
        write(&path, &lines.map(<[u8]>::to_vec)).unwrap();
        let users = read(&path, false).unwrap();
        assert_eq!(users.len(), 3);
        assert!(users[0].1.admits(b"x") && !users[0].1.admits(b"y") && users[0].1.selectors().len() == 1);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_setting_has_a_user_in_each_line() {
        let users = of_setting("user a on >x\n\nb off (+get ~a) \n", false).unwrap();
        assert_eq!(users.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), [b"a", b"b"]);
        assert!(of_setting("a\na", false).unwrap_err().contains("Duplicate"));
        assert!(
            of_setting("a foo", false)
                .unwrap_err()
                .starts_with("user a: ERR Error in ACL SETUSER modifier 'foo'")
        );
    }
}
