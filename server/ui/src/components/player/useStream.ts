import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue';
import type Hls from 'hls.js';

export interface Choice {
  id: number;
  label: string;
}
export type Failure = 'network' | 'media' | 'gone';

/**
 * Feeds a media element: hls.js for playlists, the browser's own HLS where it has it and hls.js can't run, a file as it is. A lost
 * connection is tried again until it is back; a decoder that stumbled is set up anew twice.
 */
export function useStream(element: Ref<HTMLMediaElement | null>, src: () => string) {
  const failure = ref<Failure | null>(null);
  const qualities = ref<Choice[]>([]);
  const quality = ref(-1);
  const audios = ref<Choice[]>([]);
  const audio = ref(-1);
  const captions = ref<Choice[]>([]);
  const caption = ref(-1);
  const hls = shallowRef<Hls | null>(null);
  let retry: ReturnType<typeof setTimeout> | undefined;
  let generation = 0;

  function drop(): void {
    clearTimeout(retry);
    hls.value?.destroy();
    hls.value = null;
    for (const list of [qualities, audios, captions]) list.value = [];
  }

  async function load(): Promise<void> {
    const mine = ++generation;
    drop();
    failure.value = null;
    const media = element.value;
    const url = src();
    if (!media || !url) return;
    if (!/\.m3u8(\?|$)/.test(url)) {
      media.src = url;
      return;
    }
    const { default: Player } = await import('hls.js');
    if (mine !== generation) return;
    if (!Player.isSupported()) {
      media.src = url;
      return;
    }
    const player = new Player({ enableWorker: true, backBufferLength: 60, maxBufferLength: 40, xhrSetup: (xhr) => void (xhr.withCredentials = true) });
    hls.value = player;
    let mended = 0;
    player.on(Player.Events.MANIFEST_PARSED, () => {
      const levels = player.levels.map((level, id) => ({ id, label: level.height ? `${level.height}p` : `${Math.round(level.bitrate / 1000)} kb/s` }));
      qualities.value = levels.length > 1 ? levels : [];
    });
    const name = (track: { name?: string; lang?: string }, id: number) => ({ id, label: track.name || track.lang || String(id + 1) });
    player.on(Player.Events.AUDIO_TRACKS_UPDATED, (_event, data) => {
      audios.value = data.audioTracks.length > 1 ? data.audioTracks.map(name) : [];
      audio.value = player.audioTrack;
    });
    player.on(Player.Events.AUDIO_TRACK_SWITCHED, (_event, data) => (audio.value = data.id));
    player.on(Player.Events.SUBTITLE_TRACKS_UPDATED, (_event, data) => (captions.value = data.subtitleTracks.map(name)));
    player.on(Player.Events.FRAG_BUFFERED, () => (failure.value = null));
    player.on(Player.Events.ERROR, (_event, data) => {
      if (!data.fatal) return;
      const status = data.response?.code ?? 0;
      if (data.type === Player.ErrorTypes.NETWORK_ERROR && status >= 400 && status < 500) {
        failure.value = 'gone';
      } else if (data.type === Player.ErrorTypes.NETWORK_ERROR) {
        failure.value = 'network';
        retry = setTimeout(() => (data.details === 'manifestLoadError' || data.details === 'manifestLoadTimeOut' ? player.loadSource(url) : player.startLoad()), 3000);
      } else if (data.type === Player.ErrorTypes.MEDIA_ERROR && mended++ < 2) {
        player.recoverMediaError();
      } else {
        failure.value = 'media';
      }
    });
    player.loadSource(url);
    player.attachMedia(media);
  }

  watch(quality, (id) => hls.value && (hls.value.currentLevel = id));
  watch(caption, (id) => hls.value && (hls.value.subtitleTrack = id));
  function chooseAudio(id: number): void {
    if (hls.value) hls.value.audioTrack = id;
  }
  watch(src, () => void load());
  onBeforeUnmount(() => {
    generation++;
    drop();
  });
  return { failure, qualities, quality, audios, audio, captions, caption, chooseAudio, load };
}
