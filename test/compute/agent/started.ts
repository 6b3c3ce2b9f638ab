// Starts an agent on a bench of its own.
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, type Reply } from '../agent-bench.ts';

/** Makes a bench in a new folder and starts its agent, up to this phase of the registration. */
export async function startedTo(phase: string, reply?: Reply): Promise<AgentBench> {
  const bench = new AgentBench(await newFolder(), reply);
  await bench.startTo(phase);
  return bench;
}
