//! The git command as a library: clone, branch, commit, push, with a token that only its own host sees.
