//! Secrets, kept encrypted.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::tokens::Deriver;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vault(Arc<RandomizedNonceKey>);

impl Vault {
    /// The vault of a plane: its key comes from the plane's one secret.
    ///
    /// # Errors
    /// If the cipher cannot be had.
    pub(crate) fn new(deriver: &Deriver) -> Result<Self, VaultError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &deriver.key("vault")).map_err(|_| VaultError)?;
        Ok(Self(Arc::new(key)))
    }

    /// Encrypts. What is returned opens only with the same context.
    pub(crate) fn seal(&self, context: &str, mut text: Vec<u8>) -> Result<String, VaultError> {
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut text).map_err(|_| VaultError)?;
        Ok(STANDARD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    /// Decrypts.
    ///
    /// # Errors
    /// If it was sealed with another context, or by a plane with another secret.
    pub(crate) fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let sealed = STANDARD.decode(sealed).map_err(|_| VaultError)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(VaultError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError)?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(context), &mut text).map_err(|_| VaultError)?;
        Ok(opened.to_vec())
    }
}

/// The vault cannot be used. Deliberately says nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the secrets of a job cannot be read; was the plane's file `secret` replaced?")]
pub struct VaultError;
