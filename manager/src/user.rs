//! Giving up root, as memcached does with `-u`.

use nix::errno::Errno;
use nix::unistd;
pub(crate) use nix::unistd::User;

/// Whether this process is root, as far as anybody can tell.
pub(crate) fn is_root() -> bool {
    unistd::getuid().is_root() || unistd::geteuid().is_root()
}

/// The user of this name.
pub(crate) fn named(name: &str) -> Option<User> {
    User::from_name(name).ok().flatten()
}

/// Becomes `user` for good, with all threads. Source: memcached `memcached.c`, `main`.
///
/// # Errors
/// Why it cannot, for people.
pub(crate) fn become_one(user: &User) -> Result<(), String> {
    match unistd::setgroups(&[]) {
        // Who may not drop groups has been deprived of what they would be good for.
        Ok(()) | Err(Errno::EPERM) => {}
        Err(error) => return Err(format!("cannot drop supplementary groups: {error}")),
    }
    unistd::setgid(user.gid)
        .and_then(|()| unistd::setuid(user.uid))
        .map_err(|error| format!("cannot become the user {}: {error}", user.name))
}
