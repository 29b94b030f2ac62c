//! Which libav runs, and which one the program was built against.

use ffmpeg_next::ffi;

/// A version of one library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version {
    /// Changes when programs must be built anew.
    pub major: u32,
    /// Grows with additions.
    pub minor: u32,
    /// Grows with corrections.
    pub micro: u32,
}

/// The versions of libav at run time and at build time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    /// libavformat that is loaded now.
    pub format: Version,
    /// libavcodec that is loaded now.
    pub codec: Version,
    /// libavformat whose headers the program was built with.
    pub built_format: Version,
    /// libavcodec whose headers the program was built with.
    pub built_codec: Version,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// The versions in use.
pub fn version() -> Versions {
    // SAFETY: the function only returns a number.
    let format = unsafe { ffi::avformat_version() };
    // SAFETY: as above.
    let codec = unsafe { ffi::avcodec_version() };
    Versions {
        format: unpacked(format),
        codec: unpacked(codec),
        built_format: Version {
            major: ffi::LIBAVFORMAT_VERSION_MAJOR as u32,
            minor: ffi::LIBAVFORMAT_VERSION_MINOR as u32,
            micro: ffi::LIBAVFORMAT_VERSION_MICRO as u32,
        },
        built_codec: Version {
            major: ffi::LIBAVCODEC_VERSION_MAJOR as u32,
            minor: ffi::LIBAVCODEC_VERSION_MINOR as u32,
            micro: ffi::LIBAVCODEC_VERSION_MICRO as u32,
        },
    }
}

/// An error text when the loaded libraries don't fit the headers the program was built with.
///
/// Call it at start-up, before anything else of this crate: structures are laid out by the headers.
pub fn check_version() -> Result<(), String> {
    check(&version())
}

fn check(versions: &Versions) -> Result<(), String> {
    for (name, now, built) in [
        ("libavformat", versions.format, versions.built_format),
        ("libavcodec", versions.codec, versions.built_codec),
    ] {
        if now.major != built.major {
            return Err(format!(
                "{name} {now} is installed, but this program was built for {built}"
            ));
        }
    }
    Ok(())
}

fn unpacked(packed: u32) -> Version {
    Version {
        major: packed >> 16,
        minor: packed >> 8 & 0xff,
        micro: packed & 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_major_version_is_told() {
        assert_eq!(check_version(), Ok(()));
        let mut versions = version();
        assert_eq!(versions.format.major, versions.built_format.major);
        versions.format.major += 1;
        let message = check(&versions).expect_err("another major");
        assert!(message.starts_with("libavformat"), "{message}");
    }
}
