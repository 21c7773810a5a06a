//! The admin port: `/metrics`, `/healthz` and a page that names them.

mod metrics;
mod shards;

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_gateway::Shared;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use metrics::Exporter;

use crate::front::Shards;

/// Connections held at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a client may take altogether, until it has its answer.
const CONNECTION_MAX: Duration = Duration::from_secs(30);

/// How long to wait after a failed accept (too many open files) before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const INDEX: &str = "Tidegate\n\n/metrics  for Prometheus\n/healthz  200 while clients are served and every slot has a shard that answers\n";

/// What the pages are made from.
struct Admin {
    shared: Arc<Shared>,
    /// What is behind this process, if it is a gateway in front of shards.
    shards: Option<Shards>,
    exporter: Exporter,
    started: Instant,
}

/// Serves the admin port until the runtime ends.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    shards: Option<Shards>,
) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let admin = Arc::new(Admin { shared, shards, exporter: Exporter::new(), started: Instant::now() });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            if let Err(error) = attend(socket, |request| admin.answer(request)).await {
                tracing::debug!(error, "a connection to the admin port ended early");
            }
            drop(place);
        });
    }
}

/// Answers the one request of a connection, within all limits.
async fn attend(
    socket: TcpStream,
    answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
) -> Result<(), Box<dyn Error>> {
    let service = service_fn(|request| ready(Ok::<_, Infallible>(answer(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), service);
    Ok(timeout(CONNECTION_MAX, connection).await??)
}

impl Admin {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("it is plain text"));
            return response;
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, INDEX),
            "/healthz" if *self.shared.shutdown_requested().borrow() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/healthz" => match self.shards.as_ref().map(shards::health) {
                None => text(StatusCode::OK, "ok\n"),
                Some((true, state)) => text(StatusCode::OK, state),
                Some((false, state)) => text(StatusCode::SERVICE_UNAVAILABLE, state),
            },
            "/metrics" => {
                let mut page = self.exporter.render(&self.shared, self.started.elapsed().as_secs_f64());
                if let Some(shards) = &self.shards {
                    shards::write(shards, &mut page);
                }
                text(StatusCode::OK, page)
            }
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }
}

/// A plain text response, of the version of it that Prometheus asks for.
fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = "text/plain; version=0.0.4; charset=utf-8".parse().expect("it is a media type");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Client;

    use super::*;

    /// Bytes that no socket buffers hold.
    const LARGE: usize = 64 * 1024 * 1024;

    /// A client that has sent `request`, and what becomes of its connection. The clock runs ahead whenever
    /// nothing else happens.
    async fn attended(request: &[u8]) -> (Client, Result<(), Box<dyn Error>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(request).unwrap();
        let socket = listener.accept().unwrap().0;
        socket.set_nonblocking(true).unwrap();
        let outcome = attend(TcpStream::from_std(socket).unwrap(), |request| match request.uri().path() {
            "/large" => text(StatusCode::OK, vec![b'x'; LARGE]),
            _ => text(StatusCode::OK, "small"),
        });
        (client, outcome.await)
    }

    fn received(mut client: Client) -> String {
        let mut answer = Vec::new();
        // Cut off, it may get a reset after what was on its way.
        let _ = client.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_with_its_first_answer() {
        let (client, outcome) = attended(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n").await;
        assert!(outcome.is_ok(), "{outcome:?}");
        let answer = received(client);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nsmall"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_finish_its_request_or_take_its_answer_is_cut_off() {
        for request in ["GET / HTTP/1.1\r\nHos", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let (client, outcome) = attended(request.as_bytes()).await;
            assert!(outcome.is_err(), "{request}");
            assert!(received(client).len() < LARGE, "{request}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_head_is_refused() {
        let request = ["GET / HTTP/1.1\r\nX: ", &"x".repeat(2 * HEAD_BYTES_MAX)].concat();
        let (client, outcome) = attended(request.as_bytes()).await;
        assert!(outcome.is_err());
        assert!(received(client).starts_with("HTTP/1.1 431 "));
    }
}
