//! The executors in this binary. One that is not named here is not linked, and its kind does not exist.

use executor_argocd as _;
use executor_cloud as _;
use executor_helm as _;
use executor_infracost as _;
use executor_kubectl as _;
use executor_provisioner as _;
use executor_terraform as _;
