// Checks valid settings for what a role requires, before the role starts. Commands that only check the settings call it too.

import { isIP } from 'node:net';
import type { Role } from '../config/role.ts';
import type { Settings } from '../config/settings.ts';
import type { SettingsConflict } from '../config/settings-conflicts.ts';
import { isEnveloped } from '../protocol/subjects.ts';
import { isLoopback } from '../system/loopback.ts';

/**
 * Returns a fault for each setting that `role` refuses. When `role` is undefined, some faults are only warnings, because
 * another role may read the settings.
 */
export function checkRoleRequirements(
  role: Role | undefined,
  { api, broker, compute, nats, requester }: Settings,
): SettingsConflict[] {
  const findings: SettingsConflict[] = [];
  const ownBroker = nats.servers.length === 0;
  // Without credentials, the agent logs in with its key.
  const credentials = (['token', 'tokenFile', 'user', 'credsFile'] as const).find(
    name => nats[name] !== undefined,
  );
  if (role === 'agent') {
    if (ownBroker && !credentials && !isEnveloped(compute.heartbeatTopic))
      findings.push(topicWarning('compute', compute.heartbeatTopic));
    return findings;
  }
  if (ownBroker && !isEnveloped(requester.heartbeatTopic))
    findings.push(topicWarning('requester', requester.heartbeatTopic));
  if (ownBroker && broker.allowPlaintext && !isLoopback(broker.host)) {
    findings.push({
      severity: 'warning',
      keys: ['broker.allowPlaintext', 'broker.host'],
      text: `lets the broker listen on ${broker.host} without TLS: whoever is in between reads every message and can act as any node`,
    });
  }
  if (ownBroker && api.port === broker.port && api.port !== 0 && overlap(api.host, broker.host)) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: ['api.port', 'broker.port'],
      value: String(api.port),
      text: 'is also broker.port, and a requester listens on both; allowed: two different ports, or 0 for a free one',
    });
  }
  if (credentials && ownBroker) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: [`nats.${credentials}`],
      text: 'set without nats.servers: a requester refuses that, because its own broker knows it by its key',
    });
  }
  if (nats.accounts.muster !== undefined && ownBroker) {
    findings.push({
      severity: role === 'requester' ? 'fault' : 'warning',
      keys: ['nats.accounts.muster'],
      text: "set without nats.servers: a requester's own broker has no operator",
    });
  }
  return findings;
}

// One node could speak for another on such a topic.
const topicWarning = (part: 'compute' | 'requester', topic: string): SettingsConflict => ({
  severity: 'warning',
  keys: [`${part}.heartbeatTopic`],
  value: `"${topic}"`,
  text: "has no {nodeId}, so no node with a key may send its heartbeats there on a requester's own broker, and it becomes UNHEALTHY; only nodes without a key may",
});

/** Returns whether two servers on these hosts cannot have the same port. A name may mean any address of this machine. */
function overlap(one: string, other: string): boolean {
  const families = [one, other].map(isIP);
  if (one === other || families.includes(0) || one === '::' || other === '::') return true;
  return families[0] === families[1] && (one === '0.0.0.0' || other === '0.0.0.0');
}
