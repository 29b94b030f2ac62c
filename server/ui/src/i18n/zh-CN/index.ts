import common from './common';
import dashboard from './dashboard';
import library from './library';
import people from './people';
import schedules from './schedules';
import sentences from './sentences.json';
import sources from './sources';
import system from './system';
import tasks from './tasks';
import viewer from './viewer';

import { learn } from '@/lib/sentences';
import type { Messages } from '../en';

learn('zh-CN', sentences);

const messages: Messages = { common, dashboard, sources, schedules, tasks, library, people, system, viewer };
export default messages;
