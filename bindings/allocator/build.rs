//! Links the tests of this crate as the binary is linked; see `server/build.rs`.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg=-Wl,--wrap=clock_gettime,--wrap=pthread_cond_init");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
