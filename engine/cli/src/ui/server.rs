//! The server: its threads, and the way of a request to its page.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::runtime::{Builder, Runtime};
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::Home;

use super::connection::Connections;
use super::guard::{self, Entry};
use super::query::Fields;
use super::route::{self, Route};
use super::{Options, Site, artifact, asset, job, live, reply, run, runs, sql};

/// Threads that may wait, for pages and queries.
const THREADS_MAX: usize = 16;
/// The longest form.
const FORM_MAX_BYTES: usize = 64 << 10;
/// How long a connection may go without an answer, beyond the longest query.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long pages that are being made may take to end.
const FAREWELL: Duration = Duration::from_millis(500);

/// A server on threads of its own, which ends when it is dropped.
pub(crate) struct Server {
    site: Arc<Site>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Begins to serve the runs of `home` on `port` of this machine alone; 0 is one that is free.
    ///
    /// # Errors
    /// `VEL-6003` when the port is taken, or there can be no threads.
    pub(crate) fn start(home: Home, port: u16, options: Options) -> Result<Self> {
        let refused = |error: std::io::Error| {
            Error::new(ErrorCode::Io, format!("cannot listen on 127.0.0.1:{port}"))
                .with_hint(format!("{error}; --port 0 takes a port that is free"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let taken = listener.local_addr().map_err(refused)?.port();
        let patience = options.timeout.saturating_add(PATIENCE);
        let site = Arc::new(Site::new(home, taken, options)?);
        let runtime = threads()?;
        let service = answer.with_state(Arc::clone(&site));
        let guard = runtime.enter();
        let listener = Connections::new(tokio::net::TcpListener::from_std(listener).map_err(refused)?, patience);
        drop(guard);
        runtime.spawn(async move { axum::serve(listener, service.into_make_service()).await });
        Ok(Self { site, runtime: Some(runtime) })
    }

    /// The address that lets in.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.site.port, self.site.secrets.token())
    }

    /// An address that lets in once.
    ///
    /// # Errors
    /// `VEL-6003` when the system has no random numbers.
    pub(crate) fn ticket_url(&self) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}/?token={}", self.site.port, self.site.secrets.issue_ticket()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.site.stopping.store(true, Ordering::SeqCst);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(FAREWELL);
        }
    }
}

fn threads() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(2).max_blocking_threads(THREADS_MAX).thread_name("velaria-ui").enable_all();
    builder.build().map_err(|error| Error::new(ErrorCode::Io, "cannot start threads").with_hint(error.to_string()))
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (request, body) = request.into_parts();
    let fields = Fields::parse(request.uri.query().unwrap_or_default().as_bytes());
    let response = match guard::admit(&site, &request, fields.text("token")) {
        Ok(Entry::Cookie) => admitted(&site, &request, fields, body).await,
        Ok(Entry::Token) => reply::welcome(&site, fields.text("next").unwrap_or_default()),
        Err(refusal) => reply::refused(refusal),
    };
    reply::secured(response)
}

async fn admitted(site: &Arc<Site>, request: &Parts, fields: Fields, body: Body) -> Response {
    let Some(route) = route::parse(request.uri.path()) else { return reply::missing() };
    match request.method {
        Method::GET | Method::HEAD if route.takes_get() => looked_at(site, route, fields).await,
        Method::POST if route.takes_post() => match form(request, body).await {
            Ok(form) => sent(site, route, form).await,
            Err(refusal) => refusal,
        },
        _ => reply::wrong_method(),
    }
}

/// The fields that a page sent, or the answer to what is no form.
async fn form(request: &Parts, body: Body) -> std::result::Result<Fields, Response> {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(reply::no_form());
    }
    to_bytes(body, FORM_MAX_BYTES).await.map(|bytes| Fields::parse(&bytes)).map_err(|_| reply::too_large())
}

async fn looked_at(site: &Arc<Site>, route: Route, fields: Fields) -> Response {
    match route {
        Route::Runs => job::run(site, move |site, _| runs::page(site, &fields)).await,
        Route::RunsLive => live::stream(Arc::clone(site), Box::new(runs::Live::new(&fields))),
        Route::Run(id) => job::run(site, move |site, check| run::page(site, &id, check)).await,
        Route::RunLive(id) => live::stream(Arc::clone(site), Box::new(run::Live::new(id))),
        Route::Report(id) => job::run(site, move |site, check| run::report(site, &id, check)).await,
        Route::Artifacts => job::run(site, move |site, _| artifact::list(site, &fields)).await,
        Route::Artifact(id) => job::run(site, move |site, check| artifact::page(site, &id, &fields, check)).await,
        Route::Sql => job::run(site, move |site, _| sql::page(site, &fields)).await,
        Route::Script => asset::script(),
        Route::Style => asset::style(),
        Route::Cancel(_) => reply::wrong_method(),
    }
}

async fn sent(site: &Arc<Site>, route: Route, form: Fields) -> Response {
    match route {
        Route::Sql => job::run(site, move |site, check| sql::answer(site, &form, check)).await,
        Route::Cancel(id) => job::run(site, move |site, check| run::cancel(site, &id, check)).await,
        _ => reply::wrong_method(),
    }
}
