//! The control plane's address: what is one, and how it is gone to. For runners and users alike.

use std::time::Duration;

use executor_api::{goes_to_loopback, needs_no_roots};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use url::Url;

const CONNECT: Duration = Duration::from_secs(10);

/// An address of a control plane, without a slash at the end. A token travels with every request: not in clear text over
/// a network, and to no other place than this.
///
/// # Errors
/// What is wrong, to stand after the name of the setting.
pub fn checked(text: &str, allow_http: bool) -> Result<String, String> {
    let url =
        Url::parse(text.trim()).map_err(|error| format!("is not a URL ({error}); it looks like https://host:port"))?;
    if url.host().is_none() {
        return Err("has no host; it looks like https://host:port".to_owned());
    }
    match url.scheme() {
        "https" => {}
        "http" if goes_to_loopback(url.as_str()) || allow_http => {}
        "http" => {
            let error = "is http:// to another machine, which shows the token to the network; use https:// or set \
                         ALETHIA_ALLOW_HTTP=true";
            return Err(error.to_owned());
        }
        other => return Err(format!("has the scheme {other:?}; use https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; take it out".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or fragment; take it out".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A client that goes there: through the proxy that the environment names, but never with what stays on this machine.
pub fn client(origin: &str) -> ClientBuilder {
    let client = reqwest::Client::builder().connect_timeout(CONNECT).redirect(Policy::none());
    let client = if needs_no_roots(origin) { client.tls_certs_only([]) } else { client };
    if goes_to_loopback(origin) { client.no_proxy() } else { client }
}

/// The proxy that [`client`] goes through, for people.
#[must_use]
pub fn proxy(origin: &str) -> Option<String> {
    let proxy = Matcher::from_system().intercept(&origin.parse().ok()?).filter(|_| !goes_to_loopback(origin))?;
    let named = "which HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names; NO_PROXY takes hosts out";
    Some(format!("the proxy {} ({named})", proxy.uri()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_travels_in_clear_text_over_a_network() {
        for good in
            ["https://a.example", "http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:7780", " https://a/ "]
        {
            assert!(checked(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "ftp://a",
            "https://u:p@a",
            "https://a/?x=1",
            "https://a/#x",
            "http://127.0.0.1.example",
        ] {
            assert!(checked(bad, false).is_err(), "{bad}");
        }
        assert_eq!(checked("http://a.example/below/", true).unwrap(), "http://a.example/below");
    }
}
