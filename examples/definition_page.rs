//! Prints `docs/definition.md`, the reference page of the definition format.

fn main() {
    print!("{}", anode::definition::reference(&anode::definition::schema()));
}
