// The plan of a campaign: rounds of attacks, made from a seed. The same seed gives the same plan.
import { SeededRandom } from '../support/seeded-random.ts';

/** What each attack does, for the plan that a person reads, and which others may run beside it. */
export const attacks = {
  'kill an agent': { group: 'process', help: 'SIGKILL, then a new start' },
  'stop an agent': { group: 'process', help: 'SIGTERM, then a new start' },
  'suspend an agent': { group: 'process', help: 'SIGSTOP, later SIGCONT' },
  'kill the requester': {
    group: 'process',
    help: 'SIGKILL, then a new start, which finds the broker of before',
  },
  'stop the requester': { group: 'process', help: 'SIGTERM, which stops the broker too, then a new start' },
  'suspend the requester': { group: 'process', help: 'SIGSTOP, later SIGCONT' },
  'kill the broker': { group: 'process', help: 'SIGKILL; the requester starts it again' },
  'stop the broker': { group: 'process', help: 'SIGTERM; the requester starts it again' },
  'suspend the broker': { group: 'process', help: 'SIGSTOP, later SIGCONT' },
  'hang the broker': { group: 'alone', help: 'SIGSTOP without SIGCONT; the requester replaces it' },
  'kill requester and broker': {
    group: 'process',
    help: 'SIGKILL for both, as a power cut, then a new start',
  },
  'fill the disk': { group: 'alone', help: 'no space is left for the store; later there is' },
  'tear a block': {
    group: 'alone',
    help: "the end of the store's last block is cut off, then muster store rebuild",
  },
  'flip a block': {
    group: 'alone',
    help: 'bytes in the middle of a block are changed, then muster store rebuild',
  },
  'remove the index': { group: 'alone', help: "the store's index is removed, then muster store rebuild" },
  'remove the store': { group: 'alone', help: "the bucket's folder is removed, then muster store rebuild" },
  'purge the store': {
    group: 'alone',
    help: 'the bucket is purged under a running requester, then muster store rebuild',
  },
  'forge heartbeats': {
    group: 'flood',
    help: 'of nodes of the roll under other sessions, and of unknown nodes',
  },
  'invent nodes': { group: 'alone', help: 'more registrations than may wait for approval' },
  'alternate labels': {
    group: 'flood',
    help: 'nodes that wait for approval send other labels again and again',
  },
  'leave and return': {
    group: 'flood',
    help: 'nodes that wait for approval send Leave and a heartbeat in turn',
  },
  'send garbage': { group: 'flood', help: 'random bytes and broken messages on every subject' },
  'forge events': { group: 'flood', help: 'events under the ids that the next real events will have' },
  'write junk keys': { group: 'flood', help: 'records that cannot be read' },
  'connect strangers': {
    group: 'flood',
    help: 'ten thousand clients with no key, an unknown key or code, while all nodes come back',
  },
  'show wrong keys': {
    group: 'flood',
    help: 'a thousand clients that name honest nodes by other keys, while all nodes come back',
  },
  'open half connections': { group: 'flood', help: 'connections to the API that never finish a request' },
} as const satisfies Record<string, { group: 'process' | 'flood' | 'alone'; help: string }>;
export type AttackName = keyof typeof attacks;

export interface Attack {
  name: AttackName;
  /** How long a suspension or a full disk lasts, in milliseconds. */
  holdMs: number;
  /** The seed of the attack's own choices, such as which agent. */
  seed: number;
}

/** The attacks of a round run at the same time. */
export interface Round {
  number: number;
  attacks: Attack[];
}

/**
 * Returns endless rounds. Each attack of `names` comes once before any comes twice. An attack on a process often has a flood
 * beside it.
 */
export function* planRounds(seed: number, names: readonly AttackName[]): Generator<Round, never> {
  const random = new SeededRandom(seed);
  let deck: AttackName[] = [];
  for (let number = 1; ; number++) {
    if (deck.length === 0) deck = random.shuffle(names);
    const first = deck.shift() as AttackName;
    const round = [first];
    const partner = partnerOf(first, deck);
    if (partner !== undefined && random.number() < 0.6) {
      deck = deck.filter(name => name !== partner);
      round.push(partner);
    }
    yield {
      number,
      attacks: round.map(name => ({ name, holdMs: 500 + random.below(3_500), seed: random.below(2 ** 31) })),
    };
  }
}

function partnerOf(name: AttackName, deck: readonly AttackName[]): AttackName | undefined {
  const { group } = attacks[name];
  if (group === 'alone') return undefined;
  return deck.find(other => attacks[other].group !== 'alone' && attacks[other].group !== group);
}

/** Returns the line of a round that a person reads. */
export const describeRound = ({ number, attacks: list }: Round): string =>
  `round ${number}: ${list.map(({ name, holdMs }) => (holds(name) ? `${name} for ${holdMs} ms` : name)).join(', ')}`;

const holds = (name: AttackName): boolean => /^(suspend|fill)/.test(name);
