//! The native parts of `velaria.bitable`: a connection, a table and its pages.
//!
//! What travels between Python and the engine is JSON text, except for records: those go to the program as the objects that its
//! transport made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use velaria::bitable::{
    BitableClient, BitableSettings, BitableSource, BitableStreamSettings, Blocking, Origin, PageHead, Pages,
    RecordQuery, Secret, TableAddress, TextTransport, Transport,
};
use velaria::{Error, ErrorCode, ErrorKind, Result};

use crate::dataframe::DataFrame;
use crate::error::{say, to_py, to_py_as, wrong_type};
use crate::exit::visit;
use crate::runtime::{shutting_down, wait};
use crate::seconds::seconds;
use crate::session::Session;
use crate::stream::StreamingDataFrame;

/// The exception for `error`: that of the program's own transport when it is one.
fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let own = std::error::Error::source(error).and_then(|source| source.downcast_ref::<PyErr>());
    match own {
        Some(exception) => exception.clone_ref(py),
        None if error.kind() == ErrorKind::Remote => to_py_as(py, error, "BitableClientError"),
        None => to_py(py, error),
    }
}

/// Waits for `future`. The result of the wait is what became of the waiting, and inside of it is what became of the request.
fn answer<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    wait(py, async move { Ok(future.await) })?.map_err(|error| raised(py, &error))
}

/// An application's or a person's way to the service.
#[pyclass(frozen, module = "velaria._velaria")]
pub(crate) struct BitableConnection {
    client: BitableClient,
}

#[pymethods]
impl BitableConnection {
    #[new]
    #[pyo3(signature = (app_id, app_secret, user_access_token, base_url, request_timeout_seconds, retry_seconds,
        requests_per_second))]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of BitableClient")]
    fn new(
        py: Python<'_>,
        app_id: &str,
        app_secret: String,
        user_access_token: Option<String>,
        base_url: Option<&str>,
        request_timeout_seconds: &Bound<'_, PyAny>,
        retry_seconds: Option<&Bound<'_, PyAny>>,
        requests_per_second: f64,
    ) -> PyResult<Self> {
        let raise = |error: Error| to_py(py, &error);
        let settings = BitableSettings {
            request_timeout: seconds(request_timeout_seconds, "request_timeout_seconds")?,
            retry_patience: retry_seconds.map_or(Ok(Duration::ZERO), |patience| seconds(patience, "retry_seconds"))?,
            requests_per_second,
            base_url: base_url.map(Origin::parse).transpose().map_err(raise)?,
        };
        let client = match user_access_token {
            Some(token) => BitableClient::of_user(Secret::new(token), settings),
            None => BitableClient::of_app(app_id, Secret::new(app_secret), settings),
        };
        Ok(Self { client: client.map_err(raise)? })
    }

    /// The JSON document that answers a request.
    fn request(&self, py: Python<'_>, method: String, url: String, body: Option<String>) -> PyResult<String> {
        let client = self.client.clone();
        answer(py, async move { client.request_text(&method, &url, body.as_deref()).await })
    }

    fn __repr__(&self) -> String {
        match self.client.app_id() {
            Some(app_id) => format!("<velaria.BitableClient: app {app_id}>"),
            None => "<velaria.BitableClient: a person>".to_owned(),
        }
    }
}

/// A table of a Base, by its ids or by its address.
#[pyclass(frozen, module = "velaria._velaria")]
pub(crate) struct BitableTable {
    address: TableAddress,
}

#[pymethods]
impl BitableTable {
    /// What an address names. With a connection, where that one is.
    #[staticmethod]
    fn of_url(py: Python<'_>, url: &str, connection: Option<&BitableConnection>) -> PyResult<Self> {
        let address = TableAddress::parse(url).map_err(|error| to_py(py, &error))?;
        Ok(Self { address: at(address, connection) })
    }

    /// The table of these ids.
    #[staticmethod]
    fn of_ids(app_token: &str, table_id: &str, view_id: Option<&str>, connection: Option<&BitableConnection>) -> Self {
        let address = TableAddress::of_base(Origin::feishu(), app_token, table_id, view_id);
        Self { address: at(address, connection) }
    }

    /// The token of the Base, the id of the table, and that of the view.
    #[getter]
    fn ids(&self) -> (&str, &str, Option<&str>) {
        (&self.address.app_token, &self.address.table_id, self.address.view_id.as_deref())
    }

    /// The request that says which Base a wiki page shows, when the table is in one.
    #[getter]
    fn node_request(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.address.node_request().map_err(|error| to_py(py, &error))
    }

    /// The same table in the Base that the answer to that request names.
    fn in_base(&self, py: Python<'_>, reply: &str) -> PyResult<Self> {
        let address = self.address.clone().in_base(reply).map_err(|error| raised(py, &error))?;
        Ok(Self { address })
    }

    /// The records as a frame.
    fn read(&self, py: Python<'_>, session: &Session, way: Way<'_>, query: &str) -> PyResult<DataFrame> {
        let (session, source) = (session.open(py)?, self.source(py, way, query)?);
        let read = answer(py, async move { session.read_bitable(&source).await })?;
        say(py, &read.warnings)?;
        Ok(DataFrame::new(read.frame))
    }

