//! moto, which plays AWS: STS, EC2, EKS, IAM, Route 53, S3 and many more.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::Toolbox;
use crate::process::{program, run_quietly};

const PIN: &str = "5.2.5";

impl Toolbox {
    /// The Python that has moto: `-m moto.server` starts it.
    pub(crate) fn moto(&self) -> anyhow::Result<PathBuf> {
        let kept = self.cache.join(format!("moto-{PIN}"));
        let python = |folder: &std::path::Path| folder.join("bin/python");
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
            let package = format!("moto[server]=={PIN}");
            run_quietly(program(python(&folder)).args(["-m", "pip", "install", "--quiet", &package]))?;
            // Its scripts name the old folder; its Python finds the new one by itself.
            fs::rename(&folder, &kept)?;
        }
        drop(lock);
        Ok(python(&kept))
    }
}
