//! Sources, good and hostile, through the same door as in production.

use std::io::Write;

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, Input};
use flate2::Compression;
use flate2::write::GzEncoder;
use job_source::{PackError, Source, pack};
use serde_json::json;
use tar::{Builder, EntryType, Header};

const ID: &str = "0000000000000000000000000000000000000000000000000000000000000000";

async fn unpack(archive: &[u8]) -> (TestJob, Result<(), ExecutorError>) {
    let job = TestJob::builder("test", &json!({})).input(Input::Source(ID.to_owned()), archive).build().unwrap();
    let source: Source = serde_json::from_value(json!({ "archive": ID })).unwrap();
    let result = source.unpack(&job.context, job.context.work_dir(), "/source").await;
    (job, result)
}

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header
}

/// Writes the name as it is: the library's own setter refuses the ones we want.
fn raw(header: &mut Header, name: &[u8]) {
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
}

fn archive(build: impl FnOnce(&mut Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    build(&mut builder);
    builder.into_inner().unwrap().finish().unwrap()
}

fn one(name: &[u8], kind: EntryType, text: &[u8]) -> Vec<u8> {
    archive(|builder| {
        let mut header = header(kind, text.len());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        raw(&mut header, name);
        builder.append(&header, text).unwrap();
    })
}

#[tokio::test]
async fn hostile_archives_leave_nothing_behind() {
    let twins = archive(|builder| {
        for name in [&b"Main.tf"[..], b"main.tf"] {
            let mut header = header(EntryType::Regular, 1);
            raw(&mut header, name);
            builder.append(&header, &b"x"[..]).unwrap();
        }
    });
    let file_and_folder = archive(|builder| {
        for name in [&b"a/b"[..], b"a"] {
            let mut header = header(EntryType::Regular, 1);
            raw(&mut header, name);
            builder.append(&header, &b"x"[..]).unwrap();
        }
    });
    let good_then_bad = archive(|builder| {
        for name in [&b"main.tf"[..], b"../evil"] {
            let mut header = header(EntryType::Regular, 1);
            raw(&mut header, name);
            builder.append(&header, &b"x"[..]).unwrap();
        }
    });
    let bomb = archive(|builder| {
        let zeros = vec![0; 64 << 20];
        let mut header = header(EntryType::Regular, zeros.len());
        raw(&mut header, b"zeros");
        builder.append(&header, zeros.as_slice()).unwrap();
    });
    let many = archive(|builder| {
        for number in 0..50_001 {
            let mut header = header(EntryType::Regular, 0);
            raw(&mut header, format!("f{number}").as_bytes());
            builder.append(&header, &b""[..]).unwrap();
        }
    });
    let truncated = {
        let whole = one(b"main.tf", EntryType::Regular, &[7; 100_000]);
        whole[..whole.len() / 2].to_vec()
    };
    for (what, bytes) in [
        ("..", one(b"../etc/x", EntryType::Regular, b"x")),
        ("inner ..", one(b"a/../../x", EntryType::Regular, b"x")),
        ("absolute", one(b"/etc/x", EntryType::Regular, b"x")),
        ("backslash", one(b"..\\x", EntryType::Regular, b"x")),
        ("not UTF-8", one(b"\xff\xfe", EntryType::Regular, b"x")),
        ("symbolic link", one(b"link", EntryType::Symlink, b"")),
        ("hard link", one(b"link", EntryType::Link, b"")),
        ("device", one(b"dev", EntryType::Char, b"")),
        ("block device", one(b"dev", EntryType::Block, b"")),
        ("pipe", one(b"pipe", EntryType::Fifo, b"")),
        ("twins", twins),
        ("file and folder", file_and_folder),
        ("good then bad", good_then_bad),
        ("bomb", bomb),
        ("many entries", many),
        ("truncated", truncated),
        ("rubbish", b"this is no archive".to_vec()),
        ("empty", Vec::new()),
    ] {
        let (job, result) = unpack(&bytes).await;
        let error = result.expect_err(what).to_string();
        assert!(error.starts_with("/source/archive: "), "{what}: {error}");
        assert_eq!(std::fs::read_dir(job.context.work_dir()).unwrap().count(), 0, "{what} left something");
        let beside: Vec<_> = std::fs::read_dir(job.folder()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(beside.len(), 4, "{what} left something beside: {beside:?}");
    }
}

/// The library has it all in memory before we see a name.
#[tokio::test]
async fn a_header_is_not_read_to_its_end() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let bytes = archive(|builder| {
            let name = vec![b'a'; 2 << 20];
            let mut long = header(kind, name.len());
            raw(&mut long, b"././@LongLink");
            builder.append(&long, name.as_slice()).unwrap();
            let mut file = header(EntryType::Regular, 1);
            raw(&mut file, b"main.tf");
            builder.append(&file, &b"x"[..]).unwrap();
        });
        let (_job, result) = unpack(&bytes).await;
        let error = result.expect_err("the archive is refused").to_string();
        assert!(error.ends_with("a header is larger than 1 MiB"), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn what_was_packed_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("main.tf", "# main");
    write("modules/deep/er/x.tf", "# x");
    write(".terraform.lock.hcl", "# lock");
    for left in
        [".terraform/providers/x", ".git/config", "terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate"]
    {
        write(left, "secret");
    }
    std::os::unix::fs::symlink("main.tf", folder.path().join("link.tf")).unwrap();
    let packed = pack(folder.path()).unwrap();
    assert_eq!(packed, pack(folder.path()).unwrap(), "the same files make the same bytes");
    let (job, result) = unpack(&packed).await;
    result.unwrap();
    let read = |name: &str| std::fs::read_to_string(job.context.work_dir().join(name));
    assert_eq!(read("main.tf").unwrap(), "# main");
    assert_eq!(read("link.tf").unwrap(), "# main");
    assert_eq!(read("modules/deep/er/x.tf").unwrap(), "# x");
    assert_eq!(read(".terraform.lock.hcl").unwrap(), "# lock");
    for left in [".terraform", ".git", "terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate"] {
        assert!(!job.context.work_dir().join(left).exists(), "{left}");
    }
}

#[test]
fn a_link_out_of_the_folder_is_not_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("x")).unwrap();
    assert!(matches!(pack(folder.path()), Err(PackError::Link(_))));
}

