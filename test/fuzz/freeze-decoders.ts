// The decoders of what is said about a freeze: its record, what its holder tells, what the requesters answer, and a shut stream.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  freezeKinds,
  readFreeze,
  readFreezeAnswer,
  readTold,
} from '../../agent/requester/freeze/freeze-record.ts';
import { readMadeOn } from '../../agent/requester/made-streams.ts';
import { readFact } from '../../agent/requester/move/move-facts.ts';
import { storedStreams } from '../../agent/requester/stored-streams.ts';
import { readSubjects } from '../../agent/transport/shut-stream.ts';
import { times } from '../support/messages.ts';
import type { Decoder } from './decoder.ts';

const plain = { noNullPrototype: true } as const;
const word = fc.string({ unit: fc.constantFrom(...'abcdef-'), minLength: 1, maxLength: 20 });
const duration = fc.integer({ min: 0, max: 600_000 });
const member = { requester: word, instance: fc.uuid(), host: word };
const file = 'requester/freeze/freeze-record.ts';

/** Returns a decoder that leaves out what it cannot read. */
const row = (
  what: string,
  covers: string,
  valid: fc.Arbitrary<unknown>,
  read: (value: Buffer) => unknown,
): Decoder => ({
  what,
  covers: [covers],
  form: 'json',
  valid,
  isExpected: () => false,
  read: input => read(input as Buffer),
});

export const freezeDecoders: readonly Decoder[] = [
  row(
    'the record of a freeze',
    `${file} readFreeze`,
    fc.record(
      {
        id: fc.uuid(),
        holder: fc.record({ requester: word, host: word, pid: fc.nat(), since: times }, plain),
        purpose: fc.constantFrom('backup', 'move'),
        holds: fc.subarray([...freezeKinds]),
        longestMs: fc.record({ records: duration, events: duration }, plain),
      },
      plain,
    ),
    value =>
      readFreeze({ key: 'freeze', value, revision: 7, marker: false, headers: {}, created: new Date(0) }),
  ),
  row(
    'what the holder of a freeze tells',
    `${file} readTold`,
    fc.record({ id: fc.uuid(), tells: fc.constantFrom('begin', 'beat', 'changed') }, plain),
    readTold,
  ),
  row(
    'what a requester answers about a freeze',
    `${file} readFreezeAnswer`,
    fc.record(
      {
        ...member,
        id: fc.uuid(),
        refused: word,
        isPassing: fc.boolean(),
        peers: fc.array(fc.record(member, plain), { maxLength: 3 }),
      },
      { ...plain, requiredKeys: ['requester', 'instance', 'host', 'id', 'peers'] },
    ),
    readFreezeAnswer,
  ),
  row(
    'what a move has noted',
    'requester/move/move-facts.ts readFact',
    fc.record(
      { what: fc.constantFrom('removing', 'made'), name: fc.constantFrom('KV_muster_v1', 'NODE_EVENTS') },
      plain,
    ),
    value => readFact(value.toString()),
  ),
  row(
    'the record of the streams that were made',
    'requester/made-streams.ts readMadeOn',
    fc.dictionary(
      fc.constantFrom(...storedStreams, 'OTHER'),
      fc.record({ servers: fc.integer({ min: 1, max: 64 }) }, plain),
      plain,
    ),
    value =>
      readMadeOn({ key: 'streams', value, revision: 7, marker: false, headers: {}, created: new Date(0) }),
  ),
  {
    ...row(
      'the subjects of a shut stream',
      'transport/shut-stream.ts readSubjects',
      fc.array(word, { minLength: 1, maxLength: 3 }),
      value => readSubjects(value.toString()),
    ),
    check: value => assert.ok((value as string[]).every(each => typeof each === 'string')),
  },
];
