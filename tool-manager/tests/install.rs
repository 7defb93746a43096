//! Installs from a server and from a folder, on good days and on bad ones.

mod site;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use executor_api::InstalledTools;
use sha2::{Digest, Sha256};
use tool_manager::{InstallError, Installed, Mirror, Pin, Pins, Platform, ToolManager};

use crate::site::{Answer, Site};

const PROGRAM: &[u8] = b"#!/bin/sh\necho 'tool v1.2.3'\n";

/// A pin of the tool `t`, whose release is a file called `name` with these bytes.
fn pin(name: &str, member: Option<&str>, bytes: &[u8]) -> Pin {
    Pin {
        name: "t".to_owned(),
        version: "1.2.3".parse().unwrap(),
        url: format!("https://releases.example/t/{name}"),
        sha256: hex::encode(Sha256::digest(bytes)),
        member: member.map(str::to_owned),
    }
}

/// The path of such a release on a mirror.
fn path(name: &str) -> String {
    format!("/releases.example/t/{name}")
}

struct Machine {
    dir: tempfile::TempDir,
    said: Mutex<Vec<String>>,
}

impl Machine {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), said: Mutex::default() }
    }

    async fn install(&self, mirror: &str, pin: &Pin) -> Result<Installed, InstallError> {
        let manager = ToolManager::new(self.dir.path(), Mirror::parse(mirror).unwrap()).unwrap();
        let manager = manager.impatient(Duration::from_millis(300)).unwrap();
        manager.install(pin, &|text| self.said.lock().unwrap().push(text.to_owned())).await
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Every file below the folder of tools, but for locks.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() != ".lock" {
                    left.push(entry.path().strip_prefix(self.dir.path()).unwrap().display().to_string());
                }
            }
        }
        left
    }

    fn assert_installed(&self, installed: &Installed) {
        assert_eq!(installed.program, self.dir.path().join("t/1.2.3/t"));
        assert_eq!(std::fs::read(&installed.program).unwrap(), PROGRAM);
        assert_eq!(std::fs::metadata(&installed.program).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(self.left(), ["t/1.2.3/t"], "and nothing beside it");
    }
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

type Tar = tar::Builder<flate2::write::GzEncoder<Vec<u8>>>;

fn tar_gz(add: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    add(&mut tar);
    tar.into_inner().unwrap().finish().unwrap()
}

/// An entry whose name is written as it is, however hostile.
fn entry(tar: &mut Tar, name: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    if kind == tar::EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// An error and its causes.
fn text(error: &InstallError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn zips_tars_and_bare_programs_are_installed_and_then_left_alone() {
    let zipped = zip(&[("LICENSE.txt", b"free"), ("t", PROGRAM)]);
    let packed = tar_gz(|tar| {
        entry(tar, "linux-amd64/README.md", tar::EntryType::Regular, b"read me");
        entry(tar, "linux-amd64/t", tar::EntryType::Regular, PROGRAM);
    });
    for (name, member, bytes) in
        [("t.zip", Some("t"), zipped), ("t.tar.gz", Some("linux-amd64/t"), packed), ("t", None, PROGRAM.to_vec())]
    {
        let pin = pin(name, member, &bytes);
        let site = Site::serving([(path(name), Answer::File(bytes))]).await;
        let machine = Machine::new();
        let installed = machine.install(&site.address(), &pin).await.unwrap();
        machine.assert_installed(&installed);
        assert!(!installed.already);
        assert_eq!(machine.said(), format!("fetching {}{}", site.address(), path(name)));

        let again = machine.install(&site.address(), &pin).await.unwrap();
        assert_eq!((again.already, again.program), (true, installed.program), "{name}");
        assert_eq!(site.asked(), 1, "{name}: nothing is fetched twice");
    }
}

#[tokio::test]
async fn a_folder_is_a_mirror_and_versions_lie_side_by_side() {
    let mirror = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(mirror.path().join("releases.example/t")).unwrap();
    std::fs::write(mirror.path().join("releases.example/t/t"), PROGRAM).unwrap();
    let machine = Machine::new();
    let first = pin("t", None, PROGRAM);
    let second = Pin { version: "1.3.0".parse().unwrap(), ..first.clone() };
    for pin in [&first, &second] {
        machine.install(mirror.path().to_str().unwrap(), pin).await.unwrap();
    }
    let versions = InstalledTools::at(machine.dir.path()).versions("t");
    assert_eq!(versions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.3.0", "1.2.3"]);

    let absent = Pin { url: "https://releases.example/t/other".to_owned(), ..first };
    let other = Machine::new();
    let error = text(&other.install(mirror.path().to_str().unwrap(), &absent).await.unwrap_err());
    assert!(error.contains("releases.example/t/other") && error.contains("No such file"), "{error}");
    assert_eq!(other.left(), [""; 0]);
}

#[tokio::test]
async fn what_is_not_the_pinned_file_is_refused_and_leaves_nothing() {
    let pin = pin("t", None, PROGRAM);
    let evil = b"#!/bin/sh\nrm -rf /\n".to_vec();
    let found = hex::encode(Sha256::digest(&evil));
    let site = Site::serving([(path("t"), Answer::File(evil))]).await;
    let machine = Machine::new();
    let error = machine.install(&site.address(), &pin).await.unwrap_err();
    let text = text(&error);
    assert!(matches!(error, InstallError::WrongHash { .. }), "{text}");
    assert!(text.contains(&found) && text.contains(&format!("expected {}", pin.sha256)), "{text}");
    assert!(text.contains(&path("t")), "{text}");
    assert_eq!(machine.left(), [""; 0]);
    assert_eq!(site.asked(), 1, "the same file would come again");

    let healed = Site::serving([(path("t"), Answer::File(PROGRAM.to_vec()))]).await;
    machine.assert_installed(&machine.install(&healed.address(), &pin).await.unwrap());
}

#[tokio::test]
async fn a_bad_day_of_the_server_is_waited_out() {
    let pin = pin("t", None, PROGRAM);
    let good = Answer::File(PROGRAM.to_vec());
    for (what, bad) in [
        ("500", Answer::Status(500)),
        ("429", Answer::Status(429)),
        ("cut off", Answer::CutOff(PROGRAM[..10].to_vec())),
        ("silent", Answer::Silent),
    ] {
        let site = Site::serving([(path("t"), Answer::Then(vec![bad.clone(), bad, good.clone()]))]).await;
        let machine = Machine::new();
        let installed = machine.install(&site.address(), &pin).await.unwrap_or_else(|e| panic!("{what}: {}", text(&e)));
        machine.assert_installed(&installed);
        assert_eq!(site.asked(), 3, "{what}");
        assert!(machine.said().contains("trying again in"), "{what}: {}", machine.said());
    }
}

#[tokio::test]
async fn a_server_that_says_no_or_never_delivers_is_an_error_that_says_so() {
    let pin = pin("t", None, PROGRAM);
    for (what, answer, asked, expected) in [
        ("404", Answer::Status(404), 1, "the server answered 404"),
        ("403", Answer::Status(403), 1, "the server answered 403"),
        ("503", Answer::Status(503), 5, "the server answered 503"),
        ("cut off", Answer::CutOff(PROGRAM[..10].to_vec()), 5, "not whole"),
        ("silent", Answer::Silent, 5, "not whole"),
    ] {
        let site = Site::serving([(path("t"), answer)]).await;
        let machine = Machine::new();
        let error = text(&machine.install(&site.address(), &pin).await.unwrap_err());
        assert!(error.starts_with(&format!("cannot fetch {}{}", site.address(), path("t"))), "{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        assert_eq!((site.asked(), machine.left()), (asked, vec![]), "{what}");
    }
    let error = text(&Machine::new().install("http://127.0.0.1:9", &pin).await.unwrap_err());
    assert!(error.contains("cannot fetch http://127.0.0.1:9/") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn slow_files_arrive_and_redirects_are_followed() {
    let pin = pin("t", None, PROGRAM);
    let site = Site::serving([
        (path("t"), Answer::Redirect("/elsewhere".to_owned())),
        ("/elsewhere".to_owned(), Answer::Drip(PROGRAM.to_vec())),
    ])
    .await;
    let machine = Machine::new();
    machine.assert_installed(&machine.install(&site.address(), &pin).await.unwrap());

    let circle = Site::serving([(path("t"), Answer::Redirect(path("t")))]).await;
    let error = text(&Machine::new().install(&circle.address(), &pin).await.unwrap_err());
    assert!(error.contains("redirect"), "{error}");
}

#[tokio::test]
async fn nothing_but_the_program_leaves_an_archive() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("evil").display().to_string();
    let zipped = zip(&[("../../../evil", b"x"), (&absolute, b"x"), ("t", PROGRAM), ("t/../evil", b"x")]);
    let packed = tar_gz(|tar| {
        entry(tar, "../../../evil", tar::EntryType::Regular, b"x");
        entry(tar, &absolute, tar::EntryType::Regular, b"x");
        entry(tar, "t", tar::EntryType::Symlink, b"");
        entry(tar, "t", tar::EntryType::Regular, PROGRAM);
    });
    for (name, bytes) in [("t.zip", zipped), ("t.tar.gz", packed)] {
        let site = Site::serving([(path(name), Answer::File(bytes.clone()))]).await;
        let machine = Machine::new();
        let installed = machine.install(&site.address(), &pin(name, Some("t"), &bytes)).await.unwrap();
        machine.assert_installed(&installed);
        assert!(!Path::new(&absolute).exists(), "{name}");
    }
}

#[tokio::test]
async fn an_archive_without_the_program_is_refused() {
    let link = tar_gz(|tar| entry(tar, "t", tar::EntryType::Symlink, b""));
    let folder = zip(&[("t/", b""), ("other", PROGRAM)]);
    let half = tar_gz(|tar| entry(tar, "x", tar::EntryType::Regular, PROGRAM))[..40].to_vec();
    for (name, bytes, expected) in [
        ("t.tar.gz", link, "there is no file \"t\" in it"),
        ("t.zip", folder, "there is no file \"t\" in it"),
        ("t.zip", b"PK no zip at all".to_vec(), "it cannot be unpacked"),
        ("t.tar.gz", b"no gzip".to_vec(), "it cannot be unpacked"),
        ("t.tar.gz", half, "it cannot be unpacked"),
    ] {
        let site = Site::serving([(path(name), Answer::File(bytes.clone()))]).await;
        let machine = Machine::new();
        let error = text(&machine.install(&site.address(), &pin(name, Some("t"), &bytes)).await.unwrap_err());
        assert!(error.starts_with("cannot unpack http://") && error.contains(expected), "{name}: {error}");
        assert_eq!(machine.left(), [""; 0]);
    }
}

#[tokio::test]
async fn two_installs_at_once_are_one() {
    let pin = pin("t", None, PROGRAM);
    let site = Site::serving([(path("t"), Answer::Drip(PROGRAM.to_vec()))]).await;
    let (machine, address) = (Machine::new(), site.address());
    let all = futures_util::future::join_all((0..8).map(|_| machine.install(&address, &pin))).await;
    let fresh = all.iter().filter(|installed| !installed.as_ref().unwrap().already).count();
    assert_eq!((fresh, site.asked()), (1, 1));
    machine.assert_installed(all[0].as_ref().unwrap());
}

#[tokio::test]
async fn what_a_killed_install_has_left_is_swept_and_was_never_a_version() {
    let machine = Machine::new();
    let unfinished = machine.dir.path().join("t/.install-abc/version");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("t"), "half").unwrap();
    assert_eq!(InstalledTools::at(machine.dir.path()).versions("t"), []);
    let site = Site::serving([(path("t"), Answer::File(PROGRAM.to_vec()))]).await;
    machine.assert_installed(&machine.install(&site.address(), &pin("t", None, PROGRAM)).await.unwrap());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let machine = Machine::new();
    std::fs::write(machine.dir.path().join("t"), "a file in the way").unwrap();
    let error = text(&machine.install("/nowhere", &pin("t", None, PROGRAM)).await.unwrap_err());
    assert!(
        error.contains("cannot make the folder") && error.contains(machine.dir.path().to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn pins_are_read_from_a_text_and_mistakes_in_it_are_named() {
    let sha256 = "0".repeat(64);
    let release = format!("version = '1.0.0'\nsources = []\nsha256.linux-amd64 = '{sha256}'\n");
    let text = format!("[t]\nurl = 'u'\n[[t.release]]\n{release}");
    assert!(Pins::parse(&text).is_ok());
    assert!(Pins::parse(&text.replace("sources", "surces")).unwrap_err().to_string().contains("surces"));
    assert!(Pins::known().of("helm", Platform::of_this_program()).len() > 1);
}
