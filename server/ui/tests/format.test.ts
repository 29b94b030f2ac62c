import { describe, expect, it } from 'vitest';
import { bitrate, bytes, clock, regional, relative, seconds, when } from '@/lib/format';

describe('sizes', () => {
  it('has three digits and the unit that they need', () => {
    expect([0, 999, 1000, 12_340, 999_600, 1_240_000_000, 5e15].map(bytes)).toEqual(['0 B', '999 B', '1.00 kB', '12.3 kB', '1.00 MB', '1.24 GB', '5.00 PB']);
  });
  it('says nothing of what is unknown', () => {
    expect([bytes(null), bytes(undefined), bytes(Number.NaN), bitrate(null)]).toEqual(['–', '–', '–', '–']);
  });
  it('tells rates in bits', () => {
    expect([800_000, 4_240_000, 12_300_000].map(bitrate)).toEqual(['800 kb/s', '4.2 Mb/s', '12 Mb/s']);
  });
});

describe('clock', () => {
  it('counts hours only when there are some', () => {
    expect([0, 59.9, 60, 3599, 3600, 90_061, -3].map(clock)).toEqual(['0:00', '0:59', '1:00', '59:59', '1:00:00', '25:01:01', '0:00']);
  });
});

describe('the time of a link', () => {
  it.each([
    ['90', 90],
    ['90s', 90],
    ['1.5', 1.5],
    ['1m30s', 90],
    ['1h2m3s', 3723],
    ['2h', 7200],
    ['1:30', 90],
    ['1:02:03', 3723],
  ])('%s', (text, expected) => expect(seconds(text)).toBe(expected));
  it.each(['', 'x', '1x', '-5', '1:99', 'h', '1:2:3:4'])('%s is none', (text) => expect(seconds(text)).toBeNull());
});

describe('moments', () => {
  it('are UTC, said or not', () => {
    expect(when('2026-03-01T10:00:00')?.toISOString()).toBe('2026-03-01T10:00:00.000Z');
    expect(when('2026-03-01T10:00:00+08:00')?.toISOString()).toBe('2026-03-01T02:00:00.000Z');
    expect(when('never')).toBeNull();
  });
  it('are near or far, in both languages', () => {
    const now = Date.parse('2026-03-01T10:00:00Z');
    expect(relative('2026-03-01T10:05:00Z', 'en', now)).toBe('in 5 minutes');
    expect(relative('2026-03-01T07:00:00Z', 'en', now)).toBe('3 hours ago');
    expect(relative('2026-03-01T10:05:00Z', 'zh-CN', now)).toBe('5分钟后');
  });
  it('are written as the region of the browser does', () => {
    expect(regional('en', ['de-AT', 'en-GB', 'en'])).toBe('en-GB');
    expect(regional('zh-CN', ['zh-TW'])).toBe('zh-CN');
    expect(regional('en', ['de'])).toBe('en');
  });
});
