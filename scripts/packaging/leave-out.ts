// Makes a plugin for the bundler that leaves out parts of packages which the program does not use.
import type { Plugin } from 'rolldown';

/**
 * JetStream, services, benchmarks and signatures of `nats`: agent/transport speaks to JetStream itself, and signs with Node's own
 * functions. The files and worker threads of `pino`: the log is written by agent/system. They would cost an agent 1 MB, and each
 * start 10 ms.
 */
const unused = [
  /\/nats\/lib\/(?:jetstream\/\w+|nats-base-client\/(?:service|serviceclient|bench))\.js$/,
  /\/nkeys\.js\/lib\/index\.js$/,
  /\/pino\/lib\/(?:transport|multistream)\.js$/,
  /\/(?:sonic-boom|on-exit-leak-free)\/index\.js$/,
];

/** The module that is loaded instead. It throws when any part of it is used, but `instanceof` finds that nothing is made by it. */
const nothing = `const refuse = (_, name) => { throw new Error(String(name) + ' is left out of the bundle'); };
module.exports = new Proxy(function () {}, {
  get: (target, name) => name === 'prototype' || name === Symbol.hasInstance ? target[name] : refuse(target, name),
  apply: refuse,
  construct: refuse,
});
`;

/** Returns the plugin. */
export function leaveOut(): Plugin {
  return {
    name: 'leave-out',
    load: id =>
      id.includes('/node_modules/') && unused.some(each => each.test(id))
        ? { moduleType: 'js', code: nothing }
        : null,
  };
}
