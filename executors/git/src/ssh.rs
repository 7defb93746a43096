//! How git calls ssh: without a question, and never to a host whose key is not known.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use executor_api::ExecutorError;

use crate::remote::SshKey;

/// Git gives this to a shell, so it is a constant: what varies comes in variables, which a quoted shell word keeps whole.
pub(crate) const WITH_KEY: &str = r#""$ALETHIA_GIT_SSH" -F "$ALETHIA_GIT_SSH_CONFIG""#;
/// With the runner's own keys and known hosts, and what its user has configured.
pub(crate) const AS_RUNNER: &str = concat!(
    r#""$ALETHIA_GIT_SSH" -oBatchMode=yes -oStrictHostKeyChecking=yes -oUpdateHostKeys=no -oPermitLocalCommand=no"#,
    " -oForwardAgent=no -oForwardX11=no -oClearAllForwardings=yes -oControlPath=none -oConnectTimeout=30",
    " -oServerAliveInterval=15 -oServerAliveCountMax=4",
);
pub(crate) const PROGRAM: &str = "ALETHIA_GIT_SSH";
pub(crate) const CONFIG: &str = "ALETHIA_GIT_SSH_CONFIG";

/// Writes ssh's whole configuration into `dir`, which is private: one key, one list of hosts, nothing of the machine's.
pub(crate) fn write_config(dir: &Path, key: &SshKey) -> Result<PathBuf, ExecutorError> {
    let known_hosts = dir.join("known_hosts");
    write_private(&known_hosts, &key.known_hosts)?;
    let config = dir.join("ssh_config");
    write_private(&config, &config_text(&quoted(&key.file)?, &quoted(&known_hosts)?))?;
    Ok(config)
}

fn config_text(key: &str, known_hosts: &str) -> String {
    format!(
        "Host *
  BatchMode yes
  StrictHostKeyChecking yes
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  UpdateHostKeys no
  IdentityFile {key}
  IdentitiesOnly yes
  IdentityAgent none
  PreferredAuthentications publickey
  PermitLocalCommand no
  ForwardAgent no
  ForwardX11 no
  ClearAllForwardings yes
  ControlPath none
  ConnectTimeout 30
  ServerAliveInterval 15
  ServerAliveCountMax 4
"
    )
}

/// A path as ssh_config(5) reads it: in quotes, with its two kinds of expansion taken away.
fn quoted(path: &Path) -> Result<String, ExecutorError> {
    let text = path.to_str().filter(|text| !text.contains(['"', '\\', '$', '\n', '\r']));
    let refused = || {
        let path = path.display();
        ExecutorError::Other(format!(
            "ssh cannot be given the path {path}; choose a state directory without '\"', '\\' and '$'"
        ))
    };
    Ok(format!("\"{}\"", text.ok_or_else(refused)?.replace('%', "%%")))
}

fn write_private(file: &Path, text: &str) -> Result<(), ExecutorError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(ExecutorError::io("cannot write what ssh needs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_and_expands_to_itself() {
        assert_eq!(quoted(Path::new("/a b/%h")).unwrap(), "\"/a b/%%h\"");
        for bad in ["/a\"b", "/a\\b", "/${HOME}", "/a\nProxyCommand id"] {
            assert!(quoted(Path::new(bad)).is_err(), "{bad:?}");
        }
    }
}
