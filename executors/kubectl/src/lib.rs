//! kubectl: a typed wrapper of the program, and the `kubectl` kind.
