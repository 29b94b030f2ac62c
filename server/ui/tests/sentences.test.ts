import { describe, expect, it } from 'vitest';
import { ApiError } from '@/api/errors';
import DetailsForm from '@/components/library/DetailsForm.vue';
import ConcernList from '@/components/dashboard/ConcernList.vue';
import { speak } from '@/i18n';
import '@/i18n/zh-CN';
import sentences from '@/i18n/zh-CN/sentences.json';
import { learn, sentence } from '@/lib/sentences';
import { fieldWords, words } from '@/lib/words';
import TaskPage from '@/pages/operator/TaskPage.vue';
import { messages, nothing, part, refused, server, show, submit, text, type } from './page';

const chinese = (english: string): string => sentence(english, 'zh-CN');
const places = (template: string): string[] => (template.match(/\{\w+\}/g) ?? []).sort();

describe('the sentences of the server', () => {
  it('are English in English, the one too that existing programs know in Chinese', () => {
    expect(sentence('无法删除正在录制的直播源', 'en')).toMatch(/^this source is being recorded/);
    expect(chinese('无法删除正在录制的直播源')).toBe('无法删除正在录制的直播源');
  });
  it('have the same places in both languages, each once, and say something', () => {
    for (const [english, said] of Object.entries(sentences)) {
      expect(places(said), english).toEqual(places(english));
      expect(new Set(places(english)).size, english).toBe(places(english).length);
      expect(said.trim(), english).not.toBe('');
      expect(english, english).not.toMatch(/\}\{/);
    }
  });
  it('are each found, and no other one before it', () => {
    const filled = (template: string) => template.replace(/\{(\w+)\}/g, '<$1>');
    for (const [english, said] of Object.entries(sentences)) {
      // Nothing but places: it counts where something in it is known.
      if (/[a-z]/i.test(english.replace(/\{\w+\}/g, ''))) expect(chinese(filled(english)), english).toBe(filled(said));
    }
  });
  it('are said in Chinese with their values', () => {
    expect(chinese('the source is connected')).toBe('信号源已连接');
    expect(chinese('no key frame for 12 s; waiting for one')).toBe('已 12 秒没有关键帧，正在等待');
    expect(chinese("the source's clock jumped from 95443.718 s to 0.040 s")).toBe('信号源的时钟从 95443.718 秒跳到 0.040 秒');
    expect(chinese('Cannot delete category with 3 videos')).toBe('分类中有 3 个视频，不能删除');
    expect(chinese('Not enough disk space: the file has 5000 MB, 4000 MB are free, of which 1024 MB are kept free or taken by other uploads')).toBe('磁盘空间不足：文件大小为 5000 MB，磁盘剩余 4000 MB，其中 1024 MB 须保留或已由其他上传占用');
    expect(chinese('at most 10000 characters')).toBe('最多 10000 个字符');
    expect(chinese('at most 100')).toBe('最多 100 个');
  });
  it('are said with the sentences that stand in them', () => {
    expect(chinese('12.500 s are missing at 3601.040 s: the source sent nothing')).toBe('3601.040 秒处缺失 12.500 秒：信号源没有发送数据');
    expect(chinese('0.250 s of video are missing at 4.000 s: segment 42: fetching https://cdn.example/a.ts?k=***: HTTP status 404')).toBe('4.000 秒处缺失 0.250 秒画面：分片 42：获取 https://cdn.example/a.ts?k=*** 失败：HTTP 状态码 404');
    expect(chinese('3 packets were dropped: lost on the network')).toBe('丢弃 3 个数据包：在网络中丢失');
    expect(chinese('opening rtmp://***@cam:1935/live/a: open rtmp://10.0.0.7:1935/live/a: Connection refused; the next try is in 2.0 s')).toBe('打开 rtmp://***@cam:1935/live/a 失败：打开 rtmp://10.0.0.7:1935/live/a 失败：连接被拒绝；2.0 秒后重试');
    expect(chinese('opening rtmp://cam/a: cam: the name can\'t be resolved: failed to lookup address information: Name or service not known')).toBe('打开 rtmp://cam/a 失败：cam：无法解析主机名：查询地址失败：主机名不存在');
    expect(chinese('opening rtsp://cam/a: open rtsp://10.0.0.7/a: no answer in time')).toBe('打开 rtsp://cam/a 失败：打开 rtsp://10.0.0.7/a：限定时间内没有回应');
    expect(chinese('the disk failed: write /srv/a b.mp4 at byte 4096: No space left on device (os error 28)')).toBe('磁盘故障：写入 /srv/a b.mp4 第 4096 字节处失败：磁盘空间不足（系统错误 28）');
    expect(chinese('clip: the media made the reader crash (signal 11); try it again with a copy of the file that another program has written anew')).toBe('剪辑：读取此文件时崩溃（信号 11）；请用其他程序重新保存一份文件后再试');
    expect(chinese('recordings of Hall are kept for 30 d; this one ended 31.2 d ago; 1.0 GB of the disk are free, where 20.0 GB are to be')).toBe('“Hall”的录制保留 30 天，此录制已结束 31.2 天；磁盘剩余 1.0 GB，应保留 20.0 GB');
    expect(chinese('all videos have 2.0 TB of at most 1.5 TB; 1.0 GB of the disk are free, where 20.0 GB are to be')).toBe('全部视频占用 2.0 TB，上限为 1.5 TB；磁盘剩余 1.0 GB，应保留 20.0 GB');
    expect(chinese('body.name: 1 to 64 characters; body.audio: auto, copy, aac or none')).toBe('name：1 至 64 个字符；audio：auto、copy、aac 或 none');
  });
  it('stay as they are where nothing is known, and what is known around them is said', () => {
    for (const unknown of ['', 'what nobody wrote', 'a: b; c', 'odd (very odd)', 'the source is connected.', ' s are missing at ', '无法删除正在录制的直播源']) expect(chinese(unknown)).toBe(unknown);
    expect(chinese('the disk failed: it burns: $& (really)')).toBe('磁盘故障：it burns: $& (really)');
  });
  it('stay as they are in English', () => {
    for (const english of Object.keys(sentences)) expect(sentence(english, 'en')).toBe(english);
  });
  it('are as many values as are there, and those that say most come first', () => {
    learn('xx', { 'a {x}': '1 {x}', 'a {x} b {y}': '2 {y} {x}', '{x} b': '3 {x}', 'a b': '4' });
    const said = (english: string) => sentence(english, 'xx');
    expect(['a b', 'a c', 'a c b d', 'a c b d b e', 'c b', 'a ', ' b', 'a  b ', 'ab'].map(said)).toEqual(['4', '1 c', '2 d c', '2 d b e c', '3 c', 'a ', ' b', '1  b ', 'ab']);
  });
  it('take no time, however long and odd they are', () => {
    const began = performance.now();
    for (const piece of [': ', '; ', ' (', 'opening a: ', 'body.a: ', '1 s are missing at 2 s: ', ' to ']) {
      for (const length of [1999, 4096]) {
        const odd = piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
        expect(chinese(odd).length).toBeGreaterThan(0);
        if (length > 2000) expect(chinese(odd)).toBe(odd);
      }
    }
    for (let event = 0; event < 1000; event++) chinese(`${event}.000 s are missing at 4.000 s: opening rtmp://cam/a: open rtmp://10.0.0.7/a: Connection refused`);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
  it('are what an error says, beside its field too', async () => {
    const t = (key: string) => key;
    const error = new ApiError(422, 'body.name: 1 to 32 characters', { name: '1 to 32 characters', other: 'odd' });
    await speak('zh-CN');
    expect(words(new ApiError(400, 'Category name already exists'), t)).toBe('分类名称已存在');
    expect(words(new ApiError(500, 'internal error'), t)).toBe('common.error.server (内部错误)');
    expect(fieldWords(error)).toEqual({ name: '1 至 32 个字符', other: 'odd' });
    expect(fieldWords(new Error('no'))).toEqual({});
    await speak('en');
    expect(words(error, t)).toBe(error.message);
    expect(fieldWords(error)).toEqual(error.fields);
  });
});

describe('in Chinese', () => {
  const task = {
    id: 9, source_id: 4, source_name: '大厅', schedule_id: null, status: 'interrupted', started_at: '2026-01-01T10:00:00Z', ended_at: '2026-01-01T10:01:00Z', window_end: null, file_path: 'a.mp4', file_size: 1_000_000, duration: 60, reconnects: 1,
    gaps: [{ at_s: 12, length_s: 3, cause: 'segment 7: missing at the origin (EXT-X-GAP)', kind: null }], continues_id: null, continued_by: null, stop_asked: false, error_message: 'the server was interrupted', video_id: 1,
    created_at: '2026-01-01T10:00:00Z', updated_at: '2026-01-01T10:01:00Z', category_id: null, category_name: null, live: null,
  };
  const events = [
    { happened_at: '2026-01-01T10:00:20Z', kind: 'disk_full', message: 'the disk is full; the recording waits for room' },
    { happened_at: '2026-01-01T10:00:30Z', kind: 'reconnecting', message: 'no data for 10 s; the next try is in 1.0 s' },
  ];
  it('a recording says what happened, what is missing and why it ended', async () => {
    server({ 'GET /api/sources': [], 'GET /api/tasks/9': task, 'GET /api/tasks/9/events': events, 'GET /api/videos/1': refused(404, 'Video not found'), 'GET /api/tasks/9/picture': nothing });
    await show(TaskPage, { id: 9 }, '/', 'zh-CN');
    expect(part('task-log').textContent).toContain('磁盘已满，录制正在等待空间');
    expect(part('task-log').textContent).toContain('10 秒没有收到数据；1.0 秒后重试');
    expect(text()).toContain('分片 7：源站标明缺失（EXT-X-GAP）');
    expect(text()).toContain('服务器曾意外中断');
    expect(document.querySelector('.mark.disk_full')?.getAttribute('aria-label')).toContain('磁盘已满，录制正在等待空间');
    await show(TaskPage, { id: 9 });
    expect(text()).toContain('the disk is full; the recording waits for room');
    expect(text()).toContain('segment 7: missing at the origin (EXT-X-GAP)');
  });
  it('what needs a person says why', async () => {
    const concern = { key: 'task-9', tone: 'bad', words: 'failed', values: { name: '大厅', n: 1 }, detail: 'nothing was recorded', to: { name: 'tasks' }, past: true };
    await show(ConcernList, { concerns: [concern] }, '/', 'zh-CN');
    expect(part('concerns').textContent).toContain('没有录到内容');
  });
  it('a form says what the server has against it', async () => {
    server({ 'PUT /api/videos/1': refused(422, 'body.title: 1 to 128 characters', { title: '1 to 128 characters' }) });
    await show(DetailsForm, { video: { id: 1, title: 'a', description: null, category: null, tags: [] }, categories: [], tags: [] }, '/', 'zh-CN');
    await type('title', 'b');
    await submit('save');
    expect(part('title').closest('label')?.textContent).toContain('1 至 128 个字符');
    expect(messages().at(-1)).toBe('error: title：1 至 128 个字符');
  });
});