#[tokio::test]
async fn files_of_the_payload_are_written_or_refused_by_name() {
    let job = TestJob::builder("test", &json!({})).build().unwrap();
    let good: Source = serde_json::from_value(json!({ "files": { "main.tf": "# x", "a/b.tf": "# y" } })).unwrap();
    good.unpack(&job.context, job.context.work_dir(), "/source").await.unwrap();
    assert_eq!(std::fs::read_to_string(job.context.work_dir().join("a/b.tf")).unwrap(), "# y");
    for (files, pointer) in [
        (json!({}), "/source/files: "),
        (json!({ "../x": "" }), "/source/files/..~1x: "),
        (json!({ "/etc/x": "" }), "/source/files/~1etc~1x: "),
        (json!({ "A.tf": "", "a.tf": "" }), "/source/files/a.tf: "),
        (json!({ "a": "", "a/b": "" }), "/source/files/a~1b: "),
        (json!({ "./a/b": "", "a": "" }), "/source/files/a: "),
    ] {
        let job = TestJob::builder("test", &json!({})).build().unwrap();
        let source: Source = serde_json::from_value(json!({ "files": files })).unwrap();
        let error = source.unpack(&job.context, job.context.work_dir(), "/source").await.unwrap_err().to_string();
        assert!(error.starts_with(pointer), "{error}");
        assert_eq!(std::fs::read_dir(job.context.work_dir()).unwrap().count(), 0, "{pointer} left something");
        assert_eq!(std::fs::read_dir(job.folder()).unwrap().count(), 4, "{pointer} left something beside");
    }
}

#[test]
fn a_source_is_exactly_one_thing() {
    for bad in [
        json!({}),
        json!({ "archive": ID, "files": {} }),
        json!({ "zip": "x" }),
        json!({ "git": { "url": "x", "depth": 1 } }),
    ] {
        assert!(serde_json::from_value::<Source>(bad.clone()).is_err(), "{bad}");
    }
    let short: Source = serde_json::from_value(json!({ "archive": "../x" })).unwrap();
    assert!(short.check("/source").unwrap_err().to_string().starts_with("/source/archive: "));
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_an_answer_of_git() {
    let job = TestJob::builder("test", &json!({})).build().unwrap();
    let source = json!({ "git": { "url": "https://repository.invalid/x.git", "ref": "main" } });
    let source: Source = serde_json::from_value(source).unwrap();
    let error = source.unpack(&job.context, job.context.work_dir(), "/source").await.unwrap_err();
    assert!(matches!(&error, ExecutorError::ToolFailed { tool, .. } if tool == "git fetch"), "{error}");
}

/// A script plays git: which command is given what.
#[tokio::test]
async fn the_jobs_token_is_given_to_the_command_that_fetches_and_in_no_argument() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (program, seen) = (folder.path().join("git"), folder.path().display());
    let script = format!("#!/bin/sh\necho \"$@\" >>'{seen}/args'\nenv >'{seen}/env-of-'$1\necho git version 2.40.0\n");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let job = TestJob::builder("test", &json!({}))
        .input(Input::GitToken { host: "example.com".to_owned() }, "s3cr3t-token-of-the-job\n")
        .settings(|settings| drop(settings.tools.insert("git".to_owned(), program)))
        .build()
        .unwrap();
    let source = json!({ "git": { "url": "https://example.com/team/x.git", "ref": "v1", "path": "stacks" } });
    let source: Source = serde_json::from_value(source).unwrap();
    let error = source.unpack(&job.context, job.context.work_dir(), "/source").await.unwrap_err().to_string();
    assert!(error.starts_with("/source/git/path: the repository has no folder \"stacks\" at v1"), "{error}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(
        read("args")
            .contains("fetch --quiet --no-tags --no-recurse-submodules --depth=1 -- https://example.com/team/x.git v1")
    );
    // In base64: `x-access-token:s3cr3t-token-of-the-job`.
    let header = "Authorization: Basic eC1hY2Nlc3MtdG9rZW46czNjcjN0LXRva2VuLW9mLXRoZS1qb2I=";
    let fetch = read("env-of-fetch");
    assert!(fetch.contains(header) && fetch.contains("=http.https://example.com/.extraheader\n"), "{fetch}");
    assert!(!read("args").contains("s3cr3t") && !read("args").contains("eC1hY2Nlc3M"));
    assert!(!read("env-of-checkout").contains(header), "only the command that speaks to the host has it");
}
