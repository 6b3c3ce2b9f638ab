// A plugin of the bundler: leaves out parts of packages that the program has no use for, and that they load all the same.
import type { Plugin } from 'rolldown';

/** JetStream, services and benchmarks of `nats`: agent/transport speaks to JetStream itself. They cost an agent 0.5 MB. */
const unused =
  /\/node_modules\/nats\/lib\/(?:jetstream\/\w+|nats-base-client\/(?:service|serviceclient|bench))\.js$/;

/** Whoever comes to need one of them is told. */
const nothing = `module.exports = new Proxy({}, {
  get(_, name) { throw new Error('nats: ' + String(name) + ' is left out of the bundle'); },
});
`;

export function leaveOut(): Plugin {
  return {
    name: 'leave-out',
    load: id => (unused.test(id) ? { moduleType: 'js', code: nothing } : null),
  };
}
