use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::failure::Failure;
use crate::https_client::HttpsClient;

/// A collector that takes longer is not waited for: what was to be told is dropped, and the next batch is tried.
const LONGEST_EXPORT: Duration = Duration::from_secs(10);
/// What a collector answers is a line or two.
const MOST_OF_AN_ANSWER: usize = 64 * 1024;

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesSetting {
    /// A collector that takes OTLP by HTTP.
    pub collector: url::Url,
    /// Of so many requests, as a fraction of all.
    pub sample: f64,
}

/// Sends what was traced to the collector, in batches. Dropped, it sends the rest.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins. Within a runtime, which sends.
    pub(crate) fn start(setting: &TracesSetting, name: &'static str) -> Result<Self, Failure> {
        let client = HttpsClient::new().map_err(|error| {
            Failure::with_way_out(
                format!("traces cannot be sent by TLS: {error}"),
                "Install the system's certificates (ca-certificates), or leave VESTIBULE_OTLP_ENDPOINT away.",
            )
        })?;
        let mut address = setting.collector.clone();
        address.set_path(&format!("{}/v1/traces", address.path().trim_end_matches('/')));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier { client, runtime: Handle::current() })
            .with_endpoint(address.as_str())
            .build()
            .map_err(Failure::because)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::TraceIdRatioBased(setting.sample))
            .with_resource(Resource::builder().with_service_name(name).build())
            .build();
        Ok(Self(provider))
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("vestibule")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Takes batches to the collector. It is called from a thread without a runtime.
struct Courier {
    client: HttpsClient,
    runtime: Handle,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let asking = async move {
            let answer = client.ask(request.map(Full::new)).await?;
            let status = answer.status;
            let body = answer.body(MOST_OF_AN_ANSWER).await?;
            Response::builder().status(status).body(body).map_err(|error| error.to_string())
        };
        // Within the runtime, which the clock of the limit needs too.
        let answered = self.runtime.spawn(async { tokio::time::timeout(LONGEST_EXPORT, asking).await });
        Ok(answered.await???)
    }
}
