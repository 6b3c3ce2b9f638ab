// Holds the rules for imports as data: which folder may import which, and which package or module belongs to one folder.

/**
 * The folders of agent/, floor by floor. A file may import files of its own folder and of the floors below it; it may not
 * import another folder of its own floor. ARCHITECTURE.md shows the same arrows.
 */
export const floors: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['doctor'],
  ['roles'],
  ['service', 'compute', 'requester', 'broker'],
  ['api', 'output', 'host'],
  ['config', 'transport', 'web'],
  ['protocol', 'system'],
];

/** The folders beside agent/ that a folder must not import, each with the reason. */
export const strangers: readonly { from: string; to: string; reason: string }[] = [
  {
    from: 'agent',
    to: 'scripts',
    reason: 'The program must not depend on the tools that build and check it.',
  },
  { from: 'agent', to: 'test', reason: 'The program must not depend on its tests.' },
  {
    from: 'scripts',
    to: 'test',
    reason: 'The tests import the scripts that they test, so this would be a circle.',
  },
];

/** Modules that only some files may use. A name that ends in `/` stands for everything that begins with it. */
export const reserved: readonly { what: string; users: readonly string[]; instead: string }[] = [
  {
    what: 'agent/web/',
    users: ['agent/web/'],
    instead: 'It runs in browsers. The requester serves what scripts/web.ts built of it.',
  },
  {
    what: 'nats',
    users: ['agent/transport/'],
    instead:
      'Use the interface in agent/transport/port.ts, so that the rule can be tested without a network.',
  },
  {
    what: 'systeminformation',
    users: ['agent/host/'],
    instead: 'Add the fact to agent/host, which runs this package in a child process with a deadline.',
  },
  {
    what: 'native/',
    users: ['agent/host/'],
    instead:
      'Use loadProbe() of agent/host/native/native-probe.ts, which says why when there is no native probe.',
  },
  {
    what: 'process.env',
    users: ['agent/config/environment.ts'],
    instead:
      'Take the value from the settings, or from the environment that agent/config/environment.ts reads.',
  },
];
