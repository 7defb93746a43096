//! Helm: a typed wrapper of the program, and the `helm` kind.
