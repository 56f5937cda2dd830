//! Link options of the extension module.

fn main() {
    // Generic code is compiled for many types that have the same machine code: folding the copies makes the wheel smaller.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg-cdylib=-Wl,--icf=all");
    }
}
