//! Who a kubeconfig says that we are.

use executor_api::ExecutorError;

use super::checked::{OF_A_FILE, given, pem};
use super::document::UserEntry;
use super::plugin;
use super::written::User;

pub(super) fn check_user(entry: &UserEntry, at: &str) -> Result<User, ExecutorError> {
    let refuse = |field: &str, why: &str| Err(ExecutorError::invalid(&format!("{at}/{field}"), why));
    if entry.auth_provider.is_some() {
        return refuse("auth-provider", "kubectl has given these up; give a token, a certificate or an exec plugin");
    }
    for (field, file) in [("client-certificate", &entry.client_certificate), ("client-key", &entry.client_key)] {
        if given(file.as_ref()).is_some() {
            return refuse(field, OF_A_FILE);
        }
    }
    if given(entry.token_file.as_ref()).is_some() {
        return refuse("tokenFile", "a file of another machine cannot be read here; put the token into `token`");
    }
    for (field, text) in [("token", &entry.token), ("username", &entry.username), ("password", &entry.password)] {
        if text.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
            return refuse(field, "this holds a line end or another control character; take it out");
        }
    }
    let user = User {
        token: given(entry.token.as_ref()).map(str::to_owned),
        username: given(entry.username.as_ref()).map(str::to_owned),
        password: given(entry.password.as_ref()).map(str::to_owned),
        client_certificate_data: pem(entry.client_certificate_data.as_ref(), at, "client-certificate-data")?,
        client_key_data: pem(entry.client_key_data.as_ref(), at, "client-key-data")?,
        as_user: given(entry.as_user.as_ref()).map(str::to_owned),
        as_uid: given(entry.as_uid.as_ref()).map(str::to_owned),
        as_groups: entry.as_groups.clone().unwrap_or_default(),
        as_user_extra: entry.as_user_extra.clone().unwrap_or_default(),
        exec: entry.exec.as_ref().map(|exec| plugin::check(exec, &format!("{at}/exec"))).transpose()?,
        token_file: None,
    };
    check_credentials(&user, at)?;
    Ok(user)
}

/// Kubectl asks for what is missing, and takes one of several without a word.
fn check_credentials(user: &User, at: &str) -> Result<(), ExecutorError> {
    let ways = [user.token.is_some(), user.username.is_some() || user.password.is_some(), user.exec.is_some()];
    let ways = ways.into_iter().filter(|given| *given).count();
    let wrong = |why: &str| Err(ExecutorError::invalid(at, why));
    match (ways, user.client_certificate_data.is_some(), user.client_key_data.is_some()) {
        (2.., _, _) => wrong("give one of token, username with password, or exec"),
        (_, true, false) => wrong("client-certificate-data needs client-key-data beside it"),
        (_, false, true) => wrong("client-key-data needs client-certificate-data beside it"),
        (0, false, false) => wrong("the user has no credentials; give a token, a certificate with its key, or exec"),
        _ if user.username.is_some() != user.password.is_some() => wrong("username and password go together"),
        _ => Ok(()),
    }
}
