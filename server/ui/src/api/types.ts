import type { components } from './schema';

/** The server's types by their short names. */
type Schemas = components['schemas'];
export type Source = Schemas['SourceView'];
export type Task = Schemas['TaskView'];
export type Listed = Schemas['Listed'];
export type TaskEvent = Schemas['EventView'];
export type Live = Schemas['Live'];
export type Schedule = Schemas['ScheduleView'];
export type Upcoming = Schemas['UpcomingView'];
export type Run = Schemas['RunView'];
export type Video = Schemas['VideoView'];
export type Session = Schemas['SessionView'];
export type Category = Schemas['CategoryView'];
export type Tag = Schemas['TagView'];
export type Code = Schemas['CodeView'];
export type Job = Schemas['JobView'];
export type SystemStatus = Schemas['StatusView'];
export type SystemInfo = Schemas['InfoView'];
export type AdminAccount = Schemas['AdminView'];
