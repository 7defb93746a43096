//! A script that plays kubectl: what it is called with, and days on which it is not itself.

mod bad_days;
mod hostile;
mod player;
