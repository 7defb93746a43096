//! The real sshd, one process for each connection, as the user who runs the test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use executor_api::testing::missing;
use tempfile::TempDir;

use super::repository::run;

/// A host of repositories over ssh.
pub(crate) struct SshHost {
    folder: TempDir,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    serving: Option<JoinHandle<()>>,
}

impl SshHost {
    /// None, said in the log of the test, where there is no sshd.
    pub(crate) fn start() -> Option<Self> {
        let Some(sshd) = sshd() else {
            missing("no sshd (Debian: openssh-server)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for name in ["host_key", "client_key", "other_key"] {
            keygen(&folder.path().join(name));
        }
        let config = folder.path().join("sshd_config");
        std::fs::write(&config, config_text(folder.path())).unwrap();
        std::fs::copy(folder.path().join("client_key.pub"), folder.path().join("authorized_keys")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_over, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let of_thread = (Arc::clone(&is_over), Arc::clone(&connections));
        let serving = std::thread::spawn(move || serve(&listener, &sshd, &config, &of_thread.0, &of_thread.1));
        Some(Self { folder, address, is_over, connections, serving: Some(serving) })
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self, name: &str) -> executor_git::GitUrl {
        let user = run(&mut program("id", ["-un"]), b"");
        let path = self.dir(name);
        let text = format!("ssh://{user}@127.0.0.1:{}{}", self.address.port(), path.display());
        executor_git::GitUrl::parse_trusted(&text).unwrap()
    }

    /// The line of known_hosts for a public key of this host.
    pub(crate) fn known_host(&self, key: &str) -> String {
        let public = std::fs::read_to_string(self.dir(&format!("{key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.address.port())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

fn serve(listener: &TcpListener, sshd: &Path, config: &Path, is_over: &AtomicBool, connections: &AtomicUsize) {
    let mut children = Vec::new();
    for connection in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        connections.fetch_add(1, Ordering::SeqCst);
        let socket = OwnedFd::from(connection.unwrap());
        let mut command = program(sshd, ["-i", "-e", "-f"]);
        command.arg(config).stdin(Stdio::from(socket.try_clone().unwrap())).stdout(Stdio::from(socket));
        children.push(command.stderr(Stdio::null()).spawn().unwrap());
    }
    // Each ends with its connection.
    for mut child in children {
        child.wait().unwrap();
    }
}

fn config_text(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
"
    )
}

fn sshd() -> Option<PathBuf> {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|file| file.exists())
}

fn keygen(file: &Path) {
    let mut command = program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f"]);
    run(command.arg(file), b"");
}

#[expect(clippy::disallowed_methods, reason = "the host of a test is no job")]
fn program<const N: usize>(name: impl AsRef<std::ffi::OsStr>, args: [&str; N]) -> Command {
    let mut command = Command::new(name);
    command.args(args);
    command
}
