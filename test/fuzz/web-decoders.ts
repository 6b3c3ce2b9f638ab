// The decoders of the page in a browser: the stream that it reads, and what people type there or follow as a link.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { eventTexts } from '../../agent/protocol/event-texts.ts';
import { readLabels } from '../../agent/web/decide/label-text.ts';
import { type PageEvent, readEventLine } from '../../agent/web/events/page-event.ts';
import { EventReader, type StreamEvent } from '../../agent/web/feed/event-reader.ts';
import { readChoice } from '../../agent/web/roll/choice.ts';
import { type Place, readPlace } from '../../agent/web/shell/address.ts';
import type { Decoder } from './decoder.ts';

export const webDecoders: readonly Decoder[] = [
  {
    what: 'a stream of events',
    covers: ['web/feed/event-reader.ts'],
    form: 'text',
    valid: fc.constantFrom('event: nodes\ndata: []\n\n', ': alive\n\ndata: {}\r\n\r\n', 'data:1\rdata:2\r\r'),
    read: input => new EventReader().read(String(input)),
    check: value => {
      for (const { name } of value as StreamEvent[]) assert.ok(name !== '');
    },
  },
  {
    what: 'an event on the page',
    covers: ['web/events/page-event.ts'],
    form: 'json',
    valid: fc.record({
      type: fc.constantFrom('org.muster.node.rejected', 'org.muster.node.cordoned'),
      subject: fc.constant('n-1'),
      time: fc.constant('2026-01-31T12:00:00Z'),
      data: fc.constantFrom(
        {
          previous: { membership: 'PENDING' },
          current: { membership: 'REJECTED' },
          reason: 'old',
          actor: 'ada',
        },
        {
          previous: {},
          current: {},
          cordon: { until: '2026-02-01T00:00:00Z', drain: true },
          labels: { a: '1', b: null },
          evidence: { silence: 5 },
        },
      ),
    }),
    read: input => readEventLine(String(input)),
    check: value => {
      const { kind, change, details } = eventTexts(value as PageEvent);
      for (const each of [kind, change, ...details]) assert.equal(typeof each, 'string');
    },
  },
  {
    what: 'an address of the page',
    covers: ['web/shell/address.ts readPlace', 'web/roll/choice.ts readChoice'],
    form: 'text',
    valid: fc.constantFrom(
      '#/nodes?search=a&labels=rack%3Db7&filter-approval=PENDING&silent-for=30m&sort=heard&group=rack',
      '#/node/n-7',
    ),
    read: input => {
      const place = readPlace(String(input));
      return { place, choice: readChoice(place.query) };
    },
    check: value => {
      const { place } = value as { place: Place };
      assert.ok(place.view !== '');
    },
  },
  {
    what: 'a change of labels as somebody types it',
    covers: ['web/decide/label-text.ts readLabels'],
    form: 'text',
    valid: fc.constantFrom('rack=b7 spare-', 'a=1,b=2', ''),
    read: input => readLabels(String(input)),
  },
];
