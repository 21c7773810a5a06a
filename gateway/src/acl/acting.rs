//! Users of other gateways for whom scripts run here.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_protocols::Error;
use tidegate_protocols::acl::Rules;

use super::{Acl, User};
use crate::limits::ACTING_MAX;

/// By the gateway process, and its number of the client.
pub(super) type Acting = HashMap<(u64, u64), Arc<User>>;

impl Acl {
    /// Scripts that run for a client of a gateway may do what these rules allow.
    ///
    /// # Errors
    /// What is wrong with the rules.
    pub(crate) fn act_under(&self, client: (u64, u64), user: &[u8], rules: &[u8]) -> Result<(), Error> {
        let words = rules.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let user = User::new(user, Rules::new(false).after(words)?);
        let mut acting = self.acting.lock();
        if acting.len() >= ACTING_MAX {
            // They are told again with the next script.
            acting.clear();
        }
        acting.insert(client, Arc::new(user));
        Ok(())
    }

    /// Who that is; `None` if nobody has said what such scripts may do.
    pub(crate) fn acting_for(&self, client: (u64, u64)) -> Option<Arc<User>> {
        self.acting.lock().get(&client).cloned()
    }
}
