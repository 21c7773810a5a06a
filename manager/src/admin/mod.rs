//! The admin port: `/metrics`, `/healthz` and a page that names them.

mod metrics;

use std::convert::Infallible;
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
use tokio::sync::Semaphore;

use metrics::Exporter;

/// Connections held at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// How long to wait after a failed accept (too many open files) before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const INDEX: &str = "Tidegate\n\n/metrics  for Prometheus\n/healthz  200 while clients are served\n";

/// What the pages are made from.
struct Admin {
    shared: Arc<Shared>,
    exporter: Exporter,
    started: Instant,
}

/// Serves the admin port until the runtime ends.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let admin = Arc::new(Admin { shared, exporter: Exporter::new(), started: Instant::now() });
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
            let service = service_fn(|request| ready(Ok::<_, Infallible>(admin.answer(&request))));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_MAX)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the admin port ended early");
            }
            drop(place);
        });
    }
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
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/metrics" => {
                text(StatusCode::OK, self.exporter.render(&self.shared, self.started.elapsed().as_secs_f64()))
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
