//! Who clients may be, and what was refused to them. What rules mean is said in [`tidegate_protocols::acl`].
//!
//! A user is one object for as long as it is there; its rules are replaced. Clients of a user who may do everything are not
//! looked at again for each request: only when rules change every worker looks at its clients once
//! ([`Acl::changes`], `Intake::follow_users`).

mod acting;
mod file;
mod log;
mod refusal;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tidegate_protocols::acl::{DEFAULT_USER, Rules, has_blanks};
use tidegate_protocols::limits::ACL_USERS_MAX;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::{Args, Error, Row};

pub(crate) use self::log::{Log, Reason};
pub(crate) use self::refusal::{
    Checked, denied_text, note_wrong_password, refusal, refusal_in_script, refuse_queued,
};
pub(crate) use self::waiting::{Waiting, refuse_waiting};
use crate::registry::Client;

/// A user.
#[derive(Debug)]
pub struct User {
    name: Box<[u8]>,
    rules: RwLock<Rules>,
    /// Whether the rules allow everything.
    is_free: AtomicBool,
    /// The change of users since which it may be that somebody listens to what he may not.
    narrowed: AtomicU64,
}

impl User {
    pub(crate) fn new(name: &[u8], rules: Rules) -> Self {
        Self {
            name: name.into(),
            is_free: AtomicBool::new(rules.is_free()),
            rules: RwLock::new(rules),
            narrowed: AtomicU64::new(0),
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may do everything.
    pub(crate) fn is_free(&self) -> bool {
        self.is_free.load(Ordering::Acquire)
    }

    /// A look at its rules.
    pub(crate) fn with_rules<T>(&self, look: impl FnOnce(&Rules) -> T) -> T {
        look(&self.rules.read())
    }

    /// Whether a request is allowed.
    pub(crate) fn check(
        &self,
        row: &'static Row,
        args: &Args<'_>,
    ) -> Result<(), tidegate_protocols::acl::Denied> {
        self.rules.read().check(row, args)
    }

    /// Whether it may be that its clients listen to what they may not since the users changed for this time.
    pub(crate) fn is_narrowed_since(&self, change: u64) -> bool {
        self.narrowed.load(Ordering::Acquire) > change
    }

    fn replace(&self, rules: Rules) {
        self.is_free.store(rules.is_free(), Ordering::Release);
        *self.rules.write() = rules;
    }
}

/// All users.
#[derive(Debug)]
pub(crate) struct Acl {
    users: RwLock<BTreeMap<Box<[u8]>, Arc<User>>>,
    default: Arc<User>,
    /// Whether whoever connects is the default user at once.
    is_open: AtomicBool,
    changes: AtomicU64,
    /// What was refused.
    pub(crate) log: Log,
    /// Those of other gateways for whom scripts run here.
    acting: Mutex<acting::Acting>,
}

impl Acl {
    /// The users that the settings and the file they name speak of.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let default = Arc::new(User::new(DEFAULT_USER, Rules::of_default()));
        let acl = Self {
            users: RwLock::new(BTreeMap::from([(DEFAULT_USER.into(), Arc::clone(&default))])),
            default,
            is_open: AtomicBool::new(true),
            changes: AtomicU64::new(1),
            log: Log::default(),
            acting: Mutex::default(),
        };
        acl.set_default_password(&settings.text(Key::RequirePass));
        let text = settings.text(Key::User);
        if let Some(path) = path(settings) {
            if !text.is_empty() {
                return Err(
                    "users are named by 'user' and by the file of 'aclfile': one of the two, please".into()
                );
            }
            acl.exchange(file::read(&path, all_channels(settings))?);
        } else {
            for (name, rules) in file::of_setting(&text, all_channels(settings))? {
                acl.enter(&name, rules)?;
            }
        }
        Ok(acl)
    }

    /// Whether whoever connects is the default user at once, and need not log in.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How often something has changed.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whom clients are before they say who they are.
    pub(crate) fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// The user of this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).map(Arc::clone)
    }