    /// The records as a stream.
    fn stream(
        &self,
        py: Python<'_>,
        session: &Session,
        way: Way<'_>,
        query: &str,
        settings: &str,
    ) -> PyResult<StreamingDataFrame> {
        let (session, source) = (session.open(py)?, self.source(py, way, query)?);
        let settings = BitableStreamSettings::parse(settings).map_err(|error| to_py(py, &error))?;
        let (frame, warnings) = answer(py, async move { session.read_bitable_stream(&source, settings).await })?;
        say(py, &warnings)?;
        Ok(StreamingDataFrame::new(frame))
    }
}

impl BitableTable {
    fn source(&self, py: Python<'_>, way: Way<'_>, query: &str) -> PyResult<BitableSource> {
        let query = RecordQuery::parse(query).map_err(|error| to_py(py, &error))?;
        Ok(BitableSource { transport: way.transport(), table: self.address.clone(), query })
    }
}

fn at(address: TableAddress, connection: Option<&BitableConnection>) -> TableAddress {
    let Some(connection) = connection else { return address };
    let origin = connection.client.origin(address.origin.clone());
    address.at(origin)
}

/// How requests travel: over a connection, or by what a program has instead.
#[derive(FromPyObject)]
enum Way<'py> {
    Connection(PyRef<'py, BitableConnection>),
    Own(Bound<'py, PyAny>),
}

impl Way<'_> {
    fn transport(self) -> Arc<dyn Transport> {
        match self {
            Self::Connection(connection) => Arc::new(connection.client.clone()),
            Self::Own(call) => Arc::new(Blocking(Arc::new(OwnTransport { call: call.unbind() }))),
        }
    }
}

/// A Python callable of method, address and body: JSON text in, JSON text out.
#[derive(Debug)]
struct OwnTransport {
    call: Py<PyAny>,
}

impl TextTransport for OwnTransport {
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<String> {
        let called = visit(|py| {
            let reply = self.call.bind(py).call1((method, url, body)).and_then(|reply| reply.extract::<String>());
            reply.map_err(|exception| {
                let message = format!("the request was not answered: {exception}");
                Error::new(ErrorCode::ServiceAnswer, message).with_source(exception)
            })
        });
        called.unwrap_or_else(|| Err(shutting_down()))
    }
}

/// The pages of a table's records, one after the other.
#[pyclass(frozen, module = "velaria._velaria")]
pub(crate) struct BitablePages {
    pages: Mutex<Pages>,
}

#[pymethods]
impl BitablePages {
    #[new]
    fn new(py: Python<'_>, table: &BitableTable, query: &str) -> PyResult<Self> {
        let made = RecordQuery::parse(query).and_then(|query| Pages::of_records(&table.address, &query));
        made.map(|pages| Self { pages: Mutex::new(pages) }).map_err(|error| to_py(py, &error))
    }

    /// The address and the body of the next request, or `None` behind the last page.
    fn request(&self) -> Option<(String, String)> {
        let request = self.pages().next_request()?;
        let body = request.full_body().to_string();
        Some((request.url, body))
    }

    /// The number of records of the whole table, if the answer says it, and the records of this page.
    fn accept<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<(Option<u64>, Bound<'py, PyList>)> {
        let py = reply.py();
        let Ok(reply) = reply.cast::<PyDict>() else {
            return Err(wrong_type(py, "an answer of the service must be a dict"));
        };
        let (head, items) = head(reply)?;
        let total = head.total;
        let takes = self.pages().accept(head).map_err(|error| raised(py, &error))?;
        let taken = PyList::empty(py);
        for (item, _) in items.iter().flatten().zip(takes).filter(|(_, takes)| *takes) {
            taken.append(item)?;
        }
        Ok((total, taken))
    }

    /// What a person should know of the pages that were read.
    fn warning(&self) -> Option<String> {
        self.pages().warning()
    }
}

impl BitablePages {
    // A page is judged in one step.
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The head of an answer, and its records when they are a list.
fn head<'py>(reply: &Bound<'py, PyDict>) -> PyResult<(PageHead, Option<Bound<'py, PyList>>)> {
    let py = reply.py();
    let data = member(Some(reply), "data")?.and_then(|data| data.cast_into::<PyDict>().ok());
    let data = data.as_ref();
    let (has_items, items) = match member(data, "items")? {
        None => (false, Some(PyList::empty(py))),
        Some(items) => {
            let items = items.cast_into::<PyList>().ok();
            (items.is_some(), items)
        }
    };
    // A program may leave out the code of an answer that has records.
    let without_code = has_items && member(Some(reply), "code")?.is_none();
    let words =
        |name| Ok::<_, PyErr>(member(Some(reply), name)?.map_or_else(|| "None".to_owned(), |word| word.to_string()));
    let head = PageHead {
        code: if without_code { "0".to_owned() } else { words("code")? },
        message: words("msg")?,
        log_id: member(Some(reply), "log_id")?.and_then(|id| id.extract().ok()),
        has_more: member(data, "has_more")?.is_some_and(|more| more.is_truthy().unwrap_or(false)),
        page_token: member(data, "page_token")?.and_then(|place| place.extract().ok()),
        total: member(data, "total")?.and_then(|total| total.extract().ok()),
        ids: items.as_ref().map(|items| items.iter().map(|item| record_id(&item)).collect()),
    };
    Ok((head, items))
}

fn record_id(item: &Bound<'_, PyAny>) -> Option<String> {
    let item = item.cast::<PyDict>().ok()?;
    member(Some(item), "record_id").ok().flatten()?.extract().ok()
}

/// A member that is there and not `None`.
fn member<'py>(dict: Option<&Bound<'py, PyDict>>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(dict) = dict else { return Ok(None) };
    Ok(dict.get_item(name)?.filter(|value| !value.is_none()))
}
