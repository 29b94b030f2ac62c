//! What the black-box tests share: the binary under test, real media servers on loopback, and ffprobe as the judge.
//!
//! Everything here starts on a free loopback port, keeps its files in a temporary directory, and is killed when
//! dropped. A thing that can't start panics with its log: in a test there is nobody to hand an error to.
#![forbid(unsafe_code)]

pub mod binary;
pub mod database;
pub mod discreet;
pub mod fail;
pub mod faked_clock;
pub mod faults;
pub mod file_server;
pub mod fixtures;
pub mod flv;
pub mod hls_origin;
pub mod hls_reference;
pub mod hls_window;
pub mod hook;
pub mod http;
pub mod judge;
pub mod jwt;
pub mod monitor;
pub mod nginx_rtmp;
pub mod origin;
pub mod ports;
pub mod power;
pub mod preload;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod publish;
pub mod raw;
pub mod recording;
pub mod reference;
pub mod rtsp;
pub mod rtsp_redirect;
pub mod rtsp_relay;
pub mod server;
pub mod shape;
pub mod socket;
pub mod tls;
pub mod ts;
pub mod ts_times;
pub mod vod;
pub mod workers;
