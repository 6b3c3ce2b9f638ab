// Gives broken inputs to all decoders, then attacks a whole cluster for some minutes, and prints a table of figures and a
// verdict. scripts/campaign runs it.
import { parseArgs } from 'node:util';
import { reasonOf } from '../../agent/system/errors.ts';
import { allDecoders } from '../fuzz/all-decoders.ts';
import { fuzzAll } from '../fuzz/fuzz.ts';
import { carriedOut } from './attack.ts';
import { type AttackName, attacks, describeRound, planRounds } from './plan.ts';
import { runCampaign } from './run.ts';

const usage = `usage: scripts/campaign [--minutes N] [--seed S] [--only NAME] [--inputs N] [--dry-run]

  --minutes N   how long it attacks; the default is 5
  --seed S      the seed of the plan; the default is a random one, which is printed first
  --only NAME   carries out only this attack; may be given more than once
  --inputs N    first gives each decoder this many broken inputs; the default is 100000, and 0 with --only
  --dry-run     prints the plan, and attacks nothing

The attacks:
${Object.entries(attacks)
  .map(([name, { help }]) => `  ${name.padEnd(26)} ${help}\n`)
  .join('')}`;

/** Number of rounds in a minute, for a plan that is only printed. */
const roundsPerMinute = 6;

process.exit(await main());

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 64;
  const { help, minutes, seed, names, inputs, dryRun } = options;
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  print(`seed ${seed}`);
  if (dryRun) {
    const rounds = planRounds(seed, names);
    for (let round = 0; round < minutes * roundsPerMinute; round++) print(describeRound(rounds.next().value));
    return 0;
  }
  const broken = await fuzzDecoders(seed, inputs);
  if (broken !== undefined) {
    print(`verdict: FAILED, seed ${seed}, in the decoder of ${broken}`);
    return 1;
  }
  let end: number | undefined;
  const { fault, folder, figures } = await runCampaign({
    seed,
    attacks: names,
    agents: 6,
    simulatedNodes: 40,
    // The time counts from the first round.
    goOn: () => {
      end ??= performance.now() + minutes * 60_000;
      return performance.now() < end;
    },
    onProgress: print,
  });
  for (const [what, figure] of figures) print(`${what.padEnd(40)} ${figure}`);
  if (fault === undefined) {
    print('verdict: nothing was lost, doubled or left behind');
    return 0;
  }
  print(`verdict: FAILED, seed ${seed}, in ${fault}\nThe logs are in ${folder}`);
  return 1;
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
  minutes: number;
  seed: number;
  names: AttackName[];
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
        minutes: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string', multiple: true },
        inputs: { type: 'string' },
        'dry-run': { type: 'boolean' },
      },
    });
    const minutes = Number(values.minutes ?? 5);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
    if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0: ${values.minutes}`);
    const inputs = Number(values.inputs ?? (values.only === undefined ? 100_000 : 0));
    if (!(Number.isInteger(inputs) && inputs >= 0))
      throw new Error(`--inputs must be a whole number: ${values.inputs}`);
    if (!Number.isInteger(seed)) throw new Error(`--seed must be a whole number: ${values.seed}`);
    const unknown = values.only?.find(name => !carriedOut.some(known => known === name));
    if (unknown !== undefined) throw new Error(`there is no attack '${unknown}'; --help names the attacks`);
    const names = carriedOut.filter(name => values.only?.includes(name) ?? true);
    const dryRun = values['dry-run'] === true;
    return { help: values.help === true, minutes, seed, names, inputs, dryRun };
  } catch (error) {
    process.stderr.write(`campaign: ${reasonOf(error)}\n`);
    return undefined;
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
