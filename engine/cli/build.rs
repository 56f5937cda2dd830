//! Says how the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(name).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ENV") == "gnu" {
        // At any other address, 300,000 addresses in tables are put right before the first line runs: a third of the time
        // of a short question. The libraries, the heap and the stacks keep addresses that nobody knows.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
