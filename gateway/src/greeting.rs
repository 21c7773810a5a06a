//! The beginning of a link, as both ends have it: who is there, and at a shard what has to end before.

use std::rc::Rc;

use tidegate_protocols::link::Greeting;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::limits::{LINK_ENDS_TIME, LINK_GREETING_TIME};
use crate::membership::Membership;

/// Reads a greeting and nothing of what follows it.
///
/// # Errors
/// Why there is none, or none of a peer to talk to, for people.
pub(crate) async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Result<Greeting, String> {
    let mut heard = Vec::with_capacity(Greeting::HEAD_BYTES);
    let mut wanted = Greeting::HEAD_BYTES;
    loop {
        let missing = (wanted - heard.len()) as u64;
        match (&mut *stream).take(missing).read_buf(&mut heard).await {
            Ok(0) => return Err("it was closed before a greeting".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        if let Some((greeting, _)) = Greeting::decode(&heard).map_err(|malformed| malformed.to_string())? {
            greeting.check()?;
            return Ok(greeting);
        }
        if heard.len() == Greeting::HEAD_BYTES {
            wanted += usize::from(heard[Greeting::HEAD_BYTES - 1]);
        }
    }
}

/// Hears a gateway, ends the older links of its process, waits until nothing of them can be executed any more, and
/// greets: only then does the gateway send requests.
///
/// # Errors
/// Why the link is not to be served, for people.
pub(crate) async fn welcome(
    connection: &Rc<Connection>,
    reader: &mut (impl AsyncRead + Unpin),
    membership: &Membership,
) -> Result<(), String> {
    let heard = timeout(LINK_GREETING_TIME, hear(reader)).await;
    let Greeting { process, generation, name, .. } =
        heard.map_err(|_| "it was made and nothing was said".to_owned())??;
    let (shared, client) = (&connection.intake.shared, &connection.session.client);
    let Some(older) = shared.generations.enter(process, generation, client) else {
        return Err(format!("{name} has newer ones"));
    };
    connection.session.of_link().process.set(Some(process));
    connection.session.client.set_process(process);
    for link in older {
        shared.registry.kill(&link);
    }
    tokio::select! {
        biased;
        () = shared.generations.is_latest(process, generation) => {}
        stays = connection.stays_for(LINK_ENDS_TIME) => {
            let reason = if stays { "older ones have not ended" } else { "it is not wanted any more" };
            return Err(format!("{name}: {reason}"));
        }
    }
    tracing::info!(gateway = name, "a gateway has connected");
    // Nothing is known of a new socket yet, not even that it takes output: it goes by way of the backlog.
    connection.send(&membership.greeting());
    connection.settle();
    Ok(())
}
