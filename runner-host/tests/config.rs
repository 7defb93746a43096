//! The settings of a runner: what is missing or malformed is named with its remedy, and what jobs never get.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use runner_host::command::StartArgs;
use runner_host::{Config, VARIABLES, Variables};

const TOKEN: &str = "0123456789abcdef-canary";

/// The least that a runner needs.
fn least() -> BTreeMap<String, String> {
    let least = [
        ("ALETHIA_WEB_ORIGIN", "https://alethia.example.com/"),
        ("ALETHIA_WORKER_ID", "runner-1"),
        ("ALETHIA_WORKER_TOKEN", TOKEN),
        ("ALETHIA_STATE_DIR", "/var/lib/runner"),
    ];
    least.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn with(changes: &[(&str, &str)]) -> Variables {
    let mut all = least();
    for (name, value) in changes {
        all.insert((*name).to_owned(), (*value).to_owned());
    }
    all.into_iter().collect()
}

fn read(changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::read(&StartArgs::default(), &with(changes)).map_err(|error| error.problems)
}

fn only_problem(changes: &[(&str, &str)]) -> String {
    let problems = read(changes).expect_err(&format!("{changes:?} is wrong"));
    assert_eq!(problems.len(), 1, "{changes:?}: {problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn the_least_is_enough_and_the_rest_has_defaults() {
    let config = read(&[]).unwrap();
    assert_eq!(config.origin, "https://alethia.example.com");
    assert_eq!(config.runner_id.as_str(), "runner-1");
    assert_eq!((config.slots, config.once, config.handover, config.idle_exit), (1, false, false, None));
    assert_eq!(config.drain_timeout, Duration::from_secs(600));
    assert!(!format!("{config:?}").contains(TOKEN), "a token is never shown");
}

#[test]
fn what_is_missing_is_named_with_its_remedy_all_at_once() {
    let error = Config::read(&StartArgs::default(), &Variables::default()).unwrap_err();
    for (variable, remedy) in [
        ("ALETHIA_WEB_ORIGIN is not set", "https://alethia.example.com"),
        ("ALETHIA_WORKER_ID is not set", "runner register"),
        ("ALETHIA_WORKER_TOKEN is not set", "ALETHIA_WORKER_TOKEN_FILE"),
        ("ALETHIA_STATE_DIR is not set", "set it to a folder"),
    ] {
        let said = error.problems.iter().any(|problem| problem.starts_with(variable) && problem.contains(remedy));
        assert!(said, "{variable}: {error}");
    }
    assert_eq!(error.problems.len(), 4, "{error}");
    for variable in ["ALETHIA_WEB_ORIGIN", "ALETHIA_WORKER_ID", "ALETHIA_WORKER_TOKEN"] {
        assert!(only_problem(&[(variable, "")]).starts_with(variable), "an empty {variable} is a missing one");
    }
}

#[test]
fn what_is_malformed_is_named_with_its_remedy() {
    for (variable, value, remedy) in [
        ("ALETHIA_WEB_ORIGIN", "alethia.example.com", "it looks like https://host:port"),
        ("ALETHIA_WEB_ORIGIN", "localhost:7780", "it looks like https://host:port"),
        ("ALETHIA_WEB_ORIGIN", "ftp://alethia.example.com", "use https://"),
        ("ALETHIA_WEB_ORIGIN", "http://alethia.example.com", "set ALETHIA_ALLOW_HTTP=true"),
        ("ALETHIA_WEB_ORIGIN", "https://me:secret@alethia.example.com", "take it out"),
        ("ALETHIA_WEB_ORIGIN", "https://alethia.example.com/?x=1", "take it out"),
        ("ALETHIA_WEB_ORIGIN", "https://alethia.example.com/#x", "take it out"),
        ("ALETHIA_ALLOW_HTTP", "yes", "true or false"),
        ("ALETHIA_WORKER_ID", "../x", "letters, digits"),
        ("ALETHIA_WORKER_TOKEN", "two words", "blanks"),
        ("ALETHIA_WORKER_TOKEN", "line\n", "line ends"),
        ("ALETHIA_WORKER_TOKEN", "grüße", "characters that no token has"),
        ("ALETHIA_WORKER_MODE", "hosted", "self-hosted or cloud-hosted"),
        ("ALETHIA_SLOTS", "0", "from 1 to 256"),
        ("ALETHIA_SLOTS", "257", "from 1 to 256"),
        ("ALETHIA_SLOTS", "many", "from 1 to 256"),
        ("ALETHIA_SLOTS", "-1", "from 1 to 256"),
        ("ALETHIA_LABELS", "region", "key=value"),
        ("ALETHIA_LABELS", "=x", "key=value"),
        ("ALETHIA_DRAIN_TIMEOUT", "10", "such as 90s"),
        ("ALETHIA_DRAIN_TIMEOUT", "0s", "more than 0"),
        ("ALETHIA_DRAIN_TIMEOUT", "31d", "at most 30 days"),
        ("ALETHIA_IDLE_EXIT", "soon", "such as 90s"),
        ("ALETHIA_ONCE", "maybe", "true or false"),
        ("ALETHIA_HANDOVER", "2", "true or false"),
        ("ALETHIA_JOB_LOG_LIMIT", "1GB", "number of bytes"),
        ("ALETHIA_JOB_LOG_LIMIT", "100", "at least 4096"),
        ("ALETHIA_TERRAFORM", "terraform", "absolute path"),
        ("ALETHIA_TOFU", "./tofu", "absolute path"),
        ("ALETHIA_CACHE_DIR", "cache", "absolute path"),
        ("SUPABASE_S3_ENDPOINT", "https://s3", "SUPABASE_STORAGE_SECRET_KEY"),
        ("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS", "nope", "true or false"),
    ] {
        let problem = only_problem(&[(variable, value)]);
        let named = problem.contains(variable) || problem.starts_with("the S3 storage is set in part");
        assert!(named && problem.contains(remedy), "{variable}={value:?}: {problem:?}");
    }
}

#[test]
fn a_problem_never_shows_the_token() {
    for changes in [
        &[("ALETHIA_WORKER_TOKEN", "canary with-blanks")][..],
        &[("ALETHIA_WORKER_TOKEN_FILE", "/nowhere"), ("ALETHIA_SLOTS", "x")],
    ] {
        let problems = read(changes).unwrap_err().join("\n");
        assert!(!problems.contains("canary"), "{problems}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let problems = read(&[("ALETHIA_SLOTS", "x"), ("ALETHIA_DRAIN_TIMEOUT", "y"), ("ALETHIA_WEB_ORIGIN", "z")]);
    assert_eq!(problems.unwrap_err().len(), 3);
}

#[test]
fn http_is_for_this_machine_or_for_who_asks_for_it() {
    for origin in ["http://127.0.0.1:7780", "http://[::1]:7780", "http://localhost:7780"] {
        assert_eq!(read(&[("ALETHIA_WEB_ORIGIN", origin)]).unwrap().origin, origin);
    }
    let asked = [("ALETHIA_WEB_ORIGIN", "http://plane.internal"), ("ALETHIA_ALLOW_HTTP", "true")];
    assert_eq!(read(&asked).unwrap().origin, "http://plane.internal");
    let look_alike = only_problem(&[("ALETHIA_WEB_ORIGIN", "http://localhost.example.com")]);
    assert!(look_alike.contains("shows the token"), "{look_alike}");
}

#[test]
fn the_later_names_are_read_too_and_the_seeds_win() {
    let later = [
        ("ALETHIA_WEB_ORIGIN", "https://a"),
        ("ALETHIA_RUNNER_ID", "later"),
        ("ALETHIA_RUNNER_TOKEN", TOKEN),
        ("ALETHIA_RUNNER_MODE", "cloud-hosted"),
        ("HOME", "/home/me"),
        ("ALETHIA_STORAGE_ENDPOINT", "https://s3"),
        ("ALETHIA_STORAGE_REGION", "r"),
        ("ALETHIA_STORAGE_ACCESS_KEY_ID", "k"),
        ("SUPABASE_STORAGE_SECRET_KEY", "s"),
    ];
    let config = Config::read(&StartArgs::default(), &later.into_iter().collect()).unwrap();
    assert_eq!((config.runner_id.as_str(), config.mode.as_str()), ("later", "cloud-hosted"));
    assert_eq!(config.state_dir, PathBuf::from("/home/me/.local/state/alethia/runner"));
    assert!(config.job_settings.storage.is_none(), "it holds the states of all organisations");
    let own = later.into_iter().filter(|(name, _)| *name != "ALETHIA_RUNNER_MODE").collect();
    let config = Config::read(&StartArgs::default(), &own).unwrap();
    assert_eq!(config.job_settings.storage.unwrap().key_id, "k");
    assert_eq!(read(&[("ALETHIA_RUNNER_ID", "later")]).unwrap().runner_id.as_str(), "runner-1");
}

#[test]
fn a_bucket_for_states_is_made_unless_the_operator_says_no() {
    let storage =
        ["SUPABASE_S3_ENDPOINT", "SUPABASE_S3_REGION", "SUPABASE_STORAGE_KEY_ID", "SUPABASE_STORAGE_SECRET_KEY"];
    let said = |word: &str| {
        let mut changes = storage.map(|name| (name, "x")).to_vec();
        changes.push(("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS", word));
        read(&changes).map(|config| config.job_settings.storage.unwrap().create_buckets)
    };
    for word in ["", "true", "1", "YES", "On"] {
        assert_eq!(said(word), Ok(true), "{word:?}");
    }
    for word in ["false", "0", "No", "OFF"] {
        assert_eq!(said(word), Ok(false), "{word:?}");
    }
    for word in ["2", "nope", "f", " false"] {
        assert!(
            said(word).unwrap_err()[0].starts_with("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS is true or false"),
            "{word:?}"
        );
    }
}

#[test]
fn a_flag_goes_before_its_variable() {
    let args = StartArgs {
        origin: Some("https://flag".to_owned()),
        slots: Some("7".to_owned()),
        labels: vec!["zone=b".to_owned(), "gpu=1".to_owned()],
        ..StartArgs::default()
    };
    let config = Config::read(&args, &with(&[("ALETHIA_SLOTS", "2"), ("ALETHIA_LABELS", "zone=a, os=x")])).unwrap();
    assert_eq!((config.origin.as_str(), config.slots), ("https://flag", 7));
    assert_eq!(serde_json::json!(config.labels), serde_json::json!({ "zone": "b", "os": "x", "gpu": "1" }));
}

/// What reading a token from a file of this mode and content says.
fn from_file(mode: u32, content: &[u8]) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let path = file.display().to_string();
    read(&[("ALETHIA_WORKER_TOKEN", ""), ("ALETHIA_WORKER_TOKEN_FILE", &path)])
}

#[test]
fn a_token_file_is_its_owners_alone() {
    for mode in [0o600, 0o400] {
        let config = from_file(mode, format!("{TOKEN}\n").as_bytes()).unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&config.token), TOKEN, "{mode:o}");
    }
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        let problems = from_file(mode, TOKEN.as_bytes()).expect_err(&format!("{mode:o}"));
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.starts_with("ALETHIA_WORKER_TOKEN_FILE: "), "{problem}");
        assert!(problem.contains(&format!("mode {mode:o}")) && problem.contains("run chmod 600"), "{problem}");
    }
}

