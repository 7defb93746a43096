//! A template that is new must be embedded: the macro that does it sees only those that it knows already.

fn main() {
    println!("cargo::rerun-if-changed=../../templates/environment");
}
