// Measures the program on this machine, compares it with its budgets, and prints one table. scripts/bench runs this file,
// which is in test/ because it needs the processes, brokers and stand-ins of test/support.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '../../agent/system/errors.ts';
import { agentStart, steadyAgent } from './agent.ts';
import { manyDecisions } from './decisions.ts';
import { coldNodes, keyedStart, returnOfNodes } from './enrolment.ts';
import { eventThroughput } from './events.ts';
import { fleetCost, silenceNoticed, smallFleet } from './fleet.ts';
import { gateCost, pinMemory } from './gate.ts';
import { heartbeatCost } from './heartbeat-cost.ts';
import { inventoryCost } from './inventory.ts';
import { heartbeatLateness } from './lateness.ts';
import { nodeList } from './node-list.ts';
import { packagedFile } from './packaged.ts';
import { pageInBrowser } from './page.ts';
import { openPages } from './pages.ts';
import { profileInto } from './roles.ts';
import { sampleCost } from './sample.ts';
import { registrationStorm } from './storm.ts';
import { type Line, table } from './table.ts';
import { heartbeatThroughput } from './throughput.ts';
import { openWorkplace, progress } from './workplace.ts';

interface Row {
  help: string;
  measure(): Promise<Line[]>;
}

const rows: Record<string, Row> = {
  agent: { help: 'memory, CPU and child processes of an agent in steady state', measure: steadyAgent },
  start: { help: 'time from exec of an agent to registered', measure: agentStart },
  packaged: { help: 'size and start of the packaged file, memory of its roles', measure: packagedFile },
  inventory: { help: 'cost of an inventory, and its effect on the first heartbeat', measure: inventoryCost },
  sample: { help: 'CPU of one resource sample, compared with systeminformation', measure: sampleCost },
  lateness: { help: 'how late heartbeats are when every source of facts hangs', measure: heartbeatLateness },
  throughput: { help: 'heartbeats a second through a real broker', measure: heartbeatThroughput },
  events: {
    help: 'events a second that the watcher announces, on one server and on three',
    measure: eventThroughput,
  },
  decisions: {
    help: 'time of one command that decides about 1 000 nodes, or forgets them',
    measure: manyDecisions,
  },
  list: {
    help: 'first row, first byte and memory of a list of 1 000 and of 10 000 nodes',
    measure: nodeList,
  },
  pages: {
    help: 'CPU for 50 open pages with 5 000 nodes, and for the first page with 10 000',
    measure: openPages,
  },
  page: {
    help: 'first paint with 10 000 nodes, keys and memory while 5 000 change, in Chromium',
    measure: pageInBrowser,
  },
  heartbeat: { help: 'cost of one heartbeat with 1 000, 10 000 and 100 000 nodes', measure: heartbeatCost },
  fleet: {
    help: 'CPU, memory and start with 20 000 and 100 000 nodes at default intervals',
    measure: fleetCost,
  },
  keyed: {
    help: 'start and memory of an agent with TLS and a key, compared with neither',
    measure: keyedStart,
  },
  join: {
    help: 'time until 10 000 new nodes are registered, over TLS and by a join code',
    measure: coldNodes,
  },
  storm: {
    help: 'registrations a second of 10 000 nodes from cold, on one server and on three that sync',
    measure: registrationStorm,
  },
  return: { help: 'time until 1 000 nodes are back after their broker was killed', measure: returnOfNodes },
  gate: {
    help: 'cost of an admission, and 1 000 nodes back after a restart of the broker',
    measure: gateCost,
  },
  pins: { help: 'memory for the keys of 100 000 nodes', measure: pinMemory },
  silence: { help: 'how late silence is noticed with 1 000 and 100 000 nodes', measure: silenceNoticed },
};

const usage = `usage: scripts/bench [--profile FOLDER] [ROW...]

${Object.entries(rows)
  .map(([name, { help }]) => `  ${name.padEnd(11)} ${help}\n`)
  .join('')}
Without a ROW, all rows are measured. --profile writes CPU profiles of the requesters and agents into FOLDER.
`;

// The bench ends even if a row that failed has left something running.
process.exit(await main());

async function main(): Promise<number> {
  const options = readArguments();
  if (!options) {
    process.stderr.write(usage);
    return 64;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  openWorkplace();
  if (options.profile) profileInto(options.profile);
  const conditions = describeConditions();
  const lines: Line[] = [];
  for (const [name, row] of Object.entries(rows)) {
    if (!options.rows.includes(name)) continue;
    progress(`${name}: ${row.help}`);
    // The small fleet and the agent both wait most of the time, so they run together. The row `silence` gets the result or
    // the failure of the fleet.
    const beside = name === 'agent' && options.rows.includes('silence') ? smallFleet() : undefined;
    const [measured] = await Promise.all([measure(name, row), beside?.catch(() => undefined)]);
    lines.push(...measured);
  }
  process.stdout.write(`${conditions}\n\n${table(lines)}`);
  return lines.some(line => 'failed' in line) ? 1 : 0;
}

async function measure(name: string, row: Row): Promise<Line[]> {
  try {
    return await row.measure();
  } catch (error) {
    return [{ what: name, failed: reasonOf(error) }];
  }
}

function readArguments(): { help: boolean; profile: string | undefined; rows: string[] } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, profile: { type: 'string' } },
    });
    if (positionals.some(name => !Object.hasOwn(rows, name))) return undefined;
    const profile = values.profile && resolve(values.profile);
    if (profile) mkdirSync(profile, { recursive: true });
    return {
      help: values.help === true,
      profile,
      rows: positionals.length > 0 ? positionals : Object.keys(rows),
    };
  } catch {
    return undefined;
  }
}

/** Describes what the figures depend on. Other programs that run on the machine make all of them worse. */
function describeConditions(): string {
  const all = cpus();
  const broker = execFileSync('nats-server', ['--version'], { encoding: 'utf8' }).trim();
  const busy = (loadavg()[0] ?? 0).toFixed(1);
  return `${all.length} × ${all[0]?.model ?? 'CPU'}, Node ${process.version}, ${broker}; load average before: ${busy}`;
}
