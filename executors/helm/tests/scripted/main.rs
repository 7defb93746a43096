//! Scripts that play helm: what it is called with, and what is made of how it behaves.

mod behaviour;
mod hostile;
mod mending;
mod player;
mod schema;