#[test]
fn a_token_file_that_holds_no_token_is_refused() {
    for (content, why) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "line ends"),
        (b"a b", "blanks"),
        (b"\xff\xfe", "cannot be read"),
    ] {
        let problems = from_file(0o600, content).unwrap_err();
        assert!(problems[0].starts_with("ALETHIA_WORKER_TOKEN_FILE: ") && problems[0].contains(why), "{problems:?}");
    }
    let missing = only_problem(&[("ALETHIA_WORKER_TOKEN", ""), ("ALETHIA_WORKER_TOKEN_FILE", "/nowhere/token")]);
    assert!(missing.contains("/nowhere/token cannot be read"), "{missing}");
    let both = only_problem(&[("ALETHIA_WORKER_TOKEN_FILE", "/nowhere/token")]);
    assert!(both.contains("both set; keep one"), "{both}");
}

#[test]
fn no_allow_list_passes_on_what_is_the_runners() {
    let secrets = [
        ("ALETHIA_WORKER_TOKEN", TOKEN),
        ("ALETHIA_RUNNER_TOKEN", TOKEN),
        ("ALETHIA_TOKEN", "user-canary"),
        ("SUPABASE_S3_ENDPOINT", "e"),
        ("SUPABASE_S3_REGION", "r"),
        ("SUPABASE_STORAGE_KEY_ID", "i"),
        ("SUPABASE_STORAGE_SECRET_KEY", "storage-canary"),
        ("INFRACOST_API_KEY", "cost-canary"),
    ];
    let lists = [
        "*".to_owned(),
        "ALETHIA_*".to_owned(),
        "A*,S*,I*".to_owned(),
        "ALETHIA_WORKER_TOKEN*".to_owned(),
        VARIABLES.join(","),
        secrets.map(|(name, _)| name).join(" , "),
    ];
    for list in lists {
        let mut all = secrets.to_vec();
        all.extend([("ALETHIA_JOB_ENV", list.as_str()), ("AWS_PROFILE", "p"), ("PATH", "/bin"), ("SECRET", "s")]);
        let env = Config::job_settings(&with(&all)).env;
        for (name, value) in &env {
            assert!(!name.starts_with("ALETHIA_") && !name.starts_with("SUPABASE_"), "{list}: {name}");
            assert!(!value.contains("canary"), "{list}: {name}={value}");
        }
    }
}

