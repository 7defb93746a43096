//! What the tests need, in two lists that everybody asks who runs them: what they look for themselves, and what their
//! cluster is made of.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{KubernetesTools, Toolbox, provider_mirror};
use crate::cluster::ArgoCd;

/// Says to `tests/runner` where the Python with moto is; who sets it says so to us.
const CACHE: &str = "XTASK_CACHE";
/// Says to the tests of templates where their providers are.
const STAND_IN_PROVIDERS: &str = "ALETHIA_TEST_STAND_IN_PROVIDERS";

/// What it means if something cannot be had here that only some tests need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    IsAnError,
    /// The tests say so too, and fail where nothing may be missing.
    IsSaid,
}

/// What a cluster is made of.
pub(crate) struct ClusterTools {
    pub(crate) kubernetes: KubernetesTools,
    /// A Python with moto.
    pub(crate) moto: PathBuf,
    /// None if it is not wanted.
    pub(crate) argocd: Option<PathBuf>,
    /// Argo CD's `install.yaml`, for tests that install it.
    pub(crate) argocd_manifest: PathBuf,
}

impl Toolbox {
    /// Gets what tests look for themselves. Returns the variables that tell them where it is, PATH among them.
    pub(crate) fn for_tests(&self, lack: Lack) -> anyhow::Result<Vec<(&'static str, OsString)>> {
        self.terraform()?;
        lack.judge("AWS' command line", self.aws())?;
        let stand_ins = lack.judge("a mirror of providers", self.stand_in_providers())?;
        let mut variables = vec![("PATH", self.path()?), (CACHE, self.cache.clone().into_os_string())];
        variables.extend(stand_ins.map(|mirror| (STAND_IN_PROVIDERS, mirror.into_os_string())));
        variables.extend(provider_mirror::find().map(|mirror| (provider_mirror::PROVIDERS, mirror.into_os_string())));
        Ok(variables)
    }

    /// Gets what a cluster is made of.
    pub(crate) fn for_cluster(&self, argocd: ArgoCd) -> anyhow::Result<ClusterTools> {
        // Argo CD calls it, and so do tests in the cluster.
        self.helm()?;
        Ok(ClusterTools {
            kubernetes: self.kubernetes()?,
            moto: self.moto()?,
            argocd: (argocd == ArgoCd::With).then(|| self.argocd()).transpose()?,
            argocd_manifest: self.argocd_manifest()?,
        })
    }
}

impl Lack {
    fn judge<T>(self, what: &str, got: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        match got {
            Err(error) if self == Self::IsSaid => {
                eprintln!("tools: {what} cannot be had: {error:#}. Tests that need it are SKIPPED.");
                Ok(None)
            }
            got => got.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::Lack;

    #[test]
    fn who_wants_all_tools_is_not_told_that_one_is_there_which_is_not() {
        let lacking = || Err::<(), _>(anyhow!("no Python"));
        assert_eq!(Lack::IsSaid.judge("aws", lacking()).unwrap(), None);
        assert_eq!(Lack::IsAnError.judge("aws", lacking()).unwrap_err().to_string(), "no Python");
        assert_eq!(Lack::IsAnError.judge("aws", Ok(1)).unwrap(), Some(1));
    }
}
