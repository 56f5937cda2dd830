//! How a request reaches the service.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::task::spawn_blocking;
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::unexpected;

/// A way to the service, which knows who asks.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// The JSON document that answers `method` `url`; its `code` says whether the service did what it was asked.
    ///
    /// # Errors
    /// `VEL-6302` when the service cannot be reached, `VEL-6303` when its answer is no JSON, `VEL-6301` when it refuses without one.
    async fn request(&self, method: &str, url: &str, body: Option<Value>) -> Result<Value>;
}

/// A way to the service that a program brings: it takes and gives JSON as text, and may wait.
pub trait TextTransport: fmt::Debug + Send + Sync {
    /// The JSON document that answers `method` `url`.
    ///
    /// # Errors
    /// Whatever keeps it from an answer.
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<String>;
}

/// Such a way, on threads that may wait.
#[derive(Debug, Clone)]
pub struct Blocking(pub Arc<dyn TextTransport>);

#[async_trait]
impl Transport for Blocking {
    async fn request(&self, method: &str, url: &str, body: Option<Value>) -> Result<Value> {
        let (transport, method, url) = (Arc::clone(&self.0), method.to_owned(), url.to_owned());
        let body = body.map(|body| body.to_string());
        let reply = spawn_blocking(move || transport.request(&method, &url, body.as_deref())).await;
        let reply = reply.map_err(|_| Error::new(ErrorCode::Internal, "a transport panicked"))??;
        document(&reply)
    }
}

/// JSON that comes from outside.
pub(super) fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| unexpected("the answer is no JSON").with_hint(error.to_string()))
}
