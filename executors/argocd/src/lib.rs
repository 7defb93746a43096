//! Argo CD: a typed wrapper of the program, and the `argocd` kind.
