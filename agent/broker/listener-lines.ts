// Returns the lines of nats-server's configuration for listeners: programs of other people that read the events.
import { listenersAccount, liveAccount, nodesAccount } from '../protocol/callout.ts';
import {
  ackWildcard,
  nodeEventsWildcard,
  pullSubject,
  requesterEventsWildcard,
} from '../protocol/subjects.ts';

/** Limits of each account of listeners, so that no program fills the broker. There are at most a hundred listeners. */
const limits = 'limits { max_connections: 1024, max_subscriptions: 64, max_payload: 4096 }';
/**
 * Time after which the broker forgets where to send the answers to a request that nobody answers any more. It is longer than
 * a request for events may wait.
 */
const answerTime = '35s';

/**
 * Those who read stored events ask for them as for a service, so that answers go nowhere but into their own account. Each
 * may choose the subject of its answers there, so nobody in that account hears events as they are sent. Those who do have
 * an account in which nobody sends anything.
 */
export const listenerLines: { accounts: readonly string[]; exported: readonly string[] } = {
  exported: [
    `      { service: "${pullSubject()}", response_type: stream, response_threshold: "${answerTime}", accounts: [${listenersAccount}] }`,
    `      { service: "${ackWildcard()}", accounts: [${listenersAccount}] }`,
    `      { stream: "${nodeEventsWildcard}", accounts: [${liveAccount}] }`,
    `      { stream: "${requesterEventsWildcard}", accounts: [${liveAccount}] }`,
  ],
  accounts: [
    `  ${listenersAccount} {`,
    `    ${limits}`,
    '    imports: [',
    `      { service: { account: ${nodesAccount}, subject: "${pullSubject()}" } }`,
    `      { service: { account: ${nodesAccount}, subject: "${ackWildcard()}" } }`,
    '    ]',
    '  }',
    `  ${liveAccount} {`,
    `    ${limits}`,
    '    imports: [',
    `      { stream: { account: ${nodesAccount}, subject: "${nodeEventsWildcard}" } }`,
    `      { stream: { account: ${nodesAccount}, subject: "${requesterEventsWildcard}" } }`,
    '    ]',
    '  }',
  ],
};
