// Attacks on processes: SIGKILL, SIGTERM, SIGSTOP and SIGCONT. Each ends when everything was started again.
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Stage } from './stage.ts';

export interface AttackContext {
  stage: Stage;
  random: SeededRandom;
  holdMs: number;
}

export async function killAgent({ stage, random }: AttackContext): Promise<void> {
  const id = random.pick(stage.agentIds);
  await stage.agent(id).kill();
  await stage.startAgent(id);
}

export async function stopAgent({ stage, random }: AttackContext): Promise<void> {
  const id = random.pick(stage.agentIds);
  await expectCleanEnd(id, stage.agent(id).stop());
  await stage.startAgent(id);
}

export async function suspendAgent({ stage, random, holdMs }: AttackContext): Promise<void> {
  const agent = stage.agent(random.pick(stage.agentIds));
  agent.signal('SIGSTOP');
  await pause(holdMs);
  agent.signal('SIGCONT');
}

export async function killRequester({ stage }: AttackContext): Promise<void> {
  await stage.requester.kill();
  await stage.startRequester();
}

/** Stops the requester and its broker, does something to their files, and starts them again. */
export async function stopRequester(
  { stage }: AttackContext,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<void> {
  await expectCleanEnd('the requester', stage.requester.stop());
  await meanwhile();
  await stage.startRequester();
}

export async function suspendRequester({ stage, holdMs }: AttackContext): Promise<void> {
  stage.requester.signal('SIGSTOP');
  await pause(holdMs);
  stage.requester.signal('SIGCONT');
}

export async function killBroker({ stage }: AttackContext): Promise<void> {
  const pid = await stage.untilBroker();
  process.kill(pid, 'SIGKILL');
  await stage.untilBroker(pid);
}

export async function stopBroker({ stage }: AttackContext): Promise<void> {
  const pid = await stage.untilBroker();
  process.kill(pid, 'SIGTERM');
  await stage.untilBroker(pid);
}

/** The requester may replace a suspended broker before it goes on, so the signal may find nobody. */
export async function suspendBroker({ stage, holdMs }: AttackContext): Promise<void> {
  const pid = await stage.untilBroker();
  process.kill(pid, 'SIGSTOP');
  await pause(holdMs);
  if ((await stage.brokerPid()) === pid) process.kill(pid, 'SIGCONT');
}

export async function hangBroker({ stage }: AttackContext): Promise<void> {
  const pid = await stage.untilBroker();
  process.kill(pid, 'SIGSTOP');
  await stage.untilBroker(pid);
}

export async function killRequesterAndBroker({ stage }: AttackContext): Promise<void> {
  const pid = await stage.untilBroker();
  // The requester is first, so that it cannot start the broker again.
  const ended = stage.requester.kill();
  process.kill(pid, 'SIGKILL');
  await ended;
  await stage.startRequester();
}

async function expectCleanEnd(
  who: string,
  ending: Promise<{ code: number | null; signal: string | null }>,
): Promise<void> {
  const { code, signal } = await ending;
  if (code !== 0) throw new Error(`${who} was stopped by SIGTERM and ended with ${signal ?? `code ${code}`}`);
}
