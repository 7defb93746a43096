//! What somebody may write into a payload who wants a tool to do something else: one list for all kinds.

/// Two hundred values for any field that takes a text, none twice.
#[must_use]
pub fn hostile_words() -> Vec<String> {
    let lists = [OPTIONS, SHELL, PATHS, ADDRESSES, LISTS, DOCUMENTS, TEMPLATES, CONTROLS, UNICODE, PLAIN];
    let mut words: Vec<String> = lists.concat().into_iter().map(str::to_owned).collect();
    words.extend(["x".repeat(100_000), format!("-{}", "x".repeat(100_000)), "../".repeat(1000), "[".repeat(5000)]);
    words.extend(["{\"a\":".repeat(2000), "\u{1f980}".repeat(300)]);
    words
}

/// Whether nothing is hostile about it but what it means elsewhere: Kubernetes, for one, takes it as a name.
#[must_use]
pub fn is_plain(word: &str) -> bool {
    PLAIN.contains(&word)
}

/// Asserts that a tool was called with no option but these: `flags` as they are, `keys` with whatever follows. What stands
/// behind `--` is no option.
///
/// # Panics
/// If there is another.
#[track_caller]
pub fn assert_no_option(call: &[String], flags: &[&str], keys: &[&str], what: &str) {
    for arg in call.iter().take_while(|arg| *arg != "--").filter(|arg| arg.starts_with('-')) {
        let is_ours = flags.contains(&arg.as_str()) || keys.iter().any(|key| arg.starts_with(key));
        assert!(is_ours, "{what}: {arg:?} in {call:?}");
    }
}

const OPTIONS: &[&str] = &[
    "-",
    "--",
    "---",
    "-n",
    "-h",
    "-f/etc/passwd",
    "-f=/etc/passwd",
    "-o/etc/passwd",
    "-x=y",
    "--help",
    "--version",
    "--all",
    "--auth-token=x",
    "--as=system:admin",
    "--config=/x",
    "--config-env=a=b",
    "--core",
    "--dry-run=none",
    "--exec=/bin/sh",
    "--file=/etc/passwd",
    "--from-file=/etc/passwd",
    "--force",
    "--header=Authorization: x",
    "--insecure",
    "--insecure-skip-tls-verify",
    "--kube-as-user=admin",
    "--kube-apiserver=https://evil.example",
    "--kubeconfig=/x",
    "--output=jsonpath-file=/etc/passwd",
    "--plaintext",
    "--post-renderer=/bin/sh",
    "--raw=/api",
    "--server=https://evil.example",
    "--set-file=a=/etc/passwd",
    "--set=a=b",
    "--token=x",
    "--upload-pack=/bin/sh",
    "--validate=false",
    "-chdir=/",
    "-var=a=b",
    "-/-",
    "\u{2013}\u{2013}all",
    " --all",
    "\t--all",
    "a --all",
    "a\n--all",
];

const SHELL: &[&str] = &[
    "$(touch /tmp/x)",
    "`id`",
    "${IFS}",
    "$HOME",
    "$0",
    "$$",
    "~",
    "~root",
    "a b",
    " ",
    " a",
    "a ",
    "a;b",
    "a|b",
    "a||b",
    "a&b",
    "a&&b",
    "a>b",
    "a<b",
    "a>>/etc/passwd",
    "!!",
    "!id",
    "a\\b",
    "\\",
    "'",
    "\"",
    "'\"\\",
    "'; id; '",
    "\"; id; \"",
    "*",
    "?",
    "[a-z]",
    "{a..z}",
    "#a",
    "%s%n",
    "%PATH%",
];

const PATHS: &[&str] = &[
    ".",
    "..",
    "./",
    "./a/../..",
    "../../etc/passwd",
    "..\\..\\etc\\passwd",
    "/",
    "//",
    "/etc/passwd",
    "/proc/self/environ",
    "/dev/stdin",
    "a//b",
    "a/./b",
    "a/../b",
    "a/",
    "C:\\Windows",
    "\\\\evil\\share",
    "%2e%2e%2fetc",
    ".git/config",
    "pod/-x",
    "pod/a/b",
];

