// The settings of the program itself: its data folder and its log.
import { choice, path } from './kind.ts';
import type { Setting } from './setting.ts';

export const programSettings = {
  dataDir: {
    type: path,
    reload: false,
    roles: 'both',
    help: 'folder for all state, in which each role has its own folder',
  },
  'log.level': {
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    reload: true,
    roles: 'both',
    help: 'level of the least important lines in the log',
  },
  'log.format': {
    type: choice('auto', 'json', 'text'),
    default: 'auto',
    reload: false,
    roles: 'both',
    help: 'json is for programs, text for people; auto is text on a terminal and json elsewhere',
  },
  'log.file': {
    type: path,
    reload: false,
    roles: 'both',
    help: 'file for the log, which may be rotated; by default the log goes to standard error',
  },
} satisfies Record<string, Setting>;
