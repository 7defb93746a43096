//! The one file from which job processes read the system's root certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::runner::Runner;

/// Looks for it, and tells the runner.
pub(crate) async fn find(runner: &Runner) {
    let env = runner.config.job_settings.env.clone();
    if let Ok(Some(bundle)) = tokio::task::spawn_blocking(move || root_bundle(&env)).await {
        let _ = runner.root_bundle.set(bundle);
    }
}

/// The one file that has all of the system's root certificates, if there is one and the operator has not chosen others in
/// `env`. Most systems have each of them again in a folder, in a file of its own; a process that looks for them reads
/// those, too, which is some milliseconds for every job.
fn root_bundle(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| env.contains_key(*name));
    let places = (!is_chosen).then(openssl_probe::probe)?;
    places.cert_file.filter(|bundle| has_all(bundle, &places.cert_dir))
}

fn has_all(bundle: &Path, folders: &[PathBuf]) -> bool {
    // In order, and none twice.
    let certificates = |folder| rustls_native_certs::load_certs_from_paths(Some(bundle), folder).certs;
    let alone = certificates(None);
    folders.iter().all(|folder| certificates(Some(folder)) == alone)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The reader looks for the form alone.
    fn pem(base64: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn a_bundle_stands_for_the_folder_only_if_nothing_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle.pem");
        let roots = folder.path().join("roots");
        fs::create_dir(&roots).unwrap();
        fs::write(&bundle, pem("QQ==") + &pem("Qg==")).unwrap();
        fs::write(roots.join("01234567.0"), pem("Qg==")).unwrap();
        assert!(has_all(&bundle, std::slice::from_ref(&roots)));
        fs::write(roots.join("89abcdef.0"), pem("Qw==")).unwrap();
        assert!(!has_all(&bundle, std::slice::from_ref(&roots)));
    }

    #[test]
    fn what_the_operator_has_chosen_stays() {
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            assert_eq!(root_bundle(&BTreeMap::from([(name.to_owned(), "/roots".to_owned())])), None);
        }
    }
}
