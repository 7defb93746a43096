//! A stand-in for an OCI registry: the few routes that a pull needs, for one chart, behind a password.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::repository::{is_allowed, listen};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Content {
    /// By digest.
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: Vec<u8>,
    tag: String,
    credentials: String,
}

/// Its address. `archive` is a packaged chart, `config` its Chart.yaml as JSON.
pub(crate) async fn serve(archive: Vec<u8>, config: Vec<u8>, tag: &str, credentials: &str) -> String {
    let layer = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
        "config": layer("application/vnd.cncf.helm.config.v1+json", &config),
        "layers": [layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip", &archive)] });
    let blobs = [archive, config].into_iter().map(|bytes| (digest(&bytes), bytes)).collect();
    let (manifest, tag, credentials) = (manifest.to_string().into_bytes(), tag.to_owned(), credentials.to_owned());
    let content = Arc::new(Content { blobs, manifest, tag, credentials });
    listen(Router::new().route("/v2/{*rest}", any(answer)).with_state(content)).await
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

async fn answer(
    State(content): State<Arc<Content>>,
    Path(rest): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if !is_allowed(&headers, Some(&content.credentials)) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"charts\"")]).into_response();
    }
    let (kind, bytes) = match rest.rsplit_once('/') {
        Some(("team/web/tags", "list")) => {
            let list = json!({ "name": "team/web", "tags": [content.tag] });
            ("application/json", list.to_string().into_bytes())
        }
        Some(("team/web/manifests", name)) if name == content.tag || name == digest(&content.manifest) => {
            (MANIFEST, content.manifest.clone())
        }
        Some(("team/web/blobs", name)) if content.blobs.contains_key(name) => {
            ("application/octet-stream", content.blobs[name].clone())
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, bytes.len().to_string()),
        ("docker-content-digest".parse().unwrap(), digest(&bytes)),
    ];
    if method == Method::HEAD { headers.into_response() } else { (headers, bytes).into_response() }
}
