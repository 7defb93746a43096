//! moto's server, which plays AWS. It knows all accounts, and forgets everything when it ends.

use std::path::Path;

use super::ports;
use super::processes::Processes;

pub(super) struct Moto {
    pub(super) url: String,
    port: u16,
}

/// Starts it, without waiting: it takes longest, and nothing here needs it.
pub(super) fn start(processes: &mut Processes, python: &Path) -> anyhow::Result<Moto> {
    let [port] = ports::free()?;
    let mut command = processes.command(python);
    command.args(["-m", "moto.server", "--host=127.0.0.1", "--port", &port.to_string()]);
    // Roles of the templates have policies that AWS keeps; and a certificate is valid at once.
    command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true").env("MOTO_ACM_VALIDATION_WAIT", "1");
    processes.start("moto", &mut command)?;
    Ok(Moto { url: format!("http://127.0.0.1:{port}"), port })
}

impl Moto {
    pub(super) fn wait(&self, processes: &mut Processes) -> anyhow::Result<()> {
        processes.until("moto does not answer", |_| ports::answers(self.port))
    }
}
