// Gives broken inputs to all decoders, then attacks a whole cluster for some minutes, and prints a table of figures and a
// verdict. scripts/campaign runs it.
import { parseArgs } from 'node:util';
import { reasonOf } from '../../../agent/system/errors.ts';
import { allDecoders } from '../../fuzz/all-decoders.ts';
import { fuzzAll } from '../../fuzz/fuzz.ts';
import { carriedOut } from '../attack.ts';
import { faults } from '../cluster/faults.ts';
import { planFaults, runClusterCampaign } from '../cluster/run.ts';
import { attacks, describeRound, planRounds } from '../plan.ts';
import { runCampaign } from '../run.ts';

const usage = `usage: scripts/campaign [--cluster] [--minutes N | --rounds N] [--seed S] [--only NAME] [--inputs N] [--dry-run]

  --cluster     attacks two requesters on three NATS servers, by the faults below
  --minutes N   how long it attacks; the default is 5
  --rounds N    how many rounds it attacks, instead of a time
  --seed S      the seed of the plan; the default is a random one, which is printed first
  --only NAME   carries out only this attack, or this fault; may be given more than once
  --inputs N    first gives each decoder this many broken inputs; the default is 100000, and 0 with --only or --cluster
  --dry-run     prints the plan, and attacks nothing

The attacks:
${rowsOf(attacks)}
The faults of a cluster:
${rowsOf(faults)}`;

function rowsOf(table: Readonly<Record<string, { help: string }>>): string {
  return Object.entries(table)
    .map(([name, { help }]) => `  ${name.padEnd(34)} ${help}\n`)
    .join('');
}

/** Number of rounds in a minute, for a plan that is only printed. */
const roundsPerMinute = 6;
const clusterRoundsPerMinute = 2;

process.exit(await main());

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 64;
  const { help, isCluster, seed, inputs } = options;
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  print(`seed ${seed}`);
  if (options.dryRun) {
    printPlan(options);
    return 0;
  }
  const broken = await fuzzDecoders(seed, inputs);
  if (broken !== undefined) {
    print(`verdict: FAILED, seed ${seed}, in the decoder of ${broken}`);
    return 1;
  }
  const { fault, folder, lines } = isCluster ? await attackCluster(options) : await attackOne(options);
  for (const line of lines) print(line);
  if (fault === undefined) {
    print('verdict: nothing was lost, doubled or left behind');
    return 0;
  }
  print(`verdict: FAILED, seed ${seed}, in ${fault}\nThe logs are in ${folder}`);
  return 1;
}

async function attackOne({ seed, names, limit }: Arguments) {
  const chosen = carriedOut.filter(name => names.includes(name));
  const { figures, ...found } = await runCampaign({
    seed,
    attacks: chosen,
    agents: 6,
    simulatedNodes: 40,
    goOn: limit,
    onProgress: print,
  });
  return { ...found, lines: figures.map(([what, figure]) => `${what.padEnd(40)} ${figure}`) };
}

function attackCluster({ seed, names, limit }: Arguments) {
  return runClusterCampaign({ seed, names, agents: 3, simulatedNodes: 30, goOn: limit, onProgress: print });
}

function printPlan({ isCluster, seed, names, rounds, minutes }: Arguments): void {
  const count = rounds ?? minutes * (isCluster ? clusterRoundsPerMinute : roundsPerMinute);
  const one = planRounds(
    seed,
    carriedOut.filter(name => names.includes(name)),
  );
  const cluster = planFaults(seed, names);
  for (let round = 0; round < count; round++)
    print(isCluster ? `round ${round + 1}: ${cluster.next().value[1]}` : describeRound(one.next().value));
}

/** Returns whether a round may begin. The time counts from the first one. */
function limitOf(minutes: number, rounds: number | undefined): (round: number) => boolean {
  let end: number | undefined;
  return round => {
    end ??= performance.now() + minutes * 60_000;
    return rounds === undefined ? performance.now() < end : round <= rounds;
  };
}

/** Gives broken inputs to all decoders. Returns the first fault; undefined when there is none. */
async function fuzzDecoders(seed: number, inputs: number): Promise<string | undefined> {
  if (inputs === 0) return undefined;
  print(`${allDecoders.length} decoders get up to ${inputs} broken inputs each`);
  try {
    print(`${await fuzzAll(allDecoders, seed, inputs)} inputs were read or refused`);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

interface Arguments {
  help: boolean;
  isCluster: boolean;
  minutes: number;
  rounds: number | undefined;
  /** Returns whether the round of this number may begin. */
  limit(round: number): boolean;
  seed: number;
  names: string[];
  /** Number of broken inputs for each decoder. */
  inputs: number;
  dryRun: boolean;
}

/** Returns what the caller wants; undefined after a sentence about what is wrong. */
function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        cluster: { type: 'boolean' },
        minutes: { type: 'string' },
        rounds: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string', multiple: true },
        inputs: { type: 'string' },
        'dry-run': { type: 'boolean' },
      },
    });
    const minutes = Number(values.minutes ?? 5);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
    if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0: ${values.minutes}`);
    const isCluster = values.cluster === true;
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
      throw new Error(`--rounds must be a whole number above 0: ${values.rounds}`);
    const inputs = Number(values.inputs ?? (values.only === undefined && !isCluster ? 100_000 : 0));
    if (!(Number.isInteger(inputs) && inputs >= 0))
      throw new Error(`--inputs must be a whole number: ${values.inputs}`);
    if (!Number.isInteger(seed)) throw new Error(`--seed must be a whole number: ${values.seed}`);
    const all: readonly string[] = isCluster ? Object.keys(faults) : carriedOut;
    const unknown = values.only?.find(name => !all.includes(name));
    if (unknown !== undefined) throw new Error(`there is no attack '${unknown}'; --help names the attacks`);
    const names = all.filter(name => values.only?.includes(name) ?? true);
    const dryRun = values['dry-run'] === true;
    const limit = limitOf(minutes, rounds);
    return { help: values.help === true, isCluster, minutes, rounds, limit, seed, names, inputs, dryRun };
  } catch (error) {
    process.stderr.write(`campaign: ${reasonOf(error)}\n`);
    return undefined;
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
