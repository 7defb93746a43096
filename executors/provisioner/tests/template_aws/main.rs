//! `templates/environment/aws` with the real terraform and the real provider, against moto, which plays AWS.
//!
//! `ALETHIA_TEST_MOTO` says where moto is, `ALETHIA_TEST_PROVIDERS` where a mirror of the provider is. Each test has an
//! account of its own.

mod everything;
mod existing_network;
mod form;
mod moto;
mod planned;
mod stage;
mod wishes;
