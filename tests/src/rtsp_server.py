"""An RTSP server with one live mount, /live. Usage: rtsp_server.py PORT VIDEO AUDIO PROTOCOLS

VIDEO: h264, h265, none. AUDIO: aac, alaw, mulaw, none. PROTOCOLS: tcp, udp, both.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# A moving picture and noise: no two packets are alike, so that a lost or doubled one shows.
PICTURE = (
    "videotestsrc is-live=true pattern=zone-plate kx2=6 ky2=6 kt=7"
    " ! video/x-raw,format=I420,width=320,height=180,framerate=25/1"
)
NOISE = "audiotestsrc is-live=true wave=pink-noise volume=0.3 ! audioconvert ! audio/x-raw,{}"
VIDEO = {
    "h264": " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=300 key-int-max=12 threads=1"
    " ! video/x-h264,profile=baseline ! h264parse config-interval=-1 ! rtph264pay name={} pt=96",
    "h265": " ! x265enc tune=zerolatency speed-preset=ultrafast bitrate=300 key-int-max=12"
    " option-string=pools=none:frame-threads=1:bframes=0:log-level=error"
    " ! h265parse config-interval=-1 ! rtph265pay name={} pt=96",
}
AUDIO = {
    "aac": NOISE.format("rate=48000,channels=2") + " ! voaacenc bitrate=96000 ! aacparse ! rtpmp4gpay name={} pt=97",
    "alaw": NOISE.format("rate=8000,channels=1") + " ! alawenc ! rtppcmapay name={} pt=8",
    "mulaw": NOISE.format("rate=8000,channels=1") + " ! mulawenc ! rtppcmupay name={} pt=0",
}
PROTOCOLS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}


def drop_seek(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    return Gst.PadProbeReturn.DROP if info.get_event().type == Gst.EventType.SEEK else Gst.PadProbeReturn.OK


def drop_seeking(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    return Gst.PadProbeReturn.DROP if info.get_query().type == Gst.QueryType.SEEKING else Gst.PadProbeReturn.OK


def configure(_factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
    """A camera can't seek. Without this, the PLAY of a second client sets the test sources back to 0 for the first one."""
    number = 0
    while payloader := media.get_element().get_by_name(f"pay{number}"):
        pad = payloader.get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, drop_seek)
        pad.add_probe(Gst.PadProbeType.QUERY_UPSTREAM, drop_seeking)
        number += 1


def main(port: str, video: str, audio: str, protocols: str) -> None:
    Gst.init(None)
    branches = []
    if video != "none":
        branches.append(PICTURE + VIDEO[video].format(f"pay{len(branches)}"))
    if audio != "none":
        branches.append(AUDIO[audio].format(f"pay{len(branches)}"))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( " + "  ".join(branches) + " )")
    factory.set_shared(True)
    factory.connect("media-configure", configure)
    factory.set_protocols(PROTOCOLS[protocols])
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/live", factory)
    if server.attach(None) == 0:
        sys.exit(f"can't listen on {port}")
    GLib.MainLoop().run()


main(*sys.argv[1:])
