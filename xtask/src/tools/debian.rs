//! What the test cluster needs of the machine itself; xtask installs nothing outside its cache.

use super::{Toolbox, argocd, kubernetes};

/// Programs, and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("git", "git"),
    ("openssl", "openssl"),
    ("python3", "python3-venv"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
];

impl Toolbox {
    /// Why a cluster cannot be had here, with the remedy; None if it can.
    pub(crate) fn cluster_lacks(&self) -> Option<String> {
        let is_missing = |program: &str| self.on_machine(program).is_none();
        let mut remedies = Vec::new();
        if let Some(remedy) = packages(is_missing) {
            remedies.push(remedy);
        }
        let built = kubernetes::TOOLS.iter().chain(argocd::TOOLS).all(|tool| self.has(tool));
        if !built && is_missing("go") {
            remedies.push("install Go 1.26 or later".to_owned());
        }
        (!remedies.is_empty()).then(|| format!("a test cluster cannot be started here: {}", remedies.join("; ")))
    }
}

fn packages(is_missing: impl Fn(&str) -> bool) -> Option<String> {
    let packages: Vec<_> =
        PROGRAMS.iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| *package).collect();
    (!packages.is_empty()).then(|| format!("apt-get install {}", packages.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::packages;

    #[test]
    fn what_is_missing_is_said_with_its_remedy() {
        assert_eq!(packages(|_| false), None);
        let remedy = packages(|program| ["redis-server", "python3"].contains(&program));
        assert_eq!(remedy.as_deref(), Some("apt-get install python3-venv redis-server"));
    }
}
