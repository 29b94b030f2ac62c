// Plays an HLS URL with hls.js in Chromium: from the start, near the end, back again, and through its audio tracks.
// `node play.mjs MASTER_URL [REST]` prints one JSON object with what happened; exits with 1 and a line on stderr when it can't.
// It may stop REST seconds before the end: a last segment of less than a picture is one that hls.js can't place.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const url = process.argv[2];
const rest = Number(process.argv[3] ?? 0);
const hls = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
const profile = await mkdtemp(join(tmpdir(), 'player-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});

try {
  const page = await browser.newPage();
  const console_ = [];
  page.on('console', (message) => message.type() === 'error' && console_.push(message.text()));
  page.on('pageerror', (error) => console_.push(String(error)));
  await page.setContent('<video muted playsinline style="width:320px"></video>');
  await page.addScriptTag({ path: hls });
  const result = await page.evaluate(play, { url, rest });
  console.log(JSON.stringify({ ...result, console: console_ }));
} catch (error) {
  console.error(String(error).split('\n')[0]);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}

// Runs in the page.
async function play({ url, rest }) {
  const video = document.querySelector('video');
  const errors = [];
  const player = new Hls({ enableWorker: false });
  player.on(Hls.Events.ERROR, (_, data) => errors.push(`${data.details}${data.fatal ? ' (fatal)' : ''}: ${data.error ?? ''}`));
  const event = (name) => new Promise((resolve) => player.once(name, (_, data) => resolve(data)));
  const until = async (what, condition) => {
    for (let tries = 0; tries < 200; tries += 1) {
      if (condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${what} did not happen; at ${video.currentTime} of ${video.duration} s; ${errors.join('; ')}`);
  };
  const plays = async (what) => {
    const from = video.currentTime;
    await until(what, () => video.currentTime > from + 0.3 && video.readyState >= 3);
  };
  const seek = async (to) => {
    video.currentTime = to;
    await until(`seeking to ${to} s`, () => !video.seeking && Math.abs(video.currentTime - to) < 2);
    await video.play();
  };
  const parsed = event(Hls.Events.MANIFEST_PARSED);
  player.loadSource(url);
  player.attachMedia(video);
  const manifest = await parsed;
  await video.play();
  await plays('playing from the start');
  const duration = video.duration;
  await seek(duration - 1.5);
  await until('reaching the end', () => video.ended || duration - video.currentTime < rest);
  const end = video.currentTime;
  await seek(duration / 3);
  await plays('playing after seeking back');
  const tracks = player.audioTracks.map((track) => track.name);
  const switched = [];
  for (let number = 0; number < tracks.length; number += 1) {
    if (number === player.audioTrack) continue;
    const done = event(Hls.Events.AUDIO_TRACK_SWITCHED);
    player.audioTrack = number;
    await done;
    switched.push(tracks[number]);
    await plays(`playing the audio track ${tracks[number]}`);
  }
  const frames = video.getVideoPlaybackQuality();
  return {
    duration,
    end,
    levels: manifest.levels.length,
    audioTracks: tracks,
    switched,
    buffered: video.buffered.length,
    decoded: frames.totalVideoFrames,
    height: video.videoHeight,
    errors,
  };
}
