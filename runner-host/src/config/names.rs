//! The names of all variables that the program reads. `docs/environment-variables.md` says what each of them means.

/// Every variable that is a setting, under all its names: those of runners, and those of the other verbs of `alethia`.
pub const VARIABLES: &[&str] = &[
    "ALETHIA_WEB_ORIGIN",
    "ALETHIA_ALLOW_HTTP",
    "ALETHIA_WORKER_ID",
    "ALETHIA_RUNNER_ID",
    "ALETHIA_WORKER_TOKEN",
    "ALETHIA_RUNNER_TOKEN",
    "ALETHIA_WORKER_TOKEN_FILE",
    "ALETHIA_RUNNER_TOKEN_FILE",
    "ALETHIA_WORKER_MODE",
    "ALETHIA_RUNNER_MODE",
    "ALETHIA_STATE_DIR",
    "ALETHIA_SLOTS",
    "ALETHIA_LABELS",
    "ALETHIA_DRAIN_TIMEOUT",
    "ALETHIA_ONCE",
    "ALETHIA_IDLE_EXIT",
    "ALETHIA_HANDOVER",
    "ALETHIA_LOG",
    "ALETHIA_JOB_ENV",
    "ALETHIA_JOB_LOG_LIMIT",
    "ALETHIA_TERRAFORM",
    "ALETHIA_TOFU",
    "ALETHIA_HELM",
    "ALETHIA_KUBECTL",
    "ALETHIA_ARGOCD",
    "ALETHIA_INFRACOST",
    "ALETHIA_CACHE_DIR",
    "ALETHIA_PROVIDER_MIRROR",
    "ALETHIA_STATE_BUCKET",
    "ALETHIA_PLAN_TTL",
    "ALETHIA_AMBIENT_IDENTITY",
    "ALETHIA_AWS_SESSION",
    "ALETHIA_AWS_SESSION_TAGS",
    "ALETHIA_CLOUD_ENDPOINTS",
    "ALETHIA_STORAGE_ENDPOINT",
    "ALETHIA_STORAGE_REGION",
    "ALETHIA_STORAGE_ACCESS_KEY_ID",
    "ALETHIA_STORAGE_SECRET_ACCESS_KEY",
    "ALETHIA_STORAGE_AUTO_CREATE_BUCKETS",
    "SUPABASE_S3_ENDPOINT",
    "SUPABASE_S3_REGION",
    "SUPABASE_STORAGE_KEY_ID",
    "SUPABASE_STORAGE_SECRET_KEY",
    "INFRACOST_API_KEY",
    "ALETHIA_TOKEN",
    "ALETHIA_TOKEN_FILE",
    "ALETHIA_LISTEN",
    "ALETHIA_DATA_DIR",
    "ALETHIA_PUBLIC_URL",
    "ALETHIA_RUNNER_IMAGE",
    "ALETHIA_SECRETS_FOR",
    "ALETHIA_TOOLS_MIRROR",
];

/// What a tool of a job inherits from the runner's environment without being asked for.
pub const PASSED_ON: &[&str] = &[
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What the program itself looks at of its surroundings: a user's, or a task's of ECS.
pub const SURROUNDINGS: &[&str] =
    &["HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "NO_COLOR", "ECS_AGENT_URI"];

/// Whether somebody who looks for all variables would find this one.
pub(super) fn is_known(name: &str) -> bool {
    [VARIABLES, PASSED_ON, SURROUNDINGS].concat().contains(&name)
}
