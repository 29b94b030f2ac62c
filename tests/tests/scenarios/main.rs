//! Every scenario is a module; all are one program, so that they link once and wait for real time side by side.
#![forbid(unsafe_code)]

mod audio_thumbnail_clip;
mod bad_input;
mod half_open;
mod harness;
mod hls_hostile;
mod hls_players;
mod hls_reference;
mod hls_samples;
mod kill;
mod kill_finishing;
mod layers;
mod power_cut;
mod reconnect;
mod record_hls_fmp4;
mod record_hls_ts;
mod record_hls_vod_aes;
mod record_http_flv;
mod record_rtmp;
mod record_rtsp_g711;
mod record_rtsp_h265;
mod record_rtsp_tcp;
mod record_rtsp_udp;
mod remux;
mod secrets;
mod serve_contract;
mod serve_library;
mod serve_operations;
mod serve_recording;
mod serve_retention;
mod serve_schedule;
mod serve_webhooks;
mod signals;
mod ui;
