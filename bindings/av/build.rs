//! Passes on which generation of libav headers the bindings were made from.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(side_data_in_parameters)");
    // Since FFmpeg 7.0 a stream's side data lives in its codec parameters and nowhere else.
    if std::env::var("DEP_FFMPEG_FFMPEG_7_0").is_ok_and(|value| value == "true") {
        println!("cargo:rustc-cfg=side_data_in_parameters");
    }
}
