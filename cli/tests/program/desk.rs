//! A folder to work in, with a program of ours on it, and what one call of it came to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use system_tests::process::{Process, variable};
use tempfile::TempDir;
use tokio::process::Command;

/// The runner's state directory. There is no room left for the name of a socket below it, and providers need one.
const DEEP: &str = "a-runner-whose-state-directory-has-a-name-that-is-longer-than-most-people-would-choose";

pub(crate) fn alethia() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_alethia"))
}

/// What one call of the program came to.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// The whole of standard output is one document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A folder to work in, with what the program may know of its user.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) env: Vec<(String, String)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = vec![
            ("PATH".to_owned(), variable("PATH").unwrap_or_default()),
            ("HOME".to_owned(), folder.path().display().to_string()),
        ];
        Self { folder, env }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(alethia());
        command.args(args).env_clear().envs(self.env.iter().cloned()).current_dir(self.folder.path());
        let output = command.kill_on_drop(true).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What the program prints with `--json`.
    pub(crate) async fn document(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).await.expect(0).json()
    }

    pub(crate) fn start(&self, args: &[&str]) -> Process {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Process::start(&alethia(), &args, &self.env)
    }

    /// A control plane, whose administrator then works at this desk.
    pub(crate) async fn serve(&mut self) -> Process {
        self.serve_with(&[]).await
    }

    /// The same with more flags.
    pub(crate) async fn serve_with(&mut self, flags: &[&str]) -> Process {
        let data = self.arg("plane");
        let args = [&["server", "--listen", "127.0.0.1:0", "--data", &data], flags].concat();
        let server = self.start(&args);
        let said = server.until_said("serving http://").await;
        server.until_said("administrator's token is in").await;
        let origin = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        self.set("ALETHIA_WEB_ORIGIN", &origin);
        self.set("ALETHIA_TOKEN_FILE", &self.arg("plane/admin-token"));
        server
    }

    /// A runner, as the README registers and starts it.
    pub(crate) async fn hire(&self) -> Process {
        let file = self.arg("runner.env");
        self.run(&["runner", "register", "--name", "laptop", "--env-file", &file]).await.expect(0);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds a token");
        let mut env = self.env.clone();
        env.extend(fs::read_to_string(&file).unwrap().lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        }));
        let args = ["runner", "start", "--state-dir", &self.arg(DEEP)].map(str::to_owned);
        let runner = Process::start(&alethia(), &args, &env);
        runner.until_said("ready for jobs").await;
        runner
    }

    pub(crate) fn stack(&self, name: &str, text: &str) -> String {
        fs::create_dir_all(self.path(name)).unwrap();
        fs::write(self.path(name).join("main.tf"), text).unwrap();
        self.arg(name)
    }
}

pub(crate) async fn leaves(mut process: Process) {
    process.signal(Signal::TERM);
    assert!(process.ended().await.success());
}