    /// All users, by name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().map(Arc::clone).collect()
    }

    /// Whether there is a user of this name with this password.
    pub(crate) fn admits(&self, name: &[u8], password: &[u8]) -> bool {
        self.get(name).is_some_and(|user| user.with_rules(|rules| rules.admits(password)))
    }

    /// Makes a client the user of this name, if the password is right.
    pub(crate) fn log_in(&self, name: &[u8], password: &[u8], client: &Client) -> Option<Arc<User>> {
        // Who removes the user then finds the client.
        let users = self.users.read();
        let user = users.get(name).filter(|user| user.with_rules(|rules| rules.admits(password)))?;
        client.set_user(Arc::clone(user));
        Some(Arc::clone(user))
    }

    /// `ACL SETUSER`: all rules, or none and what is wrong with them.
    pub(crate) fn set<'a>(
        &self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
        settings: &Settings,
    ) -> Result<(), Error> {
        if has_blanks(name) {
            return Err(Error::Text("ERR Usernames can't contain spaces or null characters"));
        }
        let mut users = self.users.write();
        let all_channels = all_channels(settings);
        match users.get(name) {
            Some(user) => {
                let old = user.with_rules(Rules::clone).with_channels(all_channels);
                let new = old.after(rules)?;
                self.change(user, new);
            }
            None if users.len() >= ACL_USERS_MAX => return Err(Error::Text("ERR there are too many users")),
            None => {
                let rules = Rules::new(all_channels).after(rules)?;
                users.insert(name.into(), Arc::new(User::new(name, rules)));
            }
        }
        Ok(())
    }

    /// Replaces the rules of a user, whoever is connected as it.
    fn change(&self, user: &User, rules: Rules) {
        if !user.with_rules(|old| old.channels_are_within(&rules)) {
            user.narrowed.store(self.changes() + 1, Ordering::Release);
        }
        user.replace(rules);
        self.look_at_default();
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn look_at_default(&self) {
        let is_open = self.default.with_rules(|rules| rules.is_on() && rules.has_no_password());
        self.is_open.store(is_open, Ordering::Release);
    }

    /// `requirepass`; an empty one is none.
    pub(crate) fn set_default_password(&self, password: &str) {
        // Under the lock of all users, as every change.
        let _users = self.users.write();
        let mut rules = self.default.with_rules(Rules::clone);
        let rule =
            if password.is_empty() { b"nopass".to_vec() } else { [b">", password.as_bytes()].concat() };
        for rule in [b"resetpass", &rule[..]] {
            rules.apply(rule).expect("one password always fits");
        }
        self.change(&self.default, rules);
    }

    /// Removes users that are not the default one. Those that were there are returned.
    pub(crate) fn remove<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        names.filter_map(|name| users.remove(name)).collect()
    }

    /// Enters a user of the settings.
    fn enter(&self, name: &[u8], rules: Rules) -> Result<(), String> {
        let mut users = self.users.write();
        if name == DEFAULT_USER {
            self.change(&self.default, rules);
        } else if users.len() >= ACL_USERS_MAX {
            return Err("there are too many users".into());
        } else {
            users.insert(name.into(), Arc::new(User::new(name, rules)));
        }
        Ok(())
    }

    /// Puts users in the place of all there are; the default one stays who it is. Returns those who are gone.
    fn exchange(&self, named: Vec<file::Named>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        let mut new = BTreeMap::from([(DEFAULT_USER.into(), Arc::clone(&self.default))]);
        let mut rules_of_default = Rules::of_default();
        for (name, rules) in named {
            if *name == *DEFAULT_USER {
                rules_of_default = rules;
            } else {
                let user = Arc::new(User::new(&name, rules));
                new.insert(name, user);
            }
        }
        let mut old = std::mem::replace(&mut *users, new);
        old.remove(DEFAULT_USER);
        self.change(&self.default, rules_of_default);
        old.into_values().collect()
    }

    /// `ACL LOAD`: the users of the file in the place of all there are, or what is wrong with it. Returns those who are
    /// gone.
    pub(crate) fn load(&self, path: &Path, settings: &Settings) -> Result<Vec<Arc<User>>, String> {
        Ok(self.exchange(file::read(path, all_channels(settings))?))
    }

    /// `ACL SAVE`.
    pub(crate) fn save(&self, path: &Path) -> std::io::Result<()> {
        file::write(path, &self.lines())
    }

    /// A line for each user, as `ACL LIST` tells them.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let line =
            |user: &Arc<User>| [b"user ", user.name(), b" ", &user.with_rules(Rules::describe)].concat();
        self.all().iter().map(line).collect()
    }

    /// What the setting `user` has to be so that the next start finds the users there are; nothing if `requirepass` says
    /// all there is to say, or if a file does.
    pub(crate) fn as_setting(&self, settings: &Settings) -> String {
        let mut usual = Rules::of_default();
        let password = settings.text(Key::RequirePass);
        if !password.is_empty() {
            usual.apply(&[b">", password.as_bytes()].concat()).expect("one password always fits");
        }
        let is_usual = self.default.with_rules(|rules| rules.describe() == usual.describe());
        if path(settings).is_some() || is_usual && self.users.read().len() == 1 {
            return String::new();
        }
        String::from_utf8_lossy(&self.lines().join(&b'\n')).into_owned()
    }
}

/// A user for tests that need any.
#[cfg(test)]
pub(crate) fn nobody() -> Arc<User> {
    Arc::new(User::new(DEFAULT_USER, Rules::of_default()))
}

/// The file of users, if there is one.
pub(crate) fn path(settings: &Settings) -> Option<PathBuf> {
    let file = settings.text(Key::AclFile);
    (!file.is_empty()).then(|| Path::new(&*settings.text(Key::Dir)).join(&*file))
}

/// Whether new users may listen to everything.
fn all_channels(settings: &Settings) -> bool {
    settings.number(Key::AclPubsubDefault) == 0
}
