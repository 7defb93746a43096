//! The executors in this binary. One that is not named here is not linked, and its kind does not exist.

use executor_terraform as _;
