//! The runner's template, embedded, and written where terraform works.

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::Path;

use executor_api::{ExecutorError, JobContext};
use include_dir::{Dir, include_dir};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates/runner/aws");
/// The function that scales to zero, and the package that Lambda takes.
const SCALER: &str = "scaler.py";
const PACKAGE: &str = "scaler.zip";

/// Writes the template into the job's working directory.
pub(super) fn write(job: &JobContext) -> Result<(), ExecutorError> {
    write_to(job.work_dir()).map_err(ExecutorError::io("cannot write the runner's template"))
}

fn write_to(folder: &Path) -> io::Result<()> {
    for file in TEMPLATE.files() {
        fs::write(folder.join(file.path()), file.contents())?;
    }
    fs::write(folder.join(PACKAGE), package()?)
}

/// The same bytes each time: a package that differs would be a change.
fn package() -> io::Result<Vec<u8>> {
    let scaler = TEMPLATE.get_file(SCALER).map(include_dir::File::contents).unwrap_or_default();
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
    package.start_file(SCALER, options)?;
    package.write_all(scaler)?;
    Ok(package.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_the_scaler_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        write_to(folder.path()).unwrap();
        let written = fs::read(folder.path().join(PACKAGE)).unwrap();
        assert_eq!(written, package().unwrap());
        assert!(written.len() > 500 && folder.path().join("service.tf").exists());
    }
}
