// Makes a plugin for the bundler that leaves out parts of packages which the program does not use.
import type { Plugin } from 'rolldown';

/**
 * JetStream, services and benchmarks of `nats`. agent/transport speaks to JetStream itself. They would cost an agent 0.5
 * MB.
 */
const unused =
  /\/node_modules\/nats\/lib\/(?:jetstream\/\w+|nats-base-client\/(?:service|serviceclient|bench))\.js$/;

/** The module that is loaded instead. It throws when any part of it is used. */
const nothing = `module.exports = new Proxy({}, {
  get(_, name) { throw new Error('nats: ' + String(name) + ' is left out of the bundle'); },
});
`;

/** Returns the plugin. */
export function leaveOut(): Plugin {
  return {
    name: 'leave-out',
    load: id => (unused.test(id) ? { moduleType: 'js', code: nothing } : null),
  };
}
