import { learn } from '@/lib/sentences';
import common from './common';
import dashboard from './dashboard';
import library from './library';
import people from './people';
import schedules from './schedules';
import sources from './sources';
import system from './system';
import tasks from './tasks';
import viewer from './viewer';

// What existing programs know by its words stays in the language that it had.
learn('en', { 无法删除正在录制的直播源: 'this source is being recorded; stop the recording, then delete it' });

const messages = { common, dashboard, sources, schedules, tasks, library, people, system, viewer };

/** The shape that every language has: words are texts, whatever they are in English. */
type Words<T> = { [K in keyof T]: T[K] extends string ? string : Words<T[K]> };
export type Messages = Words<typeof messages>;
export default messages as Messages;
