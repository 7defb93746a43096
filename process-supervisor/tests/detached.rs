//! Processes that outlive whoever started them.

use process_supervisor::{Command, DetachedProcess, Environment, ProcessIdentity, spawn_detached};

fn sh(script: &str) -> Command {
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    Command::new("/bin/sh", env, "/").args(["-c", script])
}

fn identity(pid: u32) -> ProcessIdentity {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(19).unwrap().parse().unwrap();
    ProcessIdentity { pid, start_ticks: start, ..ProcessIdentity::current().unwrap() }
}

#[tokio::test]
async fn it_leads_a_session_of_its_own_and_writes_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    let script =
        "echo out; echo err >&2; read -r pid name state parent group session rest </proc/$$/stat; echo $session";
    let process = spawn_detached(&sh(script), &file).unwrap();
    process.ended().await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.split_whitespace().collect();
    assert_eq!(lines, ["out", "err", &process.pid().to_string()]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn it_is_taken_up_by_its_identity_and_only_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let process = spawn_detached(&sh("exec sleep 600"), &folder.path().join("output")).unwrap();
    let identity = identity(process.pid());
    let adopted = DetachedProcess::adopt(&identity).unwrap().expect("it lives");
    let other_start = ProcessIdentity { start_ticks: identity.start_ticks + 1, ..identity.clone() };
    assert!(DetachedProcess::adopt(&other_start).unwrap().is_none());
    let other_boot = ProcessIdentity { boot_id: "another".to_owned(), ..identity.clone() };
    assert!(DetachedProcess::adopt(&other_boot).unwrap().is_none());

    adopted.terminate().unwrap();
    adopted.ended().await.unwrap();
    process.ended().await.unwrap();
    assert!(DetachedProcess::adopt(&identity).unwrap().is_none());
    adopted.terminate().unwrap();
}

#[tokio::test]
async fn its_session_lives_as_long_as_one_of_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gates) = (folder.path().join("output"), ["first", "second"].map(|gate| folder.path().join(gate)));
    spawn_detached(&sh("mkfifo first second").dir(folder.path()), &file).unwrap().ended().await.unwrap();
    let script = "read -r line <second & echo $!; read -r line <first";
    let process = spawn_detached(&sh(script).dir(folder.path()), &file).unwrap();
    let leader = identity(process.pid());
    std::fs::write(&gates[0], "go\n").unwrap();
    process.ended().await.unwrap();
    assert!(leader.session_is_alive().unwrap(), "its leader has ended, and not its member");
    let another = ProcessIdentity { boot_id: "another".to_owned(), ..leader.clone() };
    assert!(!another.session_is_alive().unwrap());

    leader.interrupt_session().unwrap();
    let member = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let member =
        DetachedProcess::adopt(&identity(member)).unwrap().expect("it waits, and is no command of the leader's");
    std::fs::write(&gates[1], "go\n").unwrap();
    member.ended().await.unwrap();
    assert!(!leader.session_is_alive().unwrap());
}

#[tokio::test]
async fn its_session_can_be_interrupted_and_ended_without_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, trap, is_deaf) in [(1, "", false), (2, "trap '' INT;", true)] {
        let file = folder.path().join(number.to_string());
        // With `-m` it is a group of its own, as the supervisor starts one.
        let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        let script = format!("set -m; {trap} sleep 600 & echo $!");
        let command = Command::new("/bin/bash", env, folder.path()).args(["-c", &script]);
        let process = spawn_detached(&command, &file).unwrap();
        let leader = identity(process.pid());
        process.ended().await.unwrap();
        let member = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let member = DetachedProcess::adopt(&identity(member)).unwrap().expect("it waits");
        leader.interrupt_session().unwrap();
        if is_deaf {
            assert!(leader.session_is_alive().unwrap());
            leader.kill_session().unwrap();
        }
        member.ended().await.unwrap();
        assert!(!leader.session_is_alive().unwrap());
    }
}

#[tokio::test]
async fn it_has_the_directory_and_the_environment_it_is_given_and_no_signal_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    // `cat` would wait for ever if standard input were ours.
    let script = "pwd; /usr/bin/env | sort; sed -nE 's/^Sig(Blk|Ign):.*(.{8})$/\\1 \\2/p' /proc/self/status; cat";
    let command = sh(script).dir(folder.path()).env("NAME", "a=b");
    spawn_detached(&command, &file).unwrap().ended().await.unwrap();
    let dir = folder.path().canonicalize().unwrap().display().to_string();
    // PWD is the shell's own; signals above 31 are the C library's.
    let expected = format!("{dir}\nNAME=a=b\nPATH=/usr/bin:/bin\nPWD={dir}\nBlk 00000000\nIgn 80000000\n");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.replace("Ign 00000000", "Ign 80000000"), expected);
}

#[tokio::test]
async fn what_cannot_be_started_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, nowhere) = (folder.path().join("output"), folder.path().join("nowhere"));
    let env = Environment::default();
    for (command, missing) in [
        (Command::new(&nowhere, env, "/"), "No such file"),
        (sh("true").dir(&nowhere), "nowhere does not exist"),
        (sh("\0"), "NUL"),
    ] {
        let error = spawn_detached(&command, &file).map(|process| process.pid()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{error}: {source}").contains(missing), "{error}: {source}");
    }
}
