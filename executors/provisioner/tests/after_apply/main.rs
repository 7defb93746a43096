//! What comes after an apply, with the real Argo CD, helm and kubectl on the test cluster. Its nodes run no containers, so the
//! charts are stand-ins of the same names and versions that show what they were given.

mod charts;
mod cloud;
mod failing;
#[expect(dead_code, reason = "the host of Argo CD's own tests; not all of it is of use here")]
#[path = "../../../argocd/tests/real/git_host.rs"]
mod git_host;
mod life;
mod machines;
mod refusing;
mod world;