#[test]
fn jobs_get_a_fixed_list_and_what_the_operator_names() {
    let surroundings =
        [("PATH", "/bin"), ("TZ", "UTC"), ("https_proxy", "p"), ("AWS_PROFILE", "a"), ("AWS_REGION", "b"), ("X", "y")];
    let env = |list: &str| {
        let mut all = surroundings.to_vec();
        all.push(("ALETHIA_JOB_ENV", list));
        Config::job_settings(&with(&all)).env.into_keys().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(env(""), "PATH TZ https_proxy");
    assert_eq!(env("AWS_*"), "AWS_PROFILE AWS_REGION PATH TZ https_proxy");
    assert_eq!(env("X, AWS_REGION"), "AWS_REGION PATH TZ X https_proxy");
    assert_eq!(env("aws_*, x, *"), "PATH TZ https_proxy", "names are exact, and everything is nothing");
    let bare = Config::job_settings(&Variables::default()).env;
    assert!(bare["PATH"].contains("/usr/bin"), "tools are found without a PATH");
}

#[test]
fn a_misspelt_variable_is_pointed_out() {
    let warnings = with(&[("ALETHIA_SLOT", "2"), ("ALETHIA_WEB_ORIGINS", "x"), ("OTHER", "x")]).unknown();
    let [slot, origin] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(slot.contains("ALETHIA_SLOT;") && slot.contains("did you mean ALETHIA_SLOTS?"), "{slot}");
    assert!(origin.contains("did you mean ALETHIA_WEB_ORIGIN?"), "{origin}");
    let known = VARIABLES.iter().map(|name| (*name, "x")).collect::<Variables>();
    assert!(known.unknown().is_empty());
}
