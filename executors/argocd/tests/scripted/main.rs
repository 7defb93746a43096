//! Scripts that play argocd and kubectl: what they are called with, and what is made of how they behave.

mod behaviour;
mod core_mode;
mod going_back;
mod hostile;
mod login;
mod player;
mod stopping;
