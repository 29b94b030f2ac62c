import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue';
import type Hls from 'hls.js';

export interface Choice {
  id: number;
  label: string;
}
export type Failure = 'network' | 'media' | 'gone';

/** Milliseconds between two questions for a new address. */
const RENEWED = 30_000;

/**
 * Feeds a media element: hls.js for playlists, the browser's own HLS where it has it and hls.js can't run, a file as it is. A lost
 * connection is tried again until it is back; a decoder that stumbled is set up anew twice; an address that has run out is asked for anew by
 * `renew`, which gives null when the video is gone for this viewer.
 */
export function useStream(element: Ref<HTMLMediaElement | null>, src: () => string, renew?: () => Promise<string | null>) {
  const failure = ref<Failure | null>(null);
  /** Media does not come just now, and is asked for again and again. */
  const lost = ref(false);
  const qualities = ref<Choice[]>([]);
  /** The chosen one; -1 chooses by itself. */
  const quality = ref(-1);
  /** The one that is shown. */
  const showing = ref(-1);
  const audios = ref<Choice[]>([]);
  const audio = ref(-1);
  const captions = ref<Choice[]>([]);
  const caption = ref(-1);
  const hls = shallowRef<Hls | null>(null);
  let retry: ReturnType<typeof setTimeout> | undefined;
  let generation = 0;
  let renewed = Number.NEGATIVE_INFINITY;
  let url = '';

  function drop(): void {
    clearTimeout(retry);
    hls.value?.destroy();
    hls.value = null;
    for (const list of [qualities, audios, captions]) list.value = [];
  }

  /** Loads what `src` says, or another address of the same, from a moment on. */
  async function load(from?: number, other?: string): Promise<void> {
    const mine = ++generation;
    drop();
    failure.value = null;
    lost.value = false;
    const media = element.value;
    url = other ?? src();
    if (!media || !url) return;
    const plain = (): void => {
      media.src = url;
      if (from) media.addEventListener('loadedmetadata', () => (media.currentTime = from), { once: true });
    };
    if (!/\.m3u8(\?|$)/.test(url)) return plain();
    const { default: Player } = await import('hls.js');
    if (mine !== generation) return;
    if (!Player.isSupported()) return plain();
    const player = new Player({ enableWorker: true, backBufferLength: 60, maxBufferLength: 40, startPosition: from ?? -1 });
    hls.value = player;
    let mended = 0;
    player.on(Player.Events.MANIFEST_PARSED, () => {
      const levels = player.levels.map((level, id) => ({ id, label: level.height ? `${Math.min(level.height, level.width || level.height)}p` : `${Math.round(level.bitrate / 1000)} kb/s` }));
      qualities.value = levels.length > 1 ? levels : [];
    });
    const name = (track: { name?: string; lang?: string }, id: number) => ({ id, label: track.name || track.lang || String(id + 1) });
    player.on(Player.Events.LEVEL_SWITCHED, (_event, data) => (showing.value = data.level));
    player.on(Player.Events.AUDIO_TRACKS_UPDATED, (_event, data) => {
      audios.value = data.audioTracks.length > 1 ? data.audioTracks.map(name) : [];
      audio.value = player.audioTrack;
    });
    player.on(Player.Events.AUDIO_TRACK_SWITCHED, (_event, data) => (audio.value = data.id));
    player.on(Player.Events.SUBTITLE_TRACKS_UPDATED, (_event, data) => (captions.value = data.subtitleTracks.map(name)));
    player.on(Player.Events.FRAG_BUFFERED, () => ([failure.value, lost.value] = [null, false]));
    player.on(Player.Events.ERROR, (_event, data) => {
      if (data.type === Player.ErrorTypes.NETWORK_ERROR) lost.value = true;
      if (!data.fatal) return;
      const status = data.response?.code ?? 0;
      if (data.type === Player.ErrorTypes.NETWORK_ERROR && status >= 400 && status < 500) {
        player.stopLoad();
        void expired(media.currentTime);
      } else if (data.type === Player.ErrorTypes.NETWORK_ERROR) {
        failure.value = 'network';
        retry = setTimeout(() => (data.details.startsWith('manifest') ? player.loadSource(url) : player.startLoad()), 3000);
      } else if (data.type === Player.ErrorTypes.MEDIA_ERROR && mended++ < 2) {
        player.recoverMediaError();
      } else {
        failure.value = 'media';
      }
    });
    player.loadSource(url);
    player.attachMedia(media);
  }

  /** The server refuses the address: there may be a new one. */
  async function expired(at: number): Promise<void> {
    const mine = generation;
    if (!renew || performance.now() - renewed < RENEWED) {
      failure.value = 'gone';
      return;
    }
    renewed = performance.now();
    try {
      const address = await renew();
      if (mine !== generation) return;
      if (address) await load(at, address);
      else failure.value = 'gone';
    } catch {
      if (mine === generation) failure.value = 'network';
    }
  }

  /** The browser does not take the address itself: it is another now, the video is gone for this viewer, or its codec is none of the browser's. */
  async function refused(at: number): Promise<void> {
    const mine = generation;
    const address = renew ? await renew().catch(() => undefined) : url;
    if (mine !== generation) return;
    if (address === undefined) failure.value = 'network';
    else if (address === null) failure.value = 'gone';
    else if (address === url) failure.value = 'media';
    else await load(at, address);
  }

  watch(quality, (id) => hls.value && (hls.value.nextLevel = id));
  watch(caption, (id) => hls.value && (hls.value.subtitleTrack = id));
  function chooseAudio(id: number): void {
    if (hls.value) hls.value.audioTrack = id;
  }
  watch(src, () => void load());
  onBeforeUnmount(() => {
    generation++;
    drop();
  });
  return { failure, lost, qualities, quality, showing, audios, audio, captions, caption, chooseAudio, load, refused };
}
