import { describe, expect, it } from 'vitest';
import type { Video } from '@/api/types';
import { seconds } from '@/lib/format';
import { prose } from '@/lib/prose';
import { soundOf } from '@/lib/sound';
import { address, height, parts, rate, reached, stamp } from '@/lib/video';

const video = (fields: object): Video => ({ id: 7, duration: 100, gaps: [], tracks: [], file_type: 'video', file_path: 'x.mp4', ...fields }) as unknown as Video;

describe('the parts of a recording', () => {
  it('begin where its gaps are', () => {
    const gaps = [{ at_s: 60, length_s: 12, cause: 'reconnected' }, { at_s: 20.2, length_s: 3, cause: 'a' }, { at_s: 20.9, length_s: 2, cause: 'b' }];
    expect(parts(video({ gaps })).map(({ at, missing }) => [at, missing])).toEqual([[0, null], [20.2, 5], [60, 12]]);
  });
  it('are none of a whole one, nor by what lies outside of it or says nothing', () => {
    expect(parts(video({}))).toEqual([]);
    expect(parts(video({ gaps: [{ at_s: 0.2, length_s: 5, cause: '' }, { at_s: 100, length_s: 5, cause: '' }, { length_s: 5 }] }))).toEqual([]);
  });
});

describe('figures', () => {
  it('tell the shorter side and the pace of the picture', () => {
    const tracks = [{ kind: 'audio', codec: 'aac' }, { kind: 'video', codec: 'h264', width: 1080, height: 1920, fps: 50 }];
    expect([height(video({ tracks })), rate(video({ tracks }))]).toEqual(['1080p', 50]);
    expect([height(video({})), rate(video({}))]).toEqual(['', 25]);
  });
  it('tell how far it was watched here', () => {
    const storage = { getItem: (key: string) => (key === 'mediastack.at.v7' ? '25' : null) };
    expect([reached(video({}), storage), reached(video({ id: 8 }), storage), reached(video({ duration: null }), storage)]).toEqual([0.25, 0, 0]);
  });
});

describe('links to a moment', () => {
  it('are read back as the same moment', () => {
    for (const at of [1, 59, 60, 90, 3600, 3725, 90_061]) expect(seconds(stamp(at)), stamp(at)).toBe(at);
  });
  it('are without one at the beginning', () => {
    expect(address(7, 0.4, 'http://h')).toBe('http://h/watch/7');
    expect(address(7, 90.9, 'http://h')).toBe('http://h/watch/7?t=1m30s');
  });
});

describe('what people write', () => {
  it('has addresses and times in it, and no markup', () => {
    const text = 'See https://example.org/a?b=1. Song at 1:02:03, <b>end</b> 99:00';
    expect(prose(text, 4000)).toEqual([
      { kind: 'text', text: 'See ' },
      { kind: 'link', text: 'https://example.org/a?b=1', url: 'https://example.org/a?b=1' },
      { kind: 'text', text: '. Song at ' },
      { kind: 'time', text: '1:02:03', at: 3723 },
      { kind: 'text', text: ', <b>end</b> 99:00' },
    ]);
  });
  it('is not followed anywhere else', () => {
    expect(prose('javascript:alert(1) 192.168.1.1:80 v1.2:30')).toEqual([{ kind: 'text', text: 'javascript:alert(1) 192.168.1.1:80 v1.2:30' }]);
    expect(prose('（见https://例子.cn/页。）').map((piece) => piece.kind)).toEqual(['text', 'link', 'text']);
  });
});

describe('the sound for a waveform', () => {
  const aac = [{ kind: 'video', codec: 'h264' }, { kind: 'audio', codec: 'aac' }];
  it('is that of the playlist alone', () => {
    expect(soundOf(video({ tracks: aac }), '/play/token/index.m3u8')).toEqual({ url: '/play/token/index-a1.m3u8', seconds: 100 });
    expect(soundOf(video({ tracks: aac, file_type: 'audio' }), '/audio/x.m4a')?.url).toBe('/vod/x.m4a/index.m3u8');
    expect(soundOf(video({ file_size: 5 }), '/audio/x.mp3')).toEqual({ url: '/audio/x.mp3', seconds: 100, bytes: 5 });
  });
  it('is none where there is none that browsers decode', () => {
    expect(soundOf(video({ tracks: [{ kind: 'audio', codec: 'opus' }] }), '/vod/x.mp4/index.m3u8')).toBeNull();
    expect(soundOf(video({ tracks: aac }), '')).toBeNull();
  });
});
