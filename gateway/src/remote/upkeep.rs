//! Looking after the links of one worker: which there are, and whether they can be relied on.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::link::{self as frames, Ask, Greeting};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::topology::ShardNode;
use tidegate_protocols::{Dialect, Request, Words};
use tokio::task::spawn_local;

use super::Common;
use super::dial::keep_up;
use super::link::Link;
use super::unanswered::Owner;
use super::worker::RemoteWorker;

impl RemoteWorker {
    /// Makes the links that the topology needs, and retires those it does not.
    pub(super) fn make_links(&mut self) {
        let Some(wake) = self.wake.clone() else { return };
        let mut old = std::mem::take(&mut self.links);
        for shard in self.topology.shards() {
            let same = |link: &Rc<Link>| link.name == shard.name && link.place == shard.link;
            let link = match old.iter().position(same) {
                Some(place) => old.swap_remove(place),
                None => self.new_link(shard, &wake),
            };
            self.links.push(link);
        }
        for link in &old {
            link.retire();
        }
        self.retired.append(&mut old);
    }

    /// Makes a link to a shard.
    fn new_link(&self, shard: &ShardNode, wake: &Rc<dyn Fn()>) -> Rc<Link> {
        let known = self.common.page(&shard.name);
        let link = Rc::new(Link::new(shard.name.clone(), shard.link.clone(), known));
        link.knows_followed(self.followed.is_empty());
        let greeting = Greeting::new(&self.common.seat.gateway, self.topology.epoch);
        let process = self.common.process;
        let greet = move |generation| greeting.clone().of(process, generation);
        let common = Arc::clone(&self.common);
        let first = move |link: &Link| {
            send_changed_settings(link, &common);
            common.libraries.send_first(link);
        };
        spawn_local(keep_up(Rc::clone(&link), greet, first, Rc::clone(wake)));
        link
    }

    /// Gives up links of generations that are over, before anything is sent that has to come after all that was.
    #[inline]
    pub(super) fn keep_generation(&self) {
        for link in self.links.iter().chain(&self.retired).filter(|link| link.is_behind()) {
            link.cut("another worker has given up a link to this shard", self.now);
        }
    }

    /// Links that do not answer, and requests whose time is over.
    pub(super) fn look_after_links(&mut self) {
        const EVERY: Duration = Duration::from_millis(50);
        let (unseen, patience) = (self.now.saturating_duration_since(self.looked_after), self.patience());
        if unseen < EVERY {
            return;
        }
        self.looked_after = self.now;
        // What has come while this worker stood still itself may not be read yet; that is held against no shard.
        let has_stood_still = unseen >= patience / 2;
        let before = mem::replace(&mut self.has_stood_still, has_stood_still);
        if has_stood_still && !before {
            return;
        }
        for link in self.links.iter().chain(&self.retired) {
            if link.waiting() == 0 {
                if link.has_blocked() && link.is_silent(self.now, patience) {
                    ask_for_a_sign(link, self.now);
                }
                continue;
            }
            if link.down_for(self.now).is_some() {
                link.give_up(self.now, patience);
            } else if link.is_overdue(self.now, patience) {
                link.cut(&format!("it has not answered for {} ms", patience.as_millis()), self.now);
                link.give_up(self.now, patience);
            }
        }
        let common = &self.common;
        self.retired.retain(|link| {
            // What it has to tell is collected after this.
            let stays = link.waiting() > 0 || link.has_blocked() || link.has_news();
            if !stays {
                common.forget(&link.name, &link.page);
                link.retire();
            }
            stays
        });
    }
}

/// Asks a shard for something that changes nothing. What waits for keys there has no deadline, so nothing else would tell
/// that nobody is there any more.
#[cold]
fn ask_for_a_sign(link: &Link, now: Instant) {
    let nobody = 0_u64.to_le_bytes();
    let words = Words::new(&[Verbs::Unwatch.row().name.as_bytes(), &nobody]);
    let request =
        Request { row: Verbs::Unwatch.row(), dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
    let sent = link.push(Owner::NOBODY, true, now, |out, id| {
        frames::encode(out, &request, &Ask { id, ..Ask::default() })
    });
    debug_assert!(sent.is_ok(), "it is short");
}

/// Tells a shard what has been changed here, before anything else.
fn send_changed_settings(link: &Link, common: &Common) {
    let changed: Vec<_> = common.changed.lock().iter().copied().collect();
    if changed.is_empty() {
        return;
    }
    let words = settings_words(common, &changed);
    let words: Vec<_> = words.iter().map(String::as_bytes).collect();
    let words = Words::new(&words);
    let row = Verbs::Configure.row();
    let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
    let sent = link.push(Owner::NOBODY, false, Instant::now(), |out, id| {
        frames::encode(out, &request, &Ask { id, ..Ask::default() })
    });
    debug_assert!(sent.is_ok(), "settings are short");
}

/// The words that tell a shard how settings stand: names and values. Memory is for all shards together.
pub(super) fn settings_words(common: &Common, keys: &[Key]) -> Vec<String> {
    let shards = common.seat.topology.borrow().shards().len();
    let mut words = vec![Verbs::Configure.row().name.to_owned()];
    for &key in keys {
        let value = match key {
            Key::MaxMemory => (common.settings.number(key) as u64).div_ceil(shards as u64).to_string(),
            // What is shown may leave out a letter.
            Key::NotifyKeyspaceEvents => common.settings.classes(key).letters(),
            _ => common.settings.show(key).clone(),
        };
        words.extend([key.row().name.to_owned(), value]);
    }
    words
}
