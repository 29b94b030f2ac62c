//! The words of the API's enumerations, and which may follow which.

/// Makes an enumeration whose values are words in JSON, in SQL and in the OpenAPI document.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:tt,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
        pub(crate) enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word.
            pub(crate) fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl<D: sqlx::Database> sqlx::Type<D> for $name where str: sqlx::Type<D> {
            fn type_info() -> D::TypeInfo {
                <str as sqlx::Type<D>>::type_info()
            }

            fn compatible(info: &D::TypeInfo) -> bool {
                <str as sqlx::Type<D>>::compatible(info)
            }
        }

        impl<'q, D: sqlx::Database> sqlx::Encode<'q, D> for $name where &'q str: sqlx::Encode<'q, D> {
            fn encode_by_ref(
                &self,
                buffer: &mut <D as sqlx::Database>::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                <&str as sqlx::Encode<'q, D>>::encode(self.as_str(), buffer)
            }
        }

        impl<'r, D: sqlx::Database> sqlx::Decode<'r, D> for $name where &'r str: sqlx::Decode<'r, D> {
            fn decode(value: <D as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                let word = <&str as sqlx::Decode<'r, D>>::decode(value)?;
                Self::parse(word).ok_or_else(|| format!("{word:?} is no {}", stringify!($name)).into())
            }
        }
    };
}

words! {
    /// How a source is spoken to.
    Protocol {
        /// RTMP.
        Rtmp = "rtmp",
        /// RTMP over TLS.
        Rtmps = "rtmps",
        /// RTSP.
        Rtsp = "rtsp",
        /// RTSP over TLS.
        Rtsps = "rtsps",
        /// HLS, or a progressive stream, over HTTP.
        Hls = "hls",
    }
}

words! {
    /// Where a recording is in its life.
    TaskStatus {
        /// It is being started.
        Pending = "pending",
        /// It runs.
        Recording = "recording",
        /// All that was asked for, or all that there was, is there.
        Completed = "completed",
        /// Nothing was recorded.
        Failed = "failed",
        /// It ended early; what came until then is there.
        Interrupted = "interrupted",
    }
}

impl TaskStatus {
    /// Whether `next` may follow. A status that has ended stays.
    pub(crate) const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (
                Self::Pending,
                Self::Recording | Self::Completed | Self::Failed | Self::Interrupted
            ) | (
                Self::Recording,
                Self::Completed | Self::Failed | Self::Interrupted
            )
        )
    }

    /// It has ended.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Interrupted)
    }
}

words! {
    /// Who can see a video.
    VideoStatus {
        /// It waits for a review.
        Pending = "pending",
        /// Everybody, if no viewing code covers its category.
        Published = "published",
        /// It was taken back.
        Offline = "offline",
    }
}

words! {
    /// Where a video comes from.
    SourceType {
        /// Recorded here.
        Recorded = "recorded",
        /// Uploaded, or imported.
        Uploaded = "uploaded",
    }
}

words! {
    /// What a video holds.
    FileType {
        /// Pictures, mostly with sound.
        Video = "video",
        /// Sound alone.
        Audio = "audio",
    }
}

words! {
    /// Where an upload is.
    UploadStatus {
        /// Parts are missing.
        Uploading = "uploading",
        /// It became a video.
        Completed = "completed",
        /// It can't become one.
        Failed = "failed",
    }
}

words! {
    /// Where a job is.
    JobStatus {
        /// It waits.
        Pending = "pending",
        /// It is being done.
        Processing = "processing",
        /// It is done.
        Completed = "completed",
        /// It can't be done.
        Failed = "failed",
        /// A person took it back.
        Cancelled = "cancelled",
    }
}

words! {
    /// How a planned run of a schedule ended.
    RunOutcome {
        /// A recording began.
        Started = "started",
        /// The source was being recorded already.
        AlreadyRecording = "already_recording",
        /// The server was not running, and it is too late now.
        Missed = "missed",
        /// A recording could not begin.
        Failed = "failed",
    }
}

words! {
    /// What webhooks can be told of.
    Topic {
        /// A recording runs: its first media is on the disk.
        TaskStarted = "task.started",
        /// A recording has all that was asked for.
        TaskCompleted = "task.completed",
        /// A recording ended with nothing.
        TaskFailed = "task.failed",
        /// A recording ended early; what came until then is there.
        TaskInterrupted = "task.interrupted",
        /// There is a new video, which waits for a review.
        VideoCreated = "video.created",
        /// A video can be seen.
        VideoPublished = "video.published",
        /// A video can't be seen any more.
        VideoOffline = "video.offline",
        /// A video went into the trash, or (`permanent`) is gone for good.
        VideoDeleted = "video.deleted",
        /// A source sends media.
        SourceOnline = "source.online",
        /// A source sends no media any more.
        SourceOffline = "source.offline",
        /// The media's disk has less free space than the setting `low_space`.
        StorageLow = "storage.low",
    }
}

words! {
    /// Where a message to a webhook is.
    DeliveryStatus {
        /// It waits for its first or next attempt.
        Pending = "pending",
        /// The receiver took it.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
    }
}

words! {
    /// Why a video was removed.
    RemovalReason {
        /// Its time in the trash was over.
        Trash = "trash",
        /// It was older than the recordings of its source are kept.
        Age = "age",
        /// The recordings of its source had more bytes than they may.
        SourceQuota = "source_quota",
        /// All videos had more bytes than they may.
        Quota = "quota",
        /// The disk had too little free space.
        FreeSpace = "free_space",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_stays_and_nothing_goes_back() {
        use TaskStatus::*;
        let all = [Pending, Recording, Completed, Failed, Interrupted];
        for from in all {
            for to in all {
                let may = from.may_become(to);
                assert!(
                    !may || (!from.is_over() && from != to && to != Pending),
                    "{from} {to}"
                );
            }
        }
        assert!(Pending.may_become(Recording) && Recording.may_become(Interrupted));
        assert_eq!(TaskStatus::parse("recording"), Some(Recording));
        assert_eq!(TaskStatus::parse("Recording"), None);
    }
}
