// What a test gives a broker of its own on this machine, besides its folder and its keys.
import type { BrokerOptions } from '../../agent/broker/broker.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { findProgram } from './find-program.ts';

/** The options of a broker on a free port, by the clock of the system and without a log. */
export const localBroker: Omit<BrokerOptions, 'folder' | 'access'> = {
  name: 'node-0',
  host: '127.0.0.1',
  port: 0,
  findOnPath: findProgram,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
};
