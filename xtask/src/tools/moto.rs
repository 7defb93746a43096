//! moto, which plays AWS: STS, EC2, EKS, IAM, Route 53, S3 and many more; and AWS' own command line, which talks to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Toolbox;
use crate::process::{output, program, run_quietly};

const PIN: &str = "5.2.5";
/// Of Python, as moto is: they share the library of AWS.
const AWS_PIN: &str = "1.46.3";

impl Toolbox {
    /// The Python that has moto: `-m moto.server` starts it.
    pub(crate) fn moto(&self) -> anyhow::Result<PathBuf> {
        let kept = self.cache.join(format!("moto-{PIN}-aws-{AWS_PIN}"));
        let python = |folder: &Path| folder.join("bin/python");
        if kept.exists() {
            return Ok(python(&kept));
        }
        let lock = self.lock()?;
        if !kept.exists() {
            eprintln!("tools: installing moto {PIN} from PyPI, once; usually half a minute");
            let staging = tempfile::tempdir_in(&self.cache)?;
            let folder = staging.path().join("moto");
            run_quietly(program("python3").args(["-m", "venv"]).arg(&folder))
                .context("Python cannot make an environment; apt-get install python3-venv")?;
            // At once: together they agree on one version of that library.
            let packages = [format!("moto[server]=={PIN}"), format!("awscli=={AWS_PIN}")];
            run_quietly(program(python(&folder)).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
            // Its scripts name the old folder; its Python finds the new one by itself.
            fs::rename(&folder, &kept)?;
        }
        drop(lock);
        Ok(python(&kept))
    }

    /// Sees to it that there is an aws: the machine's own in any version, or the one beside moto.
    pub(crate) fn aws(&self) -> anyhow::Result<()> {
        // One that is only the promise of a version manager fails.
        let machines = self.on_machine("aws").filter(|aws| output(program(aws).arg("--version")).is_some());
        let used = match machines {
            Some(aws) => aws,
            None => self.aws_beside_moto()?,
        };
        self.prefer("aws", &used)
    }

    fn aws_beside_moto(&self) -> anyhow::Result<PathBuf> {
        let (python, kept) = (self.moto()?, self.bin().join("aws"));
        let text = format!("#!{}\nimport sys, awscli.clidriver\nsys.exit(awscli.clidriver.main())\n", python.display());
        if fs::read_to_string(&kept).is_ok_and(|there| there == text) {
            return Ok(kept);
        }
        let staged = tempfile::NamedTempFile::new_in(&self.cache)?;
        fs::write(&staged, text)?;
        fs::set_permissions(&staged, fs::Permissions::from_mode(0o755))?;
        staged.persist(&kept).with_context(|| format!("cannot write {}", kept.display()))?;
        Ok(kept)
    }
}
