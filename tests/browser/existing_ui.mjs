// Does what an existing admin UI does in a browser and what no test without one can show: media elements, which send no header; the socket
// while a check runs; events. `node existing_ui.mjs BASE JSON` prints one JSON object with what was seen.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [, , base, given] = process.argv;
const hls = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
const profile = await mkdtemp(join(tmpdir(), 'ui-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  bypassCSP: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});

try {
  const page = await browser.newPage();
  await page.goto(`${base}/`);
  await page.addScriptTag({ path: hls });
  const admin = await page.evaluate(administrator, JSON.parse(given));
  await browser.clearCookies();
  const viewer = await page.evaluate(visitor, JSON.parse(given));
  console.log(JSON.stringify({ admin, viewer }));
} catch (error) {
  console.error(String(error).split('\n')[0]);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}

// Runs in the page: the administrator's dialogs.
async function administrator({ video, sound, source, picture }) {
  const loaded = (element, event, src) => new Promise((resolve) => {
    element.addEventListener(event, () => resolve(true));
    element.addEventListener('error', () => resolve(false));
    element.src = src;
    document.body.append(element);
  });
  // As axios sends a FormData: multipart, and the token kept by the page.
  const form = new FormData();
  form.append('username', 'admin');
  form.append('password', 'admin123');
  const signedIn = await fetch('/api/auth/login', { method: 'POST', body: form });
  localStorage.token = (await signedIn.json()).access_token;
  const api = async (method, path, body) => {
    const headers = { Authorization: `Bearer ${localStorage.token}` };
    const isForm = body instanceof FormData;
    if (body && !isForm) headers['Content-Type'] = 'application/json';
    const answer = await fetch(`/api${path}`, { method, headers, body: isForm ? body : body && JSON.stringify(body) });
    return answer.status === 204 ? null : answer.json();
  };

  // The trim dialog, the play page of an unpublished item, the pictures of a row.
  const trimmer = await loaded(document.createElement('video'), 'loadedmetadata', `/api${video}/stream`);
  const player = await loaded(document.createElement('audio'), 'loadedmetadata', `/api${sound}/audio/download`);
  const drawn = await loaded(new Image(), 'load', picture);
  const wave = (await (await fetch(`/api${sound}/audio/download`)).arrayBuffer()).byteLength;

  // The sources' page: a socket without a token, which is pinged while a check runs.
  const socket = new WebSocket(`ws://${location.host}/ws/sources`);
  const heard = [];
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  const told = new Promise((resolve) => socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    heard.push(message);
    if (message.type === 'source_status_changed') resolve(message.data);
  }));
  const ponged = new Promise((resolve) => socket.addEventListener('message', ({ data }) => {
    if (JSON.parse(data).type === 'pong') resolve();
  }));
  const check = await api('GET', `${source}/status`);
  socket.send(JSON.stringify({ type: 'ping' }));
  const change = await told;
  await ponged;
  socket.close();

  // Events of our own UI: EventSource sends no header either.
  const events = new EventSource('/api/events');
  const live = await new Promise((resolve) => {
    events.addEventListener('live', ({ data }) => resolve(JSON.parse(data)));
    events.addEventListener('error', () => resolve('refused'));
  });
  const named = new Promise((resolve) => events.addEventListener('source_changed', ({ data }) => resolve(JSON.parse(data))));
  await api('PUT', source, { name: 'renamed' });
  const changed = await named;
  events.close();

  // The upload page: chunks one after the other, as parts of forms.
  const file = await (await fetch(`/api${sound}/stream`)).blob();
  const size = 65536;
  const task = await api('POST', '/upload/init', { filename: 'song.mp3', file_size: file.size, chunk_size: size });
  let sent = 0;
  for (let index = 0; index < task.total_chunks; index += 1) {
    const part = new FormData();
    part.append('chunk_index', index.toString());
    part.append('chunk', file.slice(index * size, (index + 1) * size));
    sent = (await api('POST', `/upload/${task.task_id}/chunk`, part)).uploaded_chunks;
  }
  const done = await api('POST', `/upload/${task.task_id}/complete`, { title: 'song', tag_ids: [] });
  return {
    trimmer, player, drawn, wave, live, changed, check, change, sent,
    total: task.total_chunks,
    done: done.message,
    types: [...new Set(heard.map((message) => message.type))].sort(),
  };
}

// Runs in the page: somebody without an account, and then with a code.
async function visitor({ locked, code, lockedPicture }) {
  delete localStorage.token;
  const look = async () => {
    const one = await (await fetch(`/api${locked}`)).json();
    const play = await fetch(`/api${locked}/play`);
    const image = await new Promise((resolve) => {
      const element = new Image();
      element.addEventListener('load', () => resolve(true));
      element.addEventListener('error', () => resolve(false));
      element.src = `${lockedPicture}?${Math.random()}`;
    });
    return { locked: one.locked, play: play.status, image, url: play.ok ? (await play.json()).hls_url : null };
  };
  const before = await look();
  const verdict = await (await fetch('/api/view-codes/verify', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ code }),
  })).json();
  const after = await look();
  // hls.js fetches playlist and segments without any header.
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const player = new Hls({ enableWorker: false });
  player.loadSource(after.url);
  player.attachMedia(video);
  await new Promise((resolve) => player.once(Hls.Events.MANIFEST_PARSED, resolve));
  await video.play();
  for (let tries = 0; tries < 200 && video.currentTime < 0.5; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { before, valid: verdict.valid, after, played: video.currentTime };
}
