//! Infracost: a typed wrapper of the program, and the `infracost` kind.