const ADDRESSES: &[&str] = &[
    "https://evil.example/x.yaml",
    "https:/evil.example",
    "https://u:p@evil.example@good.example",
    "https://evil.example#good.example",
    "https://[::1]:0",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "ext::sh -c id",
    "ssh://-oProxyCommand=id/x",
    "git@-oProxyCommand=id:x",
    "javascript:alert(1)",
    "data:,x",
    "evil.example:99999",
    "oci://../x",
    "://",
];

const LISTS: &[&str] = &[
    "a=b,c=d",
    "a,b",
    ",",
    "=",
    "a=",
    "=a",
    "@",
    "@/etc/passwd",
    "@-",
    "{x,y}",
    "[0]",
    "a[0]=b",
    "a.b=c",
    "a\\,b=c",
    "a:b:c",
    ":",
    "pod/a,b",
    "inline.yaml,/etc/passwd",
    "\"inline.yaml\"",
    "a in (b)",
    "!a",
];

const DOCUMENTS: &[&str] = &[
    "{}",
    "[]",
    "{",
    "}",
    "[",
    "]",
    "{\"a\": 1}",
    "\"a\": 1",
    "a: b",
    "a: &b c",
    "- a",
    "&a",
    "*a",
    "<<",
    "<<: *a",
    "!!python/object",
    "!!binary aGk=",
    "| a",
    "> a",
    "%YAML 1.1",
    "--- a",
    "... a",
    "? a",
    "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "'); DROP TABLE jobs; --",
];

const TEMPLATES: &[&str] = &[
    "{{ .Values.x }}",
    "{{ .x }}",
    "{{",
    "{{- end }}",
    "{{ include \"x\" . }}",
    "${file(\"/etc/passwd\")}",
    "%{ if true }",
    "$${a}",
    "${{ secrets.TOKEN }}",
    "<%= 1 %>",
    "<<EOF\nid\nEOF",
    "{$.items[*].metadata}",
    "$(env:PATH)",
];

const CONTROLS: &[&str] = &[
    "",
    "a\nb",
    "a\r\nb",
    "a\rb",
    "\n",
    "a\n",
    "\na",
    "a\tb",
    "a\0b",
    "\0",
    "a\u{8}\u{8}b",
    "a\u{b}b",
    "a\u{c}b",
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "a\u{7f}",
    "a\u{80}b",
];

const UNICODE: &[&str] = &[
    "\u{7f}\u{85}\u{2028}\u{feff}",
    "\u{e4}\u{1f600}",
    "a\u{a0}b",
    "a\u{ad}b",
    "a\u{200b}b",
    "a\u{200d}b",
    "a\u{202e}b",
    "a\u{2029}b",
    "\u{feff}a",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{ff0f}etc",
    "\u{ff0d}\u{ff0d}all",
    "e\u{301}\u{301}\u{301}",
    "\u{430}dmin",
    "\u{130}",
    "\u{df}",
];

const PLAIN: &[&str] = &["null", "true", "no", "0", "0x10", "1e9", "plugin"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_two_hundred_and_none_twice() {
        let words = hostile_words();
        assert!(words.len() >= 200, "{}", words.len());
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = words.iter().filter(|word| !seen.insert(*word)).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    #[should_panic(expected = "--post-renderer")]
    fn an_option_of_somebody_else_is_noticed() {
        let call = ["upgrade", "--wait", "--post-renderer=/bin/sh", "--", "--all"].map(str::to_owned);
        assert_no_option(&call, &["--wait"], &["--timeout="], "a release");
    }

    #[test]
    fn options_of_ours_and_what_is_behind_the_dashes_are_none_of_theirs() {
        let call = ["upgrade", "--wait", "--timeout=5m", "--", "--all"].map(str::to_owned);
        assert_no_option(&call, &["--wait"], &["--timeout="], "a release");
    }
}
